// SPDX-License-Identifier: Apache-2.0
#include "kernel/btf_facts.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <linux/bpf.h>

#include <array>
#include <cstring>
#include <string>

#include "util/unique_fd.h"

namespace tcpdwell {

void BtfFacts::Free::operator()(btf* b) const noexcept { btf__free(b); }

Result<BtfFacts> BtfFacts::load() {
  btf* kernel = btf__load_vmlinux_btf();
  if (!kernel)
    return Error{"the kernel has no type information (/sys/kernel/btf/vmlinux)",
                 {},
                 "tcpdwell needs a kernel built with CONFIG_DEBUG_INFO_BTF=y"};
  return BtfFacts(kernel);
}

// A tracepoint's prototype: typedef btf_trace_NAME -> pointer -> function whose first parameter is
// the private data of the caller.
std::optional<unsigned> BtfFacts::tracepoint_args(const char* name) const {
  const std::string type = std::string("btf_trace_") + name;
  const int id = btf__find_by_name_kind(btf_.get(), type.c_str(), BTF_KIND_TYPEDEF);
  if (id < 0) return std::nullopt;
  const btf_type* pointer =
      btf__type_by_id(btf_.get(), btf__type_by_id(btf_.get(), static_cast<__u32>(id))->type);
  if (!pointer || !btf_is_ptr(pointer)) return std::nullopt;
  const btf_type* proto = btf__type_by_id(btf_.get(), pointer->type);
  if (!proto || !btf_is_func_proto(proto)) return std::nullopt;
  return btf_vlen(proto) - 1U;
}

std::optional<unsigned> BtfFacts::function_args(const char* name) const {
  const int id = btf__find_by_name_kind(btf_.get(), name, BTF_KIND_FUNC);
  if (id < 0) return std::nullopt;
  const btf_type* proto =
      btf__type_by_id(btf_.get(), btf__type_by_id(btf_.get(), static_cast<__u32>(id))->type);
  if (!proto || !btf_is_func_proto(proto)) return std::nullopt;
  return btf_vlen(proto);
}

std::optional<std::uint32_t> BtfFacts::function_id(const char* name) const {
  const int id = btf__find_by_name_kind(btf_.get(), name, BTF_KIND_FUNC);
  return id < 0 ? std::nullopt : std::optional(static_cast<std::uint32_t>(id));
}

std::uint32_t BtfFacts::enumerator(const char* enum_name, const char* name) const {
  const int id = btf__find_by_name_kind(btf_.get(), enum_name, BTF_KIND_ENUM);
  if (id < 0) return 0;
  const btf_type* type = btf__type_by_id(btf_.get(), static_cast<__u32>(id));
  const auto* values = btf_enum(type);
  for (int i = 0; i < btf_vlen(type); ++i)
    if (std::strcmp(btf__name_by_offset(btf_.get(), values[i].name_off), name) == 0)
      return static_cast<std::uint32_t>(values[i].val);
  return 0;
}

// Lockdown, a hardened host or an old arm64 kernel may refuse it. Tested with the smallest program,
// because a refusal of the real one would fail the whole object.
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

}  // namespace tcpdwell
