// SPDX-License-Identifier: Apache-2.0
#include "session/limits.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <algorithm>
#include <string>
#include <vector>

#include "util/unique_fd.h"

namespace tcpdwell {
namespace {

// No frame of ours has more than 32 KiB, but libdw reads lines in one of 150 KiB, and the
// thread-local variables lie on the stack, too.
constexpr std::size_t kStack = 4U << 20U;
constexpr rlim_t kComfortable = 1024;  // descriptors

bool can_open(std::size_t count) {
  std::vector<UniqueFd> descriptors;
  descriptors.emplace_back(::eventfd(0, EFD_CLOEXEC));
  while (descriptors.back() && descriptors.size() < count)
    descriptors.emplace_back(::fcntl(descriptors.front().get(), F_DUPFD_CLOEXEC, 0));
  return static_cast<bool>(descriptors.back());
}

}  // namespace

std::optional<Error> settle_limits(std::size_t needed) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) == 0) {
    pthread_attr_setstacksize(&attributes, kStack);
    pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < kComfortable) {
    limit.rlim_cur = std::min(kComfortable, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (can_open(needed)) return std::nullopt;
  return Error{"cannot open enough descriptors: " + std::to_string(needed) +
                   " are needed, and the limit is " + std::to_string(limit.rlim_max),
               {},
               "Raise the limit (ulimit -n 1024; LimitNOFILE= of a unit)"};
}

}  // namespace tcpdwell
