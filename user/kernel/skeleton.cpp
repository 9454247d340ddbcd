// SPDX-License-Identifier: Apache-2.0
#include "kernel/skeleton.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "kernel/addresses.h"
#include "kernel/btf_facts.h"
#include "kernel/libbpf_log.h"
#include "kernel/own_pidns.h"
#include "kernel/ring_reader.h"
#include "skel/tcpdwell_probed.skel.h"
#include "util/unique_fd.h"

namespace tcpdwell {
namespace {

void set_addresses(tcpdwell_bpf& skeleton, const Addresses& addresses) {
  skeleton.data_addresses->tw_timer_fn = addresses.timewait_timer;
  skeleton.data_addresses->reqsk_timer_fn = addresses.request_timer;
  for (std::size_t i = 0; i < addresses.cancellers.size(); ++i)
    skeleton.data_addresses->ranges[i] = addresses.cancellers[i];
}

// Atomic operations that return a value, which two rings need (bpf/emit.bpf.h). Before 5.18 arm64
// refuses them, or falls back to the interpreter.
bool has_fetching_atomics() {
  const std::array<bpf_insn, 5> program = {
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K},
      bpf_insn{.code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = -8},
      bpf_insn{.code = BPF_STX | BPF_ATOMIC | BPF_DW,
               .dst_reg = BPF_REG_10,
               .off = -8,
               .imm = BPF_OR | BPF_FETCH},
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K}, bpf_insn{.code = BPF_JMP | BPF_EXIT}};
  const UniqueFd fd(bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, nullptr, "GPL", program.data(),
                                  program.size(), nullptr));
  bpf_prog_info info{};
  __u32 size = sizeof info;
  return fd && bpf_obj_get_info_by_fd(fd.get(), &info, &size) == 0 && info.jited_prog_len > 0;
}

// Selects the optional programs that this kernel may accept.
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
  for (bpf_program* program : {skeleton.progs.on_timer_start, skeleton.progs.on_timer_cancel,
                               skeleton.progs.on_timer_expire})
    wants(program, true);
  wants(skeleton.progs.on_kfree_skb, segments);
  wants(skeleton.progs.on_timewait_segment, functions && !segments);
  wants(skeleton.progs.on_send_reset_reason, reasons);
  wants(skeleton.progs.on_send_reset, btf.tracepoint_args("tcp_send_reset") == 2U);
  wants(skeleton.progs.on_inet_csk_accept, options.accept && accept_function);
  wants(skeleton.progs.on_exit_accept, options.accept);
  wants(skeleton.progs.on_exit_accept4, options.accept);
  wants(skeleton.progs.on_io_uring_complete, options.accept && (ring_args == 3 || ring_args == 7));
  for (bpf_program* program :
       {skeleton.progs.on_fork, skeleton.progs.on_exit, skeleton.progs.on_destroy})
    wants(program, options.follow);
}

// Both objects are one source, compiled with and without a kfunc of 6.2 (core_compat.bpf.h). The
// skeleton of one fits the other, except for the code.
template <typename A, typename B>
constexpr bool kAlike = sizeof(A) == sizeof(B) && sizeof(A::maps) == sizeof(B::maps) &&
                        sizeof(A::progs) == sizeof(B::progs) &&
                        sizeof(*A::rodata) == sizeof(*B::rodata) &&
                        sizeof(*A::data_addresses) == sizeof(*B::data_addresses) &&
                        sizeof(*A::bss) == sizeof(*B::bss);
static_assert(kAlike<tcpdwell_bpf, tcpdwell_probed_bpf>);

// Checks that each used part is at the offset in the skeleton.
#define SAME_PLACE(part) \
  static_assert(offsetof(tcpdwell_bpf, part) == offsetof(tcpdwell_probed_bpf, part))
#define SAME_FIELD(part, field)                                                         \
  static_assert(offsetof(std::remove_pointer_t<decltype(tcpdwell_bpf::part)>, field) == \
                offsetof(std::remove_pointer_t<decltype(tcpdwell_probed_bpf::part)>, field))
SAME_PLACE(skeleton);
SAME_PLACE(obj);
SAME_PLACE(rodata);
SAME_PLACE(data_addresses);
SAME_PLACE(bss);
SAME_PLACE(maps.events);
SAME_PLACE(maps.followed_tasks);
SAME_PLACE(maps.spilled);
SAME_PLACE(maps.query_set);
SAME_PLACE(maps.wanted_ends);
SAME_PLACE(maps.queued);
SAME_PLACE(progs.accept_queues);
SAME_PLACE(progs.dead_descriptors);
SAME_PLACE(progs.holders);
SAME_PLACE(progs.mptcp_sockets);
SAME_PLACE(progs.on_destroy);
SAME_PLACE(progs.on_exit);
SAME_PLACE(progs.on_exit_accept);
SAME_PLACE(progs.on_exit_accept4);
SAME_PLACE(progs.on_fork);
SAME_PLACE(progs.on_inet_csk_accept);
SAME_PLACE(progs.on_io_uring_complete);
SAME_PLACE(progs.on_kfree_skb);
SAME_PLACE(progs.on_retransmit);
SAME_PLACE(progs.on_send_reset);
SAME_PLACE(progs.on_send_reset_reason);
SAME_PLACE(progs.on_set_state);
SAME_PLACE(progs.on_set_state_backup);
SAME_PLACE(progs.on_timer_cancel);
SAME_PLACE(progs.on_timer_expire);
SAME_PLACE(progs.on_timer_start);
SAME_PLACE(progs.on_timewait_segment);
SAME_PLACE(progs.netns_in_list);
SAME_PLACE(progs.netns_of_files);
SAME_PLACE(progs.netns_of_tasks);
SAME_PLACE(progs.snapshot);
SAME_FIELD(bss, shared);
SAME_FIELD(bss, holders_ends);
SAME_FIELD(bss, query_pass);
SAME_FIELD(bss, subflows_met);
SAME_FIELD(data_addresses, ranges);
SAME_FIELD(data_addresses, reqsk_timer_fn);
SAME_FIELD(data_addresses, tw_timer_fn);
SAME_FIELD(rodata, accept_args);
SAME_FIELD(rodata, filter);
SAME_FIELD(rodata, filters);
SAME_FIELD(rodata, follows);
SAME_FIELD(rodata, io_uring_complete_args);
SAME_FIELD(rodata, rst_reason_memory);
SAME_FIELD(rodata, snapshot_limit);
SAME_FIELD(rodata, snapshot_limit_spilled);
SAME_FIELD(rodata, snapshot_states);
SAME_FIELD(rodata, spills);
SAME_FIELD(rodata, tracer_pid);
SAME_FIELD(rodata, tracer_pidns);
#undef SAME_PLACE
#undef SAME_FIELD

SkeletonPtr open_skeleton(const BtfFacts& btf) {
  if (btf.function_id("bpf_rdonly_cast")) return SkeletonPtr(tcpdwell_bpf::open());
  // As in generated code: destroy() frees what was made before the object was opened.
  SkeletonPtr skeleton(static_cast<tcpdwell_bpf*>(std::calloc(1, sizeof(tcpdwell_bpf))));
  if (!skeleton || tcpdwell_bpf__create_skeleton(skeleton.get()) != 0) return nullptr;
  bpf_object_skeleton& parts = *skeleton->skeleton;
  parts.data = const_cast<void*>(tcpdwell_probed_bpf::elf_bytes(&parts.data_sz));
  if (bpf_object__open_skeleton(&parts, nullptr) != 0) return nullptr;
  return skeleton;
}

Error refused(int rc) { return system_error("loading the BPF programs", rc, LibbpfLog::hint()); }

// Without tracing: only the iterators.
void choose_iterators(tcpdwell_bpf& skeleton) {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton.obj) {
    const std::string_view section = bpf_program__section_name(program);
    bpf_program__set_autoload(program, section.starts_with("iter/"));
  }
}

}  // namespace

Result<SkeletonPtr> load_skeleton(const ProgramOptions& options) {
  AddressSources sources = address_sources();
  if (options.trace) sources = read_ahead(std::move(sources));
  auto btf = BtfFacts::load();
  if (!btf) return btf.error();
  SkeletonPtr skeleton = open_skeleton(*btf);
  if (!skeleton) return system_error("opening the BPF programs");
  std::memcpy(const_cast<tcpdwell_filter*>(
                  reinterpret_cast<const volatile tcpdwell_filter*>(&skeleton->rodata->filter)),
              &options.filter, sizeof options.filter);
  const tcpdwell_filter everything{};
  skeleton->rodata->filters = std::memcmp(&options.filter, &everything, sizeof everything) != 0;
  skeleton->rodata->tracer_pidns = own_pidns();
  skeleton->rodata->tracer_pid = static_cast<std::uint32_t>(::getpid());
  skeleton->rodata->follows = options.follow;
  skeleton->rodata->snapshot_states = options.snapshot_states;
  const RingSizes rings = divide_ring(options.ring_bytes, has_fetching_atomics());
  skeleton->rodata->spills = rings.spills;
  skeleton->rodata->snapshot_limit = rings.first / 2;
  skeleton->rodata->snapshot_limit_spilled = rings.second / 2;
  if (options.trace)
    choose(*skeleton, *btf, options);
  else
    choose_iterators(*skeleton);
  bpf_map__set_max_entries(skeleton->maps.events, rings.first);
  bpf_map__set_max_entries(skeleton->maps.spilled, rings.second);
  if (const int rc = tcpdwell_bpf::load(skeleton.get())) return refused(rc);
  if (!options.trace) return skeleton;
  auto addresses = find_addresses(sources);
  if (!addresses) return addresses.error();
  set_addresses(*skeleton, *addresses);
  return skeleton;
}

}  // namespace tcpdwell
