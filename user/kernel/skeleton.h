// SPDX-License-Identifier: Apache-2.0
// The BPF object of bpf/, opened, configured for this kernel and loaded. Internal to this folder.
#pragma once

#include <bpf/libbpf.h>

#include <memory>

#include "kernel/programs.h"
#include "skel/tcpdwell.skel.h"
#include "util/result.h"

namespace tcpdwell {

struct DestroySkeleton {
  void operator()(tcpdwell_bpf* skeleton) const noexcept { tcpdwell_bpf::destroy(skeleton); }
};
using SkeletonPtr = std::unique_ptr<tcpdwell_bpf, DestroySkeleton>;

struct DestroyLink {
  void operator()(bpf_link* link) const noexcept { bpf_link__destroy(link); }
};
using LinkPtr = std::unique_ptr<bpf_link, DestroyLink>;

// Nothing is attached yet; what this kernel cannot do is not loaded.
Result<SkeletonPtr> load_skeleton(const ProgramOptions& options);

}  // namespace tcpdwell
