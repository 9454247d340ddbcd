// SPDX-License-Identifier: Apache-2.0
// Where a CPython interpreter keeps its threads and frames: 3.11 and 3.12 by a table made from
// their headers, later versions by the table that the interpreter itself has (_Py_DebugOffsets).
// Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace tcpdwell {

// Offsets in bytes.
struct PythonLayout {
  std::uint64_t interpreters = 0;      // in _PyRuntime: the first interpreter
  std::uint64_t next_interpreter = 0;  // in PyInterpreterState
  std::uint64_t threads = 0;
  std::uint64_t next_thread = 0;  // in PyThreadState
  std::uint64_t native_thread_id = 0, thread_id = 0;
  // In PyThreadState: the current frame, or the address of a struct that has it (3.11, 3.12).
  std::uint64_t frame_holder = 0;
  std::optional<std::uint64_t> frame_in_holder;
  std::uint64_t code = 0, previous = 0, instruction = 0, owner = 0;       // in _PyInterpreterFrame
  std::uint64_t file = 0, qualified_name = 0, lines = 0, first_line = 0;  // in PyCodeObject
  std::uint64_t first_instruction = 0;
  std::uint64_t text_length = 0, text_state = 0, ascii_text = 0, other_text = 0;  // in str
  std::uint64_t bytes_size = 0, bytes = 0;                                        // in bytes
  // Frames with this owner or a higher one have no code of the program.
  std::uint8_t first_owner_without_code = 3;
};

// The first bytes of _PyRuntime that find_layout() needs.
inline constexpr std::size_t kDebugOffsets = 760;

// `version` is PY_VERSION_HEX, or 0 if it is not known; `runtime` is the begin of _PyRuntime.
// nullopt: a version whose layout is not known.
std::optional<PythonLayout> find_layout(std::uint64_t version, std::span<const std::byte> runtime);

}  // namespace tcpdwell
