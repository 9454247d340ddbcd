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
