// SPDX-License-Identifier: Apache-2.0
// The frames of a thread's stack with names: what `where` consists of (docs/where.md).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/types.h"

namespace tcpdwell {

enum class FrameKind : std::uint8_t { Unknown, Native, Python, Jit, Kernel };
inline std::string_view name(FrameKind kind) {
  switch (kind) {
    case FrameKind::Unknown: return "unknown";
    case FrameKind::Native: return "native";
    case FrameKind::Python: return "python";
    case FrameKind::Jit: return "jit";
    case FrameKind::Kernel: return "kernel";
  }
  return "unknown";
}

// All texts are untrusted, and at most kLongestFrameText bytes long.
inline constexpr std::size_t kLongestFrameText = 1024;
struct Frame {
  std::string function;      // demangled; empty: not known
  std::string file;          // source file; empty: not known
  std::uint32_t line = 0;    // 0: not known; kind Jit: where the function begins
  std::string module;        // path of the executable or library; empty: none is mapped there
  std::uint64_t offset = 0;  // of the instruction in the module, as addr2line takes it
  FrameKind kind = FrameKind::Unknown;
  bool truncated = false;  // the stack has further frames that could not be read
  bool operator==(const Frame&) const = default;
};

// The innermost frame comes first. A function that was inlined has a frame of its own.
using Stack = std::vector<Frame>;
inline constexpr std::size_t kMostFrames = 128;
// The frame belongs to a library or a runtime rather than to the program, judged by its names.
bool is_library(const Frame& frame);

// The frames to show, nearest first: those of the program, at most kShownFrames, and of a callback
// only those that its event loop called. If all belong to libraries: one of these, with a name if
// any has one.
inline constexpr std::size_t kShownFrames = 3;
std::vector<const Frame*> shown_frames(const Stack& stack);
// True if an event loop itself runs: none of the frames inside it is the program's.
bool is_of_loop(const Stack& stack);
// Leaves out the directories of files and modules, which can have the name of a user. A library's
// source keeps those within the library: is_library() goes by them.
void leave_out_directories(Stack& stack);

// Why there is no stack.
enum class NoStack : std::uint8_t {
  None,            // there is one
  NotSeen,         // what it is about did not happen, or not while we looked
  Older,           // it happened before the trace began
  Budget,          // too many, or it took too long
  Exited,          // the process or the thread is gone
  Denied,          // its memory or files cannot be read
  UnknownVersion,  // of an interpreter
  Running,         // the thread ran meanwhile
};
inline std::string_view name(NoStack why) {
  switch (why) {
    case NoStack::None: return "";
    case NoStack::NotSeen: return "not_seen";
    case NoStack::Older: return "older";
    case NoStack::Budget: return "budget";
    case NoStack::Exited: return "exited";
    case NoStack::Denied: return "denied";
    case NoStack::UnknownVersion: return "unknown_version";
    case NoStack::Running: return "running";
  }
  return "";
}

// When something happened to a socket that has a stack.
enum class StackMoment : std::uint8_t {
  Opened,   // connect(), or the accept() that returned it
  EofRead,  // the receive that consumed the end of stream
};

// The stack of the thread that opened a socket, or read its end of stream.
struct CodePlace {
  std::shared_ptr<const Stack> stack;
  NoStack missing = NoStack::NotSeen;  // if there is no stack
};

// A thread of a holder, when the kernel was asked. Threads of a process with the same system call,
// descriptor and stack are one.
struct BlockedThread {
  std::uint32_t tid = 0;  // one of them
  std::uint32_t threads = 1;
  std::string comm;            // untrusted
  std::string call;            // name of the system call; empty: it is in none
  std::optional<int> fd;       // on which the call waits
  std::optional<Flow> socket;  // what that descriptor is, if it is a TCP socket
  Stack stack;
  NoStack missing = NoStack::None;
  bool operator==(const BlockedThread&) const = default;
};
using BlockedThreads = std::vector<BlockedThread>;

}  // namespace tcpdwell
