// SPDX-License-Identifier: Apache-2.0
#include "kernel/clock.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>

#include "util/unique_fd.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr ino_t kInitialTimens = 0xEFFFFFFA;  // PROC_TIME_INIT_INO
constexpr int kTries = 32;
constexpr Nanos kNoise = 1ms;  // a user sets an offset: seconds, hours, days

// Kernel time minus CLOCK_MONOTONIC. The process never changes its time namespace.
std::atomic<std::int64_t> clock_offset_ns = 0;

Nanos own_clock() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds{now.tv_sec} + Nanos{now.tv_nsec};
}

// Writes bpf_ktime_get_ns() to its context (5.14).
UniqueFd load_clock_program() {
  const std::array<bpf_insn, 5> program = {
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_6, .src_reg = BPF_REG_1},
      bpf_insn{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ktime_get_ns},
      bpf_insn{.code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_6, .src_reg = BPF_REG_0},
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K}, bpf_insn{.code = BPF_JMP | BPF_EXIT}};
  LIBBPF_OPTS(bpf_prog_load_opts, options, .prog_flags = BPF_F_SLEEPABLE);
  return UniqueFd(bpf_prog_load(BPF_PROG_TYPE_SYSCALL, nullptr, "GPL", program.data(),
                                program.size(), &options));
}

std::optional<Nanos> kernel_clock(const UniqueFd& program) {
  std::uint64_t now = 0;
  LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &now, .ctx_size_in = sizeof now);
  if (!program || bpf_prog_test_run_opts(program.get(), &options) != 0) return std::nullopt;
  return Nanos{static_cast<std::int64_t>(now)};
}

// Uses the fastest of several tries; the error is half of its duration.
std::optional<Nanos> measure_offset() {
  const UniqueFd program = load_clock_program();
  std::optional<Nanos> offset;
  Nanos least = Nanos::max();
  for (int i = 0; i < kTries; ++i) {
    const Nanos before = own_clock();
    const auto there = kernel_clock(program);
    const Nanos after = own_clock();
    if (!there) return std::nullopt;
    if (after - before >= least) continue;
    least = after - before;
    offset = *there - (before + after) / 2;
  }
  return offset;
}

bool in_time_namespace() {
  struct stat info {};
  return ::stat("/proc/self/ns/time", &info) == 0 && info.st_ino != kInitialTimens;
}

}  // namespace

Nanos monotonic_now() {
  return own_clock() + Nanos{clock_offset_ns.load(std::memory_order_relaxed)};
}

std::optional<Error> measure_clock() {
  const auto offset = measure_offset();
  if (offset) {
    clock_offset_ns = std::chrono::abs(*offset) < kNoise ? 0 : offset->count();
    return std::nullopt;
  }
  if (!in_time_namespace()) return std::nullopt;
  return Error{
      "this time namespace may have its own clock, and the kernel refused a comparison with "
      "the clock of events",
      {},
      "Run it in the initial time namespace (nsenter -T -t 1)"};
}

}  // namespace tcpdwell
