// SPDX-License-Identifier: Apache-2.0
#include "kernel/skeleton.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "kernel/btf_facts.h"
#include "kernel/libbpf_log.h"
#include "kernel/symbols.h"
#include "util/unique_fd.h"

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

// Lockdown, a hardened host or an old arm64 kernel may refuse it: tried with the least program
// there is, since a refusal of the real one would be a refusal of the whole object.
bool can_trace_functions(const BtfFacts& btf) {
  const auto function = btf.function_id("tcp_timewait_state_process");
  if (!function) return false;
  const std::array<bpf_insn, 2> program = {
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
      bpf_insn{.code = BPF_JMP | BPF_EXIT}};
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_FEXIT,
              .attach_btf_id = *function);
  const UniqueFd fd(bpf_prog_load(BPF_PROG_TYPE_TRACING, nullptr, "GPL", program.data(),
                                  program.size(), &options));
  if (!fd) return false;
  const UniqueFd link(bpf_raw_tracepoint_open(nullptr, fd.get()));
  return static_cast<bool>(link);
}

// Which of the programs that not every kernel takes are worth a try on this one.
void choose(tcpdwell_bpf& skeleton, const BtfFacts& btf, const ProgramOptions& options) {
  const auto wants = [](bpf_program* program, bool yes) {
    bpf_program__set_autoload(program, yes);
  };
  const bool functions = can_trace_functions(btf);
  const bool segments = btf.tracepoint_args("kfree_skb") == 4U;
  const bool reasons = btf.tracepoint_args("tcp_send_reset") == 3U;
  const unsigned accept_args = btf.function_args("inet_csk_accept").value_or(0);
  const unsigned ring_args = btf.tracepoint_args("io_uring_complete").value_or(0);
  const bool accept_function = functions && (accept_args == 2 || accept_args == 4);
  skeleton.rodata->accept_args = accept_args;
  skeleton.rodata->io_uring_complete_args = ring_args;
  skeleton.rodata->rst_reason_memory =
      btf.enumerator("sk_rst_reason", "SK_RST_REASON_TCP_ABORT_ON_MEMORY");
  const bool casts = btf.function_id("bpf_rdonly_cast").has_value();
  for (bpf_program* program : {skeleton.progs.on_timer_start, skeleton.progs.on_timer_cancel,
                               skeleton.progs.on_timer_expire})
    wants(program, casts);
  for (bpf_program* program :
       {skeleton.progs.on_timer_start_probed, skeleton.progs.on_timer_cancel_probed,
        skeleton.progs.on_timer_expire_probed})
    wants(program, !casts);
  wants(skeleton.progs.on_kfree_skb, segments);
  wants(skeleton.progs.on_timewait_segment, functions && !segments);
  wants(skeleton.progs.on_send_reset_reason, reasons);
  wants(skeleton.progs.on_send_reset, btf.tracepoint_args("tcp_send_reset") == 2U);
  wants(skeleton.progs.on_inet_csk_accept, options.accept && accept_function);
  wants(skeleton.progs.on_exit_accept, options.accept);
  wants(skeleton.progs.on_exit_accept4, options.accept);
  wants(skeleton.progs.on_io_uring_complete, options.accept && (ring_args == 3 || ring_args == 7));
  wants(skeleton.progs.on_fork, options.follow);
}

// Without tracing: the iterators alone.
void choose_iterators(tcpdwell_bpf& skeleton) {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton.obj) {
    const std::string_view section = bpf_program__section_name(program);
    bpf_program__set_autoload(program, section.starts_with("iter/"));
  }
}

}  // namespace

Result<SkeletonPtr> load_skeleton(const ProgramOptions& options) {
  auto btf = BtfFacts::load();
  if (!btf) return btf.error();
  SkeletonPtr skeleton(tcpdwell_bpf::open());
  if (!skeleton) return system_error("opening the BPF programs");
  std::memcpy(const_cast<tcpdwell_filter*>(
                  reinterpret_cast<const volatile tcpdwell_filter*>(&skeleton->rodata->filter)),
              &options.filter, sizeof options.filter);
  const tcpdwell_filter everything{};
  skeleton->rodata->filters = std::memcmp(&options.filter, &everything, sizeof everything) != 0;
  skeleton->rodata->tracer_pidns = own_pidns();
  skeleton->rodata->follows = options.follow;
  skeleton->rodata->snapshot_states = options.snapshot_states;
  skeleton->rodata->snapshot_limit = options.ring_bytes / 2;
  if (options.trace) {
    if (const auto error = set_symbols(*skeleton, needed_symbols())) return *error;
    choose(*skeleton, *btf, options);
  } else {
    choose_iterators(*skeleton);
  }
  bpf_map__set_max_entries(skeleton->maps.events, options.ring_bytes);
  if (const int rc = tcpdwell_bpf::load(skeleton.get()))
    return system_error("loading the BPF programs", rc, LibbpfLog::hint());
  return skeleton;
}

}  // namespace tcpdwell
