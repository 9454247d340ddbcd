// SPDX-License-Identifier: Apache-2.0
#include "where/python_layout.h"

#include <cstring>
#include <string_view>

namespace tcpdwell {
namespace {

constexpr std::uint64_t kMostOffset = 1U << 20U;  // an interpreter's state has some 100 KiB

std::uint64_t minor(std::uint64_t version) { return version >> 16U; }

constexpr PythonLayout kPython311{.interpreters = 40,
                                  .next_interpreter = 0,
                                  .threads = 16,
                                  .next_thread = 8,
                                  .native_thread_id = 160,
                                  .thread_id = 152,
                                  .frame_holder = 56,
                                  .frame_in_holder = 8,
                                  .code = 32,
                                  .previous = 48,
                                  .instruction = 56,
                                  .owner = 69,
                                  .file = 112,
                                  .qualified_name = 128,
                                  .lines = 136,
                                  .first_line = 72,
                                  .first_instruction = 184,
                                  .text_length = 16,
                                  .text_state = 32,
                                  .ascii_text = 48,
                                  .other_text = 72,
                                  .bytes_size = 16,
                                  .bytes = 32};
constexpr PythonLayout kPython312{.interpreters = 40,
                                  .next_interpreter = 0,
                                  .threads = 72,
                                  .next_thread = 8,
                                  .native_thread_id = 144,
                                  .thread_id = 136,
                                  .frame_holder = 56,
                                  .frame_in_holder = 0,
                                  .code = 0,
                                  .previous = 8,
                                  .instruction = 56,
                                  .owner = 70,
                                  .file = 112,
                                  .qualified_name = 128,
                                  .lines = 136,
                                  .first_line = 68,
                                  .first_instruction = 192,
                                  .text_length = 16,
                                  .text_state = 32,
                                  .ascii_text = 40,
                                  .other_text = 56,
                                  .bytes_size = 16,
                                  .bytes = 32};

// The groups of _Py_DebugOffsets in order: each is a row of words, and its first word is the size
// of the struct that it describes.
struct Groups {
  std::size_t runtime, interpreter, thread, frame, code, bytes, text;  // index of the size's word
};
constexpr Groups kPython313{
    .runtime = 3, .interpreter = 6, .thread = 19, .frame = 28, .code = 34, .bytes = 64, .text = 67};
constexpr Groups kPython314{
    .runtime = 3, .interpreter = 6, .thread = 22, .frame = 31, .code = 39, .bytes = 74, .text = 77};

class DebugOffsets {
 public:
  explicit DebugOffsets(std::span<const std::byte> bytes) : bytes_(bytes) {}
  // An offset beyond kMostOffset makes the whole table invalid.
  std::uint64_t at(std::size_t index) {
    std::uint64_t word = 0;
    if ((index + 1) * sizeof word <= bytes_.size())
      std::memcpy(&word, bytes_.data() + index * sizeof word, sizeof word);
    else
      valid_ = false;
    valid_ = valid_ && word < kMostOffset;
    return word;
  }
  bool valid() const { return valid_; }

 private:
  std::span<const std::byte> bytes_;
  bool valid_ = true;
};

std::optional<PythonLayout> read_offsets(std::span<const std::byte> runtime, const Groups& groups) {
  DebugOffsets offsets(runtime);
  PythonLayout layout{.interpreters = offsets.at(groups.runtime + 2),
                      .next_interpreter = offsets.at(groups.interpreter + 2),
                      .threads = offsets.at(groups.interpreter + 3),
                      .next_thread = offsets.at(groups.thread + 2),
                      .native_thread_id = offsets.at(groups.thread + 6),
                      .thread_id = offsets.at(groups.thread + 5),
                      .frame_holder = offsets.at(groups.thread + 4),
                      .code = offsets.at(groups.frame + 2),
                      .previous = offsets.at(groups.frame + 1),
                      .instruction = offsets.at(groups.frame + 3),
                      .owner = offsets.at(groups.frame + 5),
                      .file = offsets.at(groups.code + 1),
                      .qualified_name = offsets.at(groups.code + 3),
                      .lines = offsets.at(groups.code + 4),
                      .first_line = offsets.at(groups.code + 5),
                      .first_instruction = offsets.at(groups.code + 9),
                      .text_length = offsets.at(groups.text + 2),
                      .text_state = offsets.at(groups.text + 1),
                      .ascii_text = offsets.at(groups.text + 3),
                      .bytes_size = offsets.at(groups.bytes + 1),
                      .bytes = offsets.at(groups.bytes + 2)};
  layout.other_text = layout.ascii_text + 16;  // behind the UTF-8 form and its length
  return offsets.valid() ? std::optional(layout) : std::nullopt;
}

}  // namespace

std::optional<PythonLayout> find_layout(std::uint64_t version, std::span<const std::byte> runtime) {
  constexpr std::string_view kCookie = "xdebugpy";
  constexpr std::size_t kVersion = 8, kFreeThreaded = 16;
  std::uint64_t own_version = 0, free_threaded = 0;
  const bool has_table = runtime.size() >= kDebugOffsets &&
                         std::memcmp(runtime.data(), kCookie.data(), kCookie.size()) == 0;
  if (has_table) {
    std::memcpy(&own_version, runtime.data() + kVersion, sizeof own_version);
    std::memcpy(&free_threaded, runtime.data() + kFreeThreaded, sizeof free_threaded);
    // Its strings and code have another layout.
    if (free_threaded != 0) return std::nullopt;
    if (minor(own_version) == 0x30d) return read_offsets(runtime, kPython313);
    if (minor(own_version) == 0x30e) return read_offsets(runtime, kPython314);
    return std::nullopt;
  }
  if (minor(version) == 0x30b) return kPython311;
  if (minor(version) == 0x30c) return kPython312;
  return std::nullopt;
}

}  // namespace tcpdwell
