// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/code_places.h"

namespace tcpdwell {

// A cookie can have several lives: connect() after a disconnect. Then the latest place counts.
void CodePlaces::on(const StackEvent& event, bool open) {
  Places& places = places_[event.cookie];
  places.ended = false;
  CodePlace& place = event.moment == StackMoment::Opened ? places.opened : places.eof_read;
  place = {.stack = event.stack, .missing = event.missing};
  if (event.moment == StackMoment::Opened) places.eof_read = {};
  if (!open) mark_ended(event.cookie);
}

void CodePlaces::mark_ended(std::uint64_t cookie) {
  const auto it = places_.find(cookie);
  if (it == places_.end() || it->second.ended) return;
  it->second.ended = true;
  ended_.push_back(cookie);
  if (ended_.size() <= kMostEnded) return;
  const auto oldest = places_.find(ended_.front());
  if (oldest != places_.end() && oldest->second.ended) places_.erase(oldest);
  ended_.pop_front();
}

void CodePlaces::add_to(FlagRecord& flag, std::uint64_t cookie, bool older) const {
  flag.opened.missing = flag.eof_read.missing = older ? NoStack::Older : NoStack::NotSeen;
  const bool not_read = flag.cause == Cause::EofUnread || flag.cause == Cause::DataUnread;
  if (not_read) flag.eof_read.missing = NoStack::NotSeen;
  const auto it = places_.find(cookie);
  if (cookie == 0 || it == places_.end()) return;
  const auto put = [](CodePlace& to, const CodePlace& from) {
    if (from.stack != nullptr || from.missing != NoStack::NotSeen) to = from;
  };
  put(flag.opened, it->second.opened);
  put(flag.eof_read, it->second.eof_read);
}

}  // namespace tcpdwell
