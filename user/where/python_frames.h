// SPDX-License-Identifier: Apache-2.0
// The Python frames of a thread, from the memory of its process. The memory is untrusted: it may
// change at any time, lists are bounded, and may be circular.
#pragma once

#include <cstdint>
#include <optional>

#include "model/stack.h"
#include "where/process_memory.h"
#include "where/process_view.h"
#include "where/python_layout.h"

namespace tcpdwell {

struct PythonInterpreter {
  std::uint64_t runtime = 0;           // address of _PyRuntime
  std::optional<PythonLayout> layout;  // nullopt: a version that is not known
  const Module* module = nullptr;      // that has the interpreter's code
};

// nullopt: the process has no Python interpreter.
std::optional<PythonInterpreter> find_python(const ProcessView& process,
                                             const MemoryReader& memory);

// Which thread: as the interpreter knows it.
struct PythonThread {
  std::uint32_t native_id = 0;  // in the process's own pid namespace
  std::uint64_t thread_id = 0;  // pthread_self(); 0: not known
};

// A frame that was read at an event, with fields of its code object at that time.
struct PythonCall {
  std::uint64_t code = 0, instruction = 0;
  std::uint64_t file = 0, qualified_name = 0, lines = 0;
  std::uint32_t first_line = 0, lines_sum = 0;  // the latter: tcpdwell_lines_sum()
  bool operator==(const PythonCall&) const = default;
};

// Without a name, if the code object is another one by now.
Frame python_frame(const PythonLayout& layout, const PythonCall& call, const MemoryReader& memory);

// Innermost first. Empty: no thread of the interpreter, or it runs no Python code, or several
// interpreters run in it.
Stack python_frames(const PythonLayout& layout, std::uint64_t runtime, const PythonThread& thread,
                    const MemoryReader& memory);

}  // namespace tcpdwell
