// SPDX-License-Identifier: Apache-2.0
#include "kernel/attachment.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/libbpf_log.h"
#include "kernel/tracefs.h"

namespace tcpdwell {

LinkPtr try_attach(const bpf_program* program) {
  const LibbpfLog::Quiet quiet;
  return LinkPtr(bpf_program__attach(program));
}

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

}  // namespace tcpdwell
