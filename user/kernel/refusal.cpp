// SPDX-License-Identifier: Apache-2.0
#include "kernel/refusal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <array>
#include <cerrno>
#include <fstream>

#include "util/unique_fd.h"

namespace tcpdwell {
namespace {

// "return 0", of the type that asks for the fewest rights.
int error_of_least_program() {
  const std::array<bpf_insn, 2> program = {
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
      bpf_insn{.code = BPF_JMP | BPF_EXIT}};
  const UniqueFd fd(bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, nullptr, "GPL", program.data(),
                                  program.size(), nullptr));
  return fd ? 0 : errno;
}

// The initial one maps every uid to itself.
bool in_user_namespace() {
  std::ifstream map("/proc/self/uid_map");
  std::uint64_t inside = 0, outside = 0, count = 0;
  return (map >> inside >> outside >> count) && count != 0xffffffff;
}

bool has_seccomp_filter() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("Seccomp:")) return line.ends_with('2');
  return false;
}

std::string who_refuses_bpf(const Circumstances& circumstances) {
  if (circumstances.user_namespace)
    return "The kernel refuses BPF to root of a user namespace: run it in the initial one (a "
           "container without user namespaces)";
  if (circumstances.seccomp)
    return "A seccomp filter refuses bpf(): have it allow bpf() and perf_event_open() (a container "
           "of its own runtime profile)";
  if (circumstances.least_program == ENOSYS) return "This kernel has no bpf() (CONFIG_BPF_SYSCALL)";
  return "The kernel refuses bpf() altogether: a security module or its lockdown forbids it";
}

// What follows `before` in the log, up to the end of the name. Empty: it is not there.
std::string name_after(std::string_view log, std::string_view before) {
  const auto at = log.rfind(before);
  if (at == log.npos) return {};
  const auto rest = log.substr(at + before.size());
  return std::string(rest.substr(0, rest.find_first_of("#':\n ")));
}

// The verifier: "unknown func bpf_get_socket_cookie#46", since 6.10 "program of this type cannot
// use helper bpf_...#46"; "invalid func unknown#181" where it has never heard of it.
std::string missing_helper(std::string_view log) {
  for (const std::string_view before :
       {"unknown func ", "program of this type cannot use helper ", "invalid func "})
    if (std::string name = name_after(log, before); !name.empty())
      return name == "unknown" ? "a helper function that the programs call" : name;
  return {};
}

}  // namespace

Circumstances look_around() {
  return {.least_program = error_of_least_program(),
          .ring_buffer = libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, nullptr) == 1,
          .user_namespace = in_user_namespace(),
          .seccomp = has_seccomp_filter()};
}

std::string why_refused(std::string_view log, const Circumstances& circumstances) {
  if (circumstances.least_program == EPERM || circumstances.least_program == ENOSYS)
    return who_refuses_bpf(circumstances);
  if (!circumstances.ring_buffer)
    return "This kernel has no BPF ring buffer (BPF_MAP_TYPE_RINGBUF)";
  const std::string helper = missing_helper(log);
  // Every kernel that has BTF has it, but for one that is locked down (LOCKDOWN_BPF_READ_KERNEL).
  if (helper.starts_with("bpf_probe_read"))
    return "Kernel lockdown (confidentiality) refuses " + helper +
           "(), without which programs cannot read sockets: boot with lockdown=integrity";
  if (!helper.empty()) return "This kernel has no " + helper + " in tracing programs";
  if (const auto type = name_after(log, "failed to find kernel BTF type ID of '"); !type.empty())
    return "This kernel has no " + type + " to attach to";
  if (log.find("memlock") != log.npos || log.find("MEMLOCK") != log.npos)
    return "Raise the limit of locked memory: ulimit -l unlimited";
  return "Run it with --verbose to see what the kernel says";
}

}  // namespace tcpdwell
