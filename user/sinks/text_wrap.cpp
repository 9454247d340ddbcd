// SPDX-License-Identifier: Apache-2.0
#include "sinks/text_wrap.h"

#include <algorithm>

#include "sinks/text_format.h"

namespace tcpdwell {
namespace {

constexpr std::string_view kNext = "next: ";
// A deeper indent would leave too little room for the words.
constexpr std::size_t kLeastRoom = 30;

std::size_t indent_of(std::string_view line, std::size_t hang, std::size_t width) {
  const std::size_t spaces = std::min(line.find_first_not_of(' '), line.size());
  std::size_t indent = spaces > 0 ? spaces : hang;
  if (line.substr(spaces).starts_with(kNext)) indent += kNext.size();
  return std::min(indent, width - std::min(width, kLeastRoom));
}

void append_wrapped(std::string& all, std::string_view line, std::size_t width, std::size_t hang) {
  const std::size_t indent = indent_of(line, hang, width);
  std::size_t column = 0;
  bool begun = false;  // a word is on the present line
  while (!line.empty()) {
    const std::size_t spaces = std::min(line.find_first_not_of(' '), line.size());
    const std::size_t end = std::min(line.find(' ', spaces), line.size());
    const std::string_view word = line.substr(spaces, end - spaces);
    const std::size_t wide = display_width(word);
    if (begun && !word.empty() && column + spaces + wide > width) {
      column = std::min(indent, width - std::min(width, wide));
      (all += '\n').append(column, ' ');
    } else {
      all.append(spaces, ' ');
      column += spaces;
    }
    all += word;
    column += wide;
    begun = begun || !word.empty();
    line.remove_prefix(end);
  }
}

}  // namespace

std::string wrap_lines(std::string_view text, std::size_t width, std::size_t hang) {
  if (width == 0) return std::string(text);
  std::string all;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (display_width(line) <= width)
      all += line;
    else
      append_wrapped(all, line, width, hang);
    if (end < text.size()) all += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return all;
}

std::string shortened(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return "";
  std::size_t kept = text.size();
  while (kept > 0 && display_width(text.substr(0, kept)) > width - 1) {
    --kept;
    while (kept > 0 && (static_cast<unsigned char>(text[kept]) & 0xc0U) == 0x80) --kept;
  }
  return std::string(text.substr(0, kept)) + "…";
}

}  // namespace tcpdwell
