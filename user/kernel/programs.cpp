// SPDX-License-Identifier: Apache-2.0
#include "kernel/programs.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <atomic>
#include <ctime>

#include "kernel/attachment.h"
#include "kernel/libbpf_log.h"
#include "kernel/rights.h"
#include "kernel/skeleton.h"

namespace tcpdwell {
struct Programs::Impl {
  SkeletonPtr skeleton;
  std::unique_ptr<BpfIterators> iterators;
  std::vector<LinkPtr> links;

  bool attach_optional(bpf_program* program) {
    if (!bpf_program__autoload(program)) return false;
    if (LinkPtr link = try_attach(program)) {
      links.push_back(std::move(link));
      return true;
    }
    return false;
  }

  // Uses the first that works: fexit costs other processes nothing.
  bool attach_accept() {
    if (attach_optional(skeleton->progs.on_inet_csk_accept)) return true;
    if (!bpf_program__autoload(skeleton->progs.on_exit_accept)) return false;
    LinkPtr accept = try_attach_syscall_exit(skeleton->progs.on_exit_accept, "accept");
    LinkPtr accept4 = try_attach_syscall_exit(skeleton->progs.on_exit_accept4, "accept4");
    if (!accept || !accept4) return false;
    links.push_back(std::move(accept));
    links.push_back(std::move(accept4));
    attach_optional(skeleton->progs.on_io_uring_complete);
    return true;
  }
};

Programs::Programs(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Programs::Programs(Programs&&) noexcept = default;
Programs& Programs::operator=(Programs&&) noexcept = default;
Programs::~Programs() = default;

Result<Programs> Programs::attach(const ProgramOptions& options) {
  if (const auto error = why_not_trace(effective_capabilities())) return *error;
  const LibbpfLog log;
  if (const auto error = measure_clock()) return *error;
  auto skeleton = load_skeleton(options);
  if (!skeleton) return skeleton.error();

  Programs programs(std::make_unique<Impl>());
  Impl& impl = *programs.impl_;
  impl.skeleton = std::move(*skeleton);
  auto iterators = BpfIterators::attach(*impl.skeleton);
  if (!iterators) return iterators.error();
  impl.iterators = std::make_unique<BpfIterators>(std::move(*iterators));
  if (options.trace)
    if (const auto error = programs.attach_tracing(options)) return *error;
  programs.began_ = monotonic_now();
  return programs;
}

std::optional<Error> Programs::attach_tracing(const ProgramOptions& options) {
  Impl& impl = *impl_;
  auto& progs = impl.skeleton->progs;
  sees_.minisock_segments =
      impl.attach_optional(progs.on_kfree_skb) || impl.attach_optional(progs.on_timewait_segment);
  sees_.resets =
      impl.attach_optional(progs.on_send_reset_reason) || impl.attach_optional(progs.on_send_reset);
  sees_.accept = impl.attach_accept();
  if (options.follow)
    for (bpf_program* program : {progs.on_fork, progs.on_exit, progs.on_destroy})
      if (!impl.attach_optional(program))
        return system_error(std::string("attaching ") + bpf_program__section_name(program), 0,
                            LibbpfLog::hint());
  // inet_sock_set_state last: every transition seen is then seen with its other events. The backup
  // program follows, because programs run in the order of their attachment.
  for (bpf_program* program :
       {progs.on_retransmit, progs.on_timer_start, progs.on_timer_cancel, progs.on_timer_expire,
        progs.on_set_state, progs.on_set_state_backup}) {
    if (!bpf_program__autoload(program)) continue;
    LinkPtr link(bpf_program__attach(program));
    if (!link)
      return system_error(std::string("attaching ") + bpf_program__section_name(program), 0,
                          LibbpfLog::hint());
    impl.links.push_back(std::move(link));
  }
  sees_.tracing = true;
  sees_.cancellers = impl.skeleton->data_addresses->ranges[0].end != 0;
  note_missing(options);
  return std::nullopt;
}

void Programs::note_missing(const ProgramOptions& options) {
  if (!sees_.cancellers)
    limitations_.push_back(
        {.what = "neither /proc/kallsyms nor iter/ksym shows the addresses of kernel functions",
         .effect = "unknown why a TIME_WAIT or a half-open connection ends early",
         .hint = "Give CAP_SYSLOG, or set `sysctl kernel.kptr_restrict=1`"});
  if (options.accept && !sees_.accept)
    limitations_.push_back(
        {.what = "neither inet_csk_accept() nor the exits of accept() can be traced",
         .effect = "the owner of an accepted connection is known only from its close or a flag",
         .hint = "Mount tracefs, or give CAP_SYS_ADMIN"});
}

bool Programs::calls_need_rights() const {
  const Without without(bpf_capabilities());
  return !impl_->iterators->may_ask();
}

std::array<int, 2> Programs::ring_fds() const {
  return {bpf_map__fd(impl_->skeleton->maps.events), bpf_map__fd(impl_->skeleton->maps.spilled)};
}

tcpdwell_shared& Programs::shared() const {
  return *reinterpret_cast<tcpdwell_shared*>(&impl_->skeleton->bss->shared);
}

BpfIterators& Programs::iterators() const { return *impl_->iterators; }

std::optional<Error> Programs::follow(int pidfd) const {
  const std::uint8_t yes = 1;
  if (bpf_map_update_elem(followed_tasks(), &pidfd, &yes, BPF_ANY) != 0)
    return system_error("marking the command for tracing");
  return std::nullopt;
}

int Programs::followed_tasks() const { return bpf_map__fd(impl_->skeleton->maps.followed_tasks); }

// Read skipped runs before those that the backup program reported: never report more than was lost.
// The backup program misses only transitions that the main program sees.
Missed Programs::missed() const {
  Missed missed;
  const auto& progs = impl_->skeleton->progs;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, impl_->skeleton->obj) {
    if (!bpf_program__autoload(program) || program == progs.on_set_state_backup) continue;
    bpf_prog_info info{};
    __u32 size = sizeof info;
    if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) != 0) continue;
    if (program == progs.on_set_state)
      missed.transitions += info.recursion_misses;
    else
      missed.at_most += info.recursion_misses;
  }
  auto& nested = shared().nested_transitions;
  const std::uint64_t seen = std::atomic_ref<__u64>(nested).load(std::memory_order_relaxed);
  missed.twice = seen - std::min(seen, missed.transitions);
  missed.transitions -= std::min(seen, missed.transitions);
  return missed;
}

void Programs::keep_to_netns(std::uint64_t cookie) const {
  std::atomic_ref<__u64>(shared().netns_cookie).store(cookie, std::memory_order_relaxed);
}

void Programs::detach() {
  while (!impl_->links.empty()) impl_->links.pop_back();  // the backup program first
}

unsigned kernel_hz() {
  // The coarse clocks advance once a tick.
  timespec resolution{};
  ::clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
  return resolution.tv_nsec > 0
             ? static_cast<unsigned>((1'000'000'000 + resolution.tv_nsec / 2) / resolution.tv_nsec)
             : 250;
}

}  // namespace tcpdwell
