// SPDX-License-Identifier: Apache-2.0
#include "sinks/text_layout.h"

#include <algorithm>

#include "sinks/screen.h"

namespace tcpdwell {
namespace {

// With a gap behind each.
constexpr std::size_t kLocalWidth = 19, kRemoteWidth = 18;
constexpr std::size_t kChangeWidth = 27;  // SYN_RECEIVED → SYN_RECEIVED
constexpr std::size_t kReasonWidth = 6;   // CLOSED unreachable is so much longer
constexpr std::size_t kDwellWidth = 8;    // ~60.297s
constexpr std::size_t kOwnerWidth = 14;
constexpr std::size_t kLongestEndpoint = 48;  // IPv6, with the gap
constexpr std::size_t kNarrow = 70, kNarrowNote = 4;

}  // namespace

TextLayout layout_for(const Screen* screen, std::size_t time_width) {
  TextLayout at;
  at.local = at.note = time_width + 1;
  std::size_t local = kLocalWidth, remote = kRemoteWidth;
  const std::size_t base = at.local + local + remote + kChangeWidth + kDwellWidth + 1 + kOwnerWidth;
  if (screen != nullptr) {
    const ScreenSize size = screen->size();
    at.width = size.columns;
    at.rows = size.rows;
    at.addresses = size.columns >= base;
    if (size.columns < kNarrow) at.note = kNarrowNote;
  }
  if (at.addresses) {
    const std::size_t share = at.width > base ? (at.width - base) * 3 / 4 : 0;
    local = std::min(kLongestEndpoint, local + share / 2);
    remote = std::min(kLongestEndpoint, remote + share - share / 2);
    at.remote = at.local + local;
    at.change = at.remote + remote;
    at.dwell_end = at.change + kChangeWidth + kDwellWidth;
  } else {
    at.remote = at.change = at.local;
    const std::size_t tight = at.change + kChangeWidth + 1 + kDwellWidth;
    const std::size_t spare = at.width - std::min(at.width, tight + 1 + kOwnerWidth);
    at.dwell_end = tight + std::min(spare, kReasonWidth);
  }
  at.owner = at.dwell_end + 1;
  return at;
}

}  // namespace tcpdwell
