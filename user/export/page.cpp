// SPDX-License-Identifier: Apache-2.0
#include "export/page.h"

#include "sinks/escape.h"

namespace tcpdwell::exporter {
namespace {

constexpr std::size_t kMostBytes = 128;

bool is_continued(char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; }

}  // namespace

std::string clean_label(std::string_view bytes) {
  if (bytes.size() > kMostBytes) {
    std::size_t end = kMostBytes;
    while (end > 0 && is_continued(bytes[end])) --end;  // not within a character
    bytes = bytes.substr(0, end);
  }
  std::string text;
  append_printable(text, bytes);
  return text;
}

}  // namespace tcpdwell::exporter
