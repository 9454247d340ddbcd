// SPDX-License-Identifier: Apache-2.0
#include "kernel/system_calls.h"

#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace tcpdwell {
namespace {

struct Row {
  std::int64_t number;
  SystemCall call;
};

constexpr Row kCalls[] = {
    {SYS_read, {"read", true}},
    {SYS_write, {"write", true}},
    {SYS_readv, {"readv", true}},
    {SYS_writev, {"writev", true}},
    {SYS_recvfrom, {"recvfrom", true}},
    {SYS_recvmsg, {"recvmsg", true}},
    {SYS_recvmmsg, {"recvmmsg", true}},
    {SYS_sendto, {"sendto", true}},
    {SYS_sendmsg, {"sendmsg", true}},
    {SYS_sendmmsg, {"sendmmsg", true}},
    {SYS_connect, {"connect", true}},
    {SYS_accept, {"accept", true}},
    {SYS_accept4, {"accept4", true}},
    {SYS_sendfile, {"sendfile", true}},
    {SYS_splice, {"splice", true}},
    {SYS_fsync, {"fsync", true}},
    {SYS_fdatasync, {"fdatasync", true}},
    {SYS_flock, {"flock", true}},
    {SYS_fcntl, {"fcntl", true}},
    {SYS_ioctl, {"ioctl", true}},
    {SYS_epoll_pwait, {"epoll_pwait", true}},
    {SYS_epoll_pwait2, {"epoll_pwait2", true}},
    {SYS_io_uring_enter, {"io_uring_enter", true}},
#if defined(__x86_64__)
    {SYS_epoll_wait, {"epoll_wait", true}},
    {SYS_poll, {"poll", false}},
    {SYS_select, {"select", false}},
    {SYS_pause, {"pause", false}},
#endif
    {SYS_ppoll, {"ppoll", false}},
    {SYS_pselect6, {"pselect6", false}},
    {SYS_futex, {"futex", false}},
    {SYS_futex_waitv, {"futex_waitv", false}},
    {SYS_nanosleep, {"nanosleep", false}},
    {SYS_clock_nanosleep, {"clock_nanosleep", false}},
    {SYS_wait4, {"wait4", false}},
    {SYS_waitid, {"waitid", false}},
    {SYS_restart_syscall, {"restart_syscall", false}},
    {SYS_rt_sigtimedwait, {"rt_sigtimedwait", false}},
    {SYS_rt_sigsuspend, {"rt_sigsuspend", false}},
    {SYS_msgrcv, {"msgrcv", false}},
    {SYS_semtimedop, {"semtimedop", false}},
    {SYS_openat, {"openat", false}},
    {SYS_exit, {"exit", false}},
};

}  // namespace

SystemCall find_system_call(std::int64_t number) {
  const auto* const it = std::find_if(std::begin(kCalls), std::end(kCalls),
                                      [&](const Row& row) { return row.number == number; });
  return it != std::end(kCalls) ? it->call : SystemCall{};
}

}  // namespace tcpdwell
