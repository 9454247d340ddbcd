// SPDX-License-Identifier: Apache-2.0
// Attachments that may fail: nullptr, without output of libbpf.
#pragma once

#include <bpf/libbpf.h>

#include <string>

#include "kernel/iterator.h"

namespace tcpdwell {

LinkPtr try_attach(const bpf_program* program);

// Attaches a program of SEC("?tracepoint/syscalls/sys_exit_SYSCALL"). Unlike libbpf, needs no
// mounted tracefs.
LinkPtr try_attach_syscall_exit(const bpf_program* program, const std::string& syscall);

}  // namespace tcpdwell
