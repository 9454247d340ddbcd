// SPDX-License-Identifier: Apache-2.0
#include "model/stack.h"

#include <algorithm>
#include <array>

#include "model/process_facts.h"

namespace tcpdwell {
namespace {

constexpr std::array<std::string_view, 12> kLibraryFiles = {
    "/lib/python",   "/site-packages/", "/dist-packages/", "<frozen",  "/rustc/", "library/std/",
    "library/core/", "library/alloc/",  "/usr/include/",   "sysdeps/", "/go-1.",  "/go/src/"};
constexpr std::array<std::string_view, 8> kLibraryFunctions = {
    "runtime.", "std::", "core::", "alloc::", "<std::", "<core::", "<alloc::", "__libc_"};

bool is_shared_library(std::string_view module) {
  const auto name = module.substr(std::min(module.rfind('/') + 1, module.size()));
  return name.find(".so") != name.npos || name.starts_with("ld-linux");
}

}  // namespace

bool is_library(const Frame& frame) {
  const auto in_file = [&](std::string_view part) {
    return frame.file.find(part) != frame.file.npos;
  };
  if (std::any_of(kLibraryFiles.begin(), kLibraryFiles.end(), in_file)) return true;
  if (frame.kind != FrameKind::Native) return frame.function.empty();
  return is_shared_library(frame.module) ||
         std::any_of(kLibraryFunctions.begin(), kLibraryFunctions.end(),
                     [&](std::string_view prefix) { return frame.function.starts_with(prefix); });
}

std::vector<const Frame*> shown_frames(const Stack& stack) {
  // Of a static program the C library has names, too, but no lines.
  const bool has_lines = std::any_of(stack.begin(), stack.end(), [](const Frame& frame) {
    return !is_library(frame) && frame.line != 0;
  });
  std::vector<const Frame*> shown;
  for (const Frame& frame : stack)
    if (!is_library(frame) && (frame.line != 0 || !has_lines) && shown.size() < kShownFrames)
      shown.push_back(&frame);
  // Only libraries: the innermost frame that has a name.
  for (const Frame& frame : stack)
    if (shown.empty() && !frame.function.empty()) shown.push_back(&frame);
  if (shown.empty() && !stack.empty()) shown.push_back(&stack.front());
  return shown;
}

void leave_out_directories(Stack& stack) {
  const auto shorten = [](std::string& path) {
    if (const auto slash = path.rfind('/'); slash != path.npos) path.erase(0, slash + 1);
  };
  for (Frame& frame : stack) {
    shorten(frame.file);
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
