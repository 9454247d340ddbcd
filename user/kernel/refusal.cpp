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

constexpr bpf_insn kReturn0 = {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0};
constexpr bpf_insn kExit = {.code = BPF_JMP | BPF_EXIT};

// "return 0", of the type that asks for the fewest rights.
int error_of_least_program() {
  const std::array program = {kReturn0, kExit};
  const UniqueFd fd(bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, nullptr, "GPL", program.data(),
                                  program.size(), nullptr));
  return fd ? 0 : errno;
}

// bpf_get_socket_cookie() of the first argument. libbpf has no answer for this type of program.
bool has_socket_cookies() {
  constexpr const char* kTracepoint = "inet_sock_set_state";
  const int type = libbpf_find_vmlinux_btf_id(kTracepoint, BPF_TRACE_RAW_TP);
  if (type <= 0) return true;  // the failure is then not the cookie helper
  const std::array program = {
      bpf_insn{.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_1},
      bpf_insn{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_socket_cookie}, kReturn0, kExit};
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_RAW_TP,
              .attach_btf_id = static_cast<__u32>(type));
  return static_cast<bool>(UniqueFd(bpf_prog_load(BPF_PROG_TYPE_TRACING, nullptr, "GPL",
                                                  program.data(), program.size(), &options)));
}

std::vector<std::string> missing_features() {
  std::vector<std::string> missing;
  for (const auto& [type, name] :
       {std::pair{BPF_MAP_TYPE_RINGBUF, "ring buffer (BPF_MAP_TYPE_RINGBUF)"},
        {BPF_MAP_TYPE_SK_STORAGE, "socket storage (BPF_MAP_TYPE_SK_STORAGE)"},
        {BPF_MAP_TYPE_TASK_STORAGE, "task storage (BPF_MAP_TYPE_TASK_STORAGE)"}})
    if (libbpf_probe_bpf_map_type(type, nullptr) == 0) missing.emplace_back(name);
  if (!has_socket_cookies())
    missing.emplace_back("socket cookies in tracing programs (bpf_get_socket_cookie)");
  return missing;
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
    return "The kernel refuses BPF to root of a user namespace: run it in the initial user "
           "namespace (a "
           "container without user namespaces)";
  if (circumstances.seccomp)
    return "A seccomp filter refuses bpf(): allow bpf() and perf_event_open() in the profile of "
           "the "
           "container";
  if (circumstances.least_program == ENOSYS) return "This kernel has no bpf() (CONFIG_BPF_SYSCALL)";
  return "The kernel refuses every bpf(): check its lockdown mode and security modules";
}

// The name that follows `before` in the log; empty: none.
std::string name_after(std::string_view log, std::string_view before) {
  const auto at = log.rfind(before);
  if (at == log.npos) return {};
  const auto rest = log.substr(at + before.size());
  return std::string(rest.substr(0, rest.find_first_of("#':\n ")));
}

// The verifier: "unknown func bpf_get_socket_cookie#46", since 6.10 "program of this type cannot
// use helper bpf_...#46"; "invalid func unknown#181" if it does not know the id.
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
          .lacks = missing_features(),
          .user_namespace = in_user_namespace(),
          .seccomp = has_seccomp_filter()};
}

std::string why_refused(std::string_view log, const Circumstances& circumstances) {
  if (circumstances.least_program == EPERM || circumstances.least_program == ENOSYS)
    return who_refuses_bpf(circumstances);
  // Check this first: without a descriptor, no feature can be tested.
  if (circumstances.least_program == EMFILE || circumstances.least_program == ENFILE ||
      log.find("-EMFILE") != log.npos || log.find("(-24)") != log.npos ||
      log.find("Too many open files") != log.npos)
    return "Raise the limit of open files: ulimit -n 1024";
  if (!circumstances.lacks.empty()) {
    std::string all;
    for (const std::string& feature : circumstances.lacks)
      all += (all.empty() ? "no " : ", no ") + feature;
    return "This kernel's BPF has " + all;
  }
  const std::string helper = missing_helper(log);
  // Every kernel with BTF has it, unless locked down (LOCKDOWN_BPF_READ_KERNEL).
  if (helper.starts_with("bpf_probe_read"))
    return "Kernel lockdown (confidentiality) refuses " + helper +
           "(), without which programs cannot read sockets: boot with lockdown=integrity";
  if (!helper.empty()) return "This kernel has no " + helper + " in tracing programs";
  if (const auto type = name_after(log, "failed to find kernel BTF type ID of '"); !type.empty())
    return "This kernel has no " + type + " to attach to";
  // If the kernel lacks a kfunc, libbpf searches the BTF of all modules.
  if (log.find("failed to iterate BTF objects") != log.npos)
    return "This kernel lacks a function of newer kernels, and searching the modules for it needs "
           "CAP_SYS_ADMIN: give that capability, too";
  if (log.find("memlock") != log.npos || log.find("MEMLOCK") != log.npos)
    return "Raise the limit of locked memory: ulimit -l unlimited";
  return "Run it with --verbose to see the messages of the kernel";
}

}  // namespace tcpdwell
