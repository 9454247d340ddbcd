// SPDX-License-Identifier: Apache-2.0
#include "sinks/escape.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

namespace tcpdwell {
namespace {

constexpr char kHex[] = "0123456789abcdef";

struct Sequence {
  std::size_t size = 0;  // 0: not UTF-8
  std::uint32_t code = 0;
};

std::uint8_t byte_at(std::string_view bytes, std::size_t i) {
  return static_cast<std::uint8_t>(bytes[i]);
}

// The UTF-8 sequence at the start of `bytes` (RFC 3629: shortest form, no surrogates).
Sequence sequence(std::string_view bytes) {
  const std::uint8_t first = byte_at(bytes, 0);
  if (first < 0x80) return {1, first};
  std::size_t size = 0;
  std::uint32_t least = 0;
  std::uint32_t code = 0;
  if ((first & 0xe0U) == 0xc0)
    size = 2, least = 0x80, code = first & 0x1fU;
  else if ((first & 0xf0U) == 0xe0)
    size = 3, least = 0x800, code = first & 0x0fU;
  else if ((first & 0xf8U) == 0xf0)
    size = 4, least = 0x10000, code = first & 0x07U;
  if (size == 0 || bytes.size() < size) return {};
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte_at(bytes, i) & 0xc0U) != 0x80) return {};
    code = code << 6U | (byte_at(bytes, i) & 0x3fU);
  }
  if (code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return {};
  return {size, code};
}

void append_hex_byte(std::string& out, std::uint8_t byte) {
  out += kHex[byte >> 4U];
  out += kHex[byte & 0xfU];
}

bool is_control(std::uint32_t code) { return code < 0x20 || (code >= 0x7f && code < 0xa0); }

// Characters that reorder or break the line, are invisible, or look like a space: two names that
// differ only in one look alike. Unicode's categories Cf, Zl, Zp and Zs except the space, and
// Default_Ignorable_Code_Point: soft hyphen, joiners, fillers, variation selectors, tags.
bool misleads(std::uint32_t code) {
  struct Range {
    std::uint32_t first, last;
  };
  // In ascending order.
  constexpr Range kRanges[] = {
      {0xa0, 0xa0},       {0xad, 0xad},       {0x34f, 0x34f},     {0x600, 0x605},
      {0x61c, 0x61c},     {0x6dd, 0x6dd},     {0x70f, 0x70f},     {0x890, 0x891},
      {0x8e2, 0x8e2},     {0x115f, 0x1160},   {0x1680, 0x1680},   {0x17b4, 0x17b5},
      {0x180b, 0x180f},   {0x2000, 0x200f},   {0x2028, 0x202f},   {0x205f, 0x206f},
      {0x2800, 0x2800},   {0x3000, 0x3000},   {0x3164, 0x3164},   {0xfe00, 0xfe0f},
      {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},   {0x110bd, 0x110bd},
      {0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
      {0xe0000, 0xe0fff}};
  const auto range =
      std::lower_bound(std::begin(kRanges), std::end(kRanges), code,
                       [](const Range& each, std::uint32_t c) { return each.last < c; });
  return range != std::end(kRanges) && range->first <= code;
}

char* write_utf16_unit(char* to, std::uint32_t unit) {
  *to++ = '\\';
  *to++ = 'u';
  for (int shift = 12; shift >= 0; shift -= 4) *to++ = kHex[unit >> shift & 0xfU];
  return to;
}

char* write_json_escape(char* to, std::uint32_t code) {
  if (code < 0x10000) return write_utf16_unit(to, code);
  to = write_utf16_unit(to, 0xd800 + ((code - 0x10000) >> 10U));
  return write_utf16_unit(to, 0xdc00 + (code & 0x3ffU));
}

constexpr std::size_t kWord = sizeof(std::uint64_t);

// True if eight bytes need no escape in a JSON string: 0x20 to 0x7e except '"' and '\\'.
bool is_plain(const char* bytes) {
  constexpr std::uint64_t kEach = 0x0101010101010101;
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  // The upper bit of each byte is the result; no sum carries into the next byte.
  const std::uint64_t low = word & 0x7f * kEach;
  const std::uint64_t not_control = low + 0x60 * kEach;
  const std::uint64_t delete_sign = low + 0x01 * kEach;
  const std::uint64_t not_quote = (low ^ '"' * kEach) + 0x7f * kEach;
  const std::uint64_t not_backslash = (low ^ '\\' * kEach) + 0x7f * kEach;
  const std::uint64_t wrong = word | ~not_control | delete_sign | ~not_quote | ~not_backslash;
  return (wrong & 0x80 * kEach) == 0;
}

}  // namespace

char* write_json_string(char* to, std::string_view bytes) {
  *to++ = '"';
  while (bytes.size() >= kWord && is_plain(bytes.data())) {  // the usual case
    std::memcpy(to, bytes.data(), kWord);
    to += kWord;
    bytes.remove_prefix(kWord);
  }
  while (!bytes.empty()) {
    const std::uint8_t first = byte_at(bytes, 0);
    if (first >= 0x20 && first < 0x7f && first != '"' && first != '\\') {
      *to++ = bytes.front();
      bytes.remove_prefix(1);
      continue;
    }
    const auto [size, code] = sequence(bytes);
    if (size == 0) {
      to = std::copy_n("\xef\xbf\xbd", 3, to);
      bytes.remove_prefix(1);
      continue;
    }
    if (code == '"' || code == '\\') {
      *to++ = '\\';
      *to++ = static_cast<char>(code);
    } else if (is_control(code) || misleads(code)) {
      to = write_json_escape(to, code);
    } else {
      to = std::copy_n(bytes.data(), size, to);
    }
    bytes.remove_prefix(size);
  }
  *to++ = '"';
  return to;
}

void append_printable(std::string& out, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto [size, code] = sequence(bytes);
    const std::size_t used = size == 0 ? 1 : size;
    if (size == 0 || is_control(code) || misleads(code)) {
      for (std::size_t i = 0; i < used; ++i) {
        out += "\\x";
        append_hex_byte(out, byte_at(bytes, i));
      }
    } else {
      out += bytes.substr(0, size);
    }
    bytes.remove_prefix(used);
  }
}

}  // namespace tcpdwell
