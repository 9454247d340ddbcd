// SPDX-License-Identifier: Apache-2.0
// The BPF object of bpf/, opened, configured for this kernel and loaded. Internal to this folder.
#pragma once

#include <memory>

#include "kernel/iterator.h"
#include "kernel/programs.h"
#include "skel/tcpdwell.skel.h"
#include "util/result.h"

namespace tcpdwell {

struct DestroySkeleton {
  void operator()(tcpdwell_bpf* skeleton) const noexcept { tcpdwell_bpf::destroy(skeleton); }
};
using SkeletonPtr = std::unique_ptr<tcpdwell_bpf, DestroySkeleton>;

// Attaches nothing, and loads only programs that this kernel supports.
Result<SkeletonPtr> load_skeleton(const ProgramOptions& options);

}  // namespace tcpdwell
