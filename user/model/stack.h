// SPDX-License-Identifier: Apache-2.0
// The frames of a thread's stack with names: what `where` consists of (docs/where.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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
  std::uint32_t line = 0;    // 0: not known
  std::string module;        // path of the executable or library; empty: none is mapped there
  std::uint64_t offset = 0;  // of the instruction in the module, as addr2line takes it
  FrameKind kind = FrameKind::Unknown;
  bool truncated = false;  // the stack has further frames that could not be read
  bool operator==(const Frame&) const = default;
};

// The innermost frame comes first. A function that was inlined has a frame of its own.
using Stack = std::vector<Frame>;
inline constexpr std::size_t kMostFrames = 128;

}  // namespace tcpdwell
