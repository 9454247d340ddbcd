// SPDX-License-Identifier: Apache-2.0
#include "export/page.h"

#include "sinks/escape.h"

namespace tcpdwell::exporter {
namespace {

constexpr std::size_t kMostBytes = 128;

bool is_continued(char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; }

}  // namespace

std::string clean_label(std::string_view bytes) {
  std::string text;
  append_printable(text, bytes.substr(0, kMostBytes));
  if (text.size() <= kMostBytes) return text;
  std::size_t end = kMostBytes;
  while (end > 0 && is_continued(text[end])) --end;  // not within a character
  text.resize(end);
  return text;
}

}  // namespace tcpdwell::exporter
