// SPDX-License-Identifier: Apache-2.0
#include "model/stack.h"

#include <algorithm>
#include <array>

#include "model/process_facts.h"

namespace tcpdwell {
namespace {

constexpr std::array<std::string_view, 13> kLibraryFiles = {
    "node:",    "/lib/python",  "/site-packages/", "/dist-packages/", "<frozen",
    "/rustc/",  "library/std/", "library/core/",   "library/alloc/",  "/usr/include/",
    "sysdeps/", "/go-1.",       "/go/src/"};
constexpr std::array<std::string_view, 9> kLibraryFunctions = {
    "runtime.", "std::", "core::", "alloc::", "<std::", "<core::", "<alloc::", "__libc_", "uv_"};
// Of V8 and the JDK.
constexpr std::array<std::string_view, 12> kJitLibraries = {"Builtin:",
                                                            "BytecodeHandler:",
                                                            "InterpreterEntryTrampoline",
                                                            "Stub:",
                                                            "RegExp:",
                                                            "java.",
                                                            "javax.",
                                                            "jdk.",
                                                            "sun.",
                                                            "Interpreter",
                                                            "StubRoutines",
                                                            "call_stub"};

// What calls an event loop's callbacks: Python's asyncio, libuv (node, uvloop), libevent, libev,
// Redis, GLib, nginx, and asynchronous runtimes of C++ and Rust.
constexpr std::array<std::string_view, 10> kLoops = {"BaseEventLoop._run_once",
                                                     "BaseEventLoop.run_forever",
                                                     "uv__io_poll",
                                                     "uv_run",
                                                     "event_base_loop",
                                                     "ev_run",
                                                     "aeProcessEvents",
                                                     "g_main_loop_run",
                                                     "g_main_context_dispatch",
                                                     "ngx_process_events_and_timers"};
constexpr std::array<std::string_view, 2> kLoopPrefixes = {"tokio::runtime::",
                                                           "boost::asio::detail::scheduler::"};

bool is_loop(const Frame& frame) {
  return std::find(kLoops.begin(), kLoops.end(), frame.function) != kLoops.end() ||
         std::any_of(kLoopPrefixes.begin(), kLoopPrefixes.end(),
                     [&](std::string_view prefix) { return frame.function.starts_with(prefix); });
}

// Where an event loop called what runs. The frames from there on are the same for all callbacks.
Stack::const_iterator end_of_callback(const Stack& stack) {
  return std::find_if(stack.begin(), stack.end(), is_loop);
}

// Where the path of a library's source begins, without the directories that it was installed in.
std::size_t library_in(std::string_view file) {
  std::size_t first = file.npos;
  for (const std::string_view part : kLibraryFiles) first = std::min(first, file.find(part));
  return first;
}

// A library, or a runtime that runs the program.
bool is_library_module(std::string_view module) {
  const auto name = module.substr(std::min(module.rfind('/') + 1, module.size()));
  return name.find(".so") != name.npos || name.starts_with("ld-linux") || name == "node" ||
         name == "java";
}

}  // namespace

bool is_library(const Frame& frame) {
  const auto in = [&](const auto& prefixes) {
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](std::string_view prefix) { return frame.function.starts_with(prefix); });
  };
  if (library_in(frame.file) != frame.file.npos) return true;
  if (frame.kind == FrameKind::Native)
    return is_library_module(frame.module) || in(kLibraryFunctions);
  return frame.function.empty() || (frame.kind == FrameKind::Jit && in(kJitLibraries));
}

std::vector<const Frame*> shown_frames(const Stack& stack) {
  const auto end = end_of_callback(stack);
  const auto is_named = [](const Frame& frame) { return !frame.function.empty(); };
  // Of a static program the C library has names, too, but no lines.
  const bool has_lines = std::any_of(
      stack.begin(), end, [](const Frame& frame) { return !is_library(frame) && frame.line != 0; });
  std::vector<const Frame*> shown;
  for (auto frame = stack.begin(); frame != end; ++frame)
    if (!is_library(*frame) && (frame->line != 0 || !has_lines) && shown.size() < kShownFrames)
      shown.push_back(&*frame);
  if (!shown.empty() || stack.empty()) return shown;
  // Only libraries: the innermost frame that has a name, of Python or JIT code rather than of the C
  // library.
  auto frame = std::find_if(stack.begin(), stack.end(), [&](const Frame& each) {
    return each.kind != FrameKind::Native && is_named(each);
  });
  if (frame == stack.end()) frame = std::find_if(stack.begin(), stack.end(), is_named);
  shown.push_back(frame == stack.end() ? &stack.front() : &*frame);
  return shown;
}

bool is_of_loop(const Stack& stack) {
  const auto end = end_of_callback(stack);
  return end != stack.end() && std::all_of(stack.begin(), end, is_library);
}

void leave_out_directories(Stack& stack) {
  const auto shorten = [](std::string& path) {
    if (const auto slash = path.rfind('/'); slash != path.npos) path.erase(0, slash + 1);
  };
  for (Frame& frame : stack) {
    const std::size_t library = library_in(frame.file);
    if (library == frame.file.npos)
      shorten(frame.file);
    else
      frame.file.erase(0, library);
    shorten(frame.module);
  }
}

bool ProcessFacts::operator==(const ProcessFacts& other) const {
  const bool same_blocked =
      blocked == other.blocked ||
      (blocked != nullptr && other.blocked != nullptr && *blocked == *other.blocked);
  return pid == other.pid && state == other.state && parent == other.parent &&
         live_thread == other.live_thread && runtime == other.runtime && program == other.program &&
         descriptors == other.descriptors && descriptor_limit == other.descriptor_limit &&
         same_blocked;
}

}  // namespace tcpdwell
