// SPDX-License-Identifier: Apache-2.0
#include "top/keys.h"

#include <utility>

namespace tcpdwell::top {
namespace {

constexpr std::size_t kLongestSequence = 32;

// Without the leading ESC. xterm, the Linux console, rxvt, with and without application mode.
std::optional<Key::Code> code_of(std::string_view sequence) {
  static constexpr std::pair<std::string_view, Key::Code> kSequences[] = {
      {"[A", Key::Up},      {"[B", Key::Down},      {"[C", Key::Right}, {"[D", Key::Left},
      {"OA", Key::Up},      {"OB", Key::Down},      {"OC", Key::Right}, {"OD", Key::Left},
      {"[5~", Key::PageUp}, {"[6~", Key::PageDown}, {"[H", Key::Home},  {"[F", Key::End},
      {"OH", Key::Home},    {"OF", Key::End},       {"[1~", Key::Home}, {"[4~", Key::End},
      {"[7~", Key::Home},   {"[8~", Key::End},      {"OM", Key::Enter}};
  for (const auto& [known, code] : kSequences)
    if (known == sequence) return code;
  return std::nullopt;
}

// How many bytes the sequence after ESC has; 0: it is not complete.
std::size_t sequence_size(std::string_view after) {
  if (after.empty()) return 0;
  if (after[0] == 'O') return after.size() >= 2 ? 2 : 0;
  if (after[0] != '[') return 1;
  for (std::size_t i = 1; i < after.size(); ++i)
    if (after[i] >= 0x40 && after[i] <= 0x7e) return i + 1;
  return after.size() > kLongestSequence ? after.size() : 0;
}

std::size_t character_size(unsigned char first) {
  return first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
}

std::optional<Key> control_key(char byte) {
  switch (byte) {
    case '\r':
    case '\n': return Key{Key::Enter, {}};
    case '\t': return Key{Key::Tab, {}};
    case 0x7f:
    case 0x08: return Key{Key::Backspace, {}};
    case 0x03: return Key{Key::Interrupt, {}};
    case 0x0c: return Key{Key::Redraw, {}};
    case 0x15: return Key{Key::Clear, {}};
    case 0x1a: return Key{Key::Suspend, {}};
    default: return std::nullopt;
  }
}

}  // namespace

std::vector<Key> Keys::add(std::string_view bytes, Nanos now) {
  if (!bytes.empty()) last_ = now;
  bytes_ += bytes;
  return take(false);
}

std::vector<Key> Keys::wait(Nanos now) {
  return !bytes_.empty() && now >= last_ + kPatience ? take(true) : std::vector<Key>{};
}

std::optional<Nanos> Keys::due() const {
  return bytes_.empty() ? std::nullopt : std::optional(last_ + kPatience);
}

std::vector<Key> Keys::take(bool all) {
  std::vector<Key> keys;
  while (!bytes_.empty()) {
    const std::string_view bytes = bytes_;
    std::size_t used = 1;
    if (bytes[0] == '\033') {
      const std::size_t size = sequence_size(bytes.substr(1));
      if (size == 0 && !all) break;
      // ESC and another key are two keys: Alt is not used.
      const bool is_sequence = size > 1;
      const auto code = is_sequence ? code_of(bytes.substr(1, size)) : std::optional(Key::Escape);
      if (code) keys.push_back({*code, {}});
      used = is_sequence ? 1 + size : 1;
    } else if (const auto first = static_cast<unsigned char>(bytes[0]);
               first < 0x20 || first == 0x7f) {
      if (auto key = control_key(bytes[0])) keys.push_back(*key);
    } else {
      used = character_size(first);
      if (bytes.size() < used && !all) break;
      keys.push_back({Key::Text, std::string(bytes.substr(0, used))});
    }
    bytes_.erase(0, used);
  }
  return keys;
}

}  // namespace tcpdwell::top
