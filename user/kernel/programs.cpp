// SPDX-License-Identifier: Apache-2.0
#include "kernel/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>

#include "kernel/btf_facts.h"
#include "kernel/libbpf_log.h"
#include "kernel/rights.h"
#include "kernel/symbols.h"
#include "kernel/tracefs.h"
#include "skel/tcpdwell.skel.h"

namespace tcpdwell {
namespace {

constexpr std::string_view kTimewaitTimer = "tw_timer_handler";
constexpr std::string_view kRequestTimer = "reqsk_timer_handler";
constexpr ino_t kInitialPidns = 0xEFFFFFFC;  // PROC_PID_INIT_INO

struct Frame {
  std::string_view function;
  tcpdwell_canceller means;
};
// Whoever of these is nearest on the stack cancelled the minisock's timer.
constexpr std::array kFrames = {
    Frame{"tcp_timewait_state_process", TCPDWELL_BY_SEGMENT},
    Frame{"tcp_v4_rcv", TCPDWELL_BY_RECEIVE},
    Frame{"tcp_v6_rcv", TCPDWELL_BY_RECEIVE},
    Frame{"__inet_check_established", TCPDWELL_BY_CONNECT},
    Frame{"__inet6_check_established", TCPDWELL_BY_CONNECT},
    Frame{"__inet_hash_connect", TCPDWELL_BY_CONNECT},
    Frame{"tcp_abort", TCPDWELL_BY_ABORT},
    Frame{"inet_twsk_purge", TCPDWELL_BY_NETNS},
    Frame{"tcp_twsk_purge", TCPDWELL_BY_NETNS},
};

struct DestroySkeleton {
  void operator()(tcpdwell_bpf* skeleton) const noexcept { tcpdwell_bpf::destroy(skeleton); }
};
using SkeletonPtr = std::unique_ptr<tcpdwell_bpf, DestroySkeleton>;

struct DestroyLink {
  void operator()(bpf_link* link) const noexcept { bpf_link__destroy(link); }
};
using LinkPtr = std::unique_ptr<bpf_link, DestroyLink>;

std::uint32_t own_pidns() {
  struct stat info {};
  if (::stat("/proc/self/ns/pid", &info) != 0 || info.st_ino == kInitialPidns) return 0;
  return static_cast<std::uint32_t>(info.st_ino);
}

std::vector<Symbol> needed_symbols() {
  std::vector<std::string_view> names = {kTimewaitTimer, kRequestTimer};
  for (const Frame& frame : kFrames) names.push_back(frame.function);
  return find_symbols(names);
}

// The handlers' addresses and the frames' ranges into .rodata. A filter on address 0 would match
// nothing without a word.
std::optional<Error> set_symbols(tcpdwell_bpf& skeleton, const std::vector<Symbol>& symbols) {
  std::size_t used = 0;
  for (const Symbol& symbol : symbols) {
    if (symbol.name == kTimewaitTimer) skeleton.rodata->tw_timer_fn = symbol.begin;
    if (symbol.name == kRequestTimer) skeleton.rodata->reqsk_timer_fn = symbol.begin;
    const auto* frame = std::find_if(kFrames.begin(), kFrames.end(),
                                     [&](const Frame& f) { return f.function == symbol.name; });
    if (frame != kFrames.end() && used < TCPDWELL_MAX_RANGES)
      skeleton.rodata->ranges[used++] = {symbol.begin, symbol.end, frame->means};
  }
  const bool timewait = skeleton.rodata->tw_timer_fn != 0;
  if (timewait && skeleton.rodata->reqsk_timer_fn != 0) return std::nullopt;
  return Error{"the kernel shows no address of " +
                   std::string(timewait ? kRequestTimer : kTimewaitTimer) + " in /proc/kallsyms",
               {},
               "Allow it with `sysctl kernel.kptr_restrict=1` (as root, with CAP_SYSLOG); without "
               "it TIME_WAIT cannot be seen"};
}

// An attachment that may fail. What libbpf says about it is nobody's concern.
LinkPtr try_attach(const bpf_program* program) {
  const LibbpfLog::Quiet quiet;
  return LinkPtr(bpf_program__attach(program));
}

// As libbpf does it, but with an id that it could not read where tracefs is not mounted.
LinkPtr try_attach_syscall_exit(const bpf_program* program, const std::string& syscall) {
  const auto id = tracepoint_id("syscalls/sys_exit_" + syscall);
  if (!id) return nullptr;
  perf_event_attr attr{};
  attr.type = PERF_TYPE_TRACEPOINT;
  attr.size = sizeof attr;
  attr.config = static_cast<__u64>(*id);
  const auto fd =
      static_cast<int>(::syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC));
  if (fd < 0) return nullptr;
  const LibbpfLog::Quiet quiet;
  LinkPtr link(bpf_program__attach_perf_event(program, fd));  // owns the descriptor
  if (!link) ::close(fd);
  return link;
}

// Which of the programs that not every kernel takes are worth a try on this one.
void choose(tcpdwell_bpf& skeleton, const BtfFacts& btf, bool accept, bool functions) {
  const auto wants = [](bpf_program* program, bool yes) {
    bpf_program__set_autoload(program, yes);
  };
  const bool segments = btf.tracepoint_args("kfree_skb") == 4U;
  const bool reasons = btf.tracepoint_args("tcp_send_reset") == 3U;
  const unsigned accept_args = btf.function_args("inet_csk_accept").value_or(0);
  const unsigned ring_args = btf.tracepoint_args("io_uring_complete").value_or(0);
  const bool accept_function = functions && (accept_args == 2 || accept_args == 4);
  skeleton.rodata->accept_args = accept_args;
  skeleton.rodata->io_uring_complete_args = ring_args;
  skeleton.rodata->rst_reason_memory =
      btf.enumerator("sk_rst_reason", "SK_RST_REASON_TCP_ABORT_ON_MEMORY");
  wants(skeleton.progs.on_kfree_skb, segments);
  wants(skeleton.progs.on_timewait_segment, functions && !segments);
  wants(skeleton.progs.on_send_reset_reason, reasons);
  wants(skeleton.progs.on_send_reset, btf.tracepoint_args("tcp_send_reset") == 2U);
  wants(skeleton.progs.on_inet_csk_accept, accept && accept_function);
  wants(skeleton.progs.on_exit_accept, accept);
  wants(skeleton.progs.on_exit_accept4, accept);
  wants(skeleton.progs.on_io_uring_complete, accept && (ring_args == 3 || ring_args == 7));
}

Result<SkeletonPtr> load(const ProgramOptions& options, const BtfFacts& btf,
                         const std::vector<Symbol>& symbols, bool functions) {
  SkeletonPtr skeleton(tcpdwell_bpf::open());
  if (!skeleton) return system_error("opening the BPF programs");
  if (const auto error = set_symbols(*skeleton, symbols)) return *error;
  std::memcpy(const_cast<tcpdwell_filter*>(
                  reinterpret_cast<const volatile tcpdwell_filter*>(&skeleton->rodata->filter)),
              &options.filter, sizeof options.filter);
  skeleton->rodata->tracer_pidns = own_pidns();
  skeleton->rodata->timewait_jiffies = 60 * options.hz;
  choose(*skeleton, btf, options.accept, functions);
  if (options.ring_bytes != 0) bpf_map__set_max_entries(skeleton->maps.events, options.ring_bytes);
  if (const int rc = tcpdwell_bpf::load(skeleton.get()))
    return system_error("loading the BPF programs", rc, LibbpfLog::hint());
  return skeleton;
}

}  // namespace

struct Programs::Impl {
  SkeletonPtr skeleton;
  std::vector<LinkPtr> links;

  bool attach_optional(bpf_program* program) {
    if (!bpf_program__autoload(program)) return false;
    if (LinkPtr link = try_attach(program)) {
      links.push_back(std::move(link));
      return true;
    }
    return false;
  }

  // The first way to see accept() that works: a function's exit costs other processes nothing.
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
  if (!may_trace()) return Error{"tracing needs root", {}, "Run it as root: sudo tcpdwell"};
  const LibbpfLog log;
  auto btf = BtfFacts::load();
  if (!btf) return btf.error();
  // Where functions cannot be traced (lockdown, arm64 before 6.x), the rest must still load.
  const std::vector<Symbol> symbols = needed_symbols();
  auto skeleton = load(options, *btf, symbols, true);
  if (!skeleton) skeleton = load(options, *btf, symbols, false);
  if (!skeleton) return skeleton.error();

  Programs programs(std::make_unique<Impl>());
  Impl& impl = *programs.impl_;
  impl.skeleton = std::move(*skeleton);
  auto& progs = impl.skeleton->progs;
  Sees& sees = programs.sees_;
  sees.minisock_segments =
      impl.attach_optional(progs.on_kfree_skb) || impl.attach_optional(progs.on_timewait_segment);
  sees.resets =
      impl.attach_optional(progs.on_send_reset_reason) || impl.attach_optional(progs.on_send_reset);
  sees.accept = impl.attach_accept();
  // The backbone last: of a transition that is seen, what goes with it is seen too.
  for (bpf_program* program : {progs.on_retransmit, progs.on_timer_start, progs.on_timer_cancel,
                               progs.on_timer_expire, progs.on_set_state}) {
    LinkPtr link(bpf_program__attach(program));
    if (!link)
      return system_error(std::string("attaching ") + bpf_program__section_name(program), 0,
                          LibbpfLog::hint());
    impl.links.push_back(std::move(link));
  }
  programs.began_ = monotonic_now();
  return programs;
}

int Programs::ring_fd() const { return bpf_map__fd(impl_->skeleton->maps.events); }

tcpdwell_shared& Programs::shared() const {
  return *reinterpret_cast<tcpdwell_shared*>(&impl_->skeleton->bss->shared);
}

Missed Programs::missed() const {
  Missed missed;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, impl_->skeleton->obj) {
    if (!bpf_program__autoload(program)) continue;
    bpf_prog_info info{};
    __u32 size = sizeof info;
    if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) != 0) continue;
    if (program == impl_->skeleton->progs.on_set_state)
      missed.transitions += info.recursion_misses;
    else
      missed.at_most += info.recursion_misses;
  }
  return missed;
}

void Programs::detach() { impl_->links.clear(); }

unsigned kernel_hz() {
  // The coarse clocks advance once a tick.
  timespec resolution{};
  ::clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
  return resolution.tv_nsec > 0
             ? static_cast<unsigned>((1'000'000'000 + resolution.tv_nsec / 2) / resolution.tv_nsec)
             : 250;
}

Nanos monotonic_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds{now.tv_sec} + Nanos{now.tv_nsec};
}

}  // namespace tcpdwell
