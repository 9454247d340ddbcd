// SPDX-License-Identifier: Apache-2.0
#include "session/privileges.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

namespace tcpdwell {

bool looks_elsewhere(const Filter& filter) {
  struct stat here {};
  return !filter.netns || ::stat("/proc/self/ns/net", &here) != 0 || *filter.netns != here.st_ino;
}

Result<Promises> settle_rights(const Programs& programs, Promises promises) {
  for (const MissingFeature& missing : programs.missing()) spdlog::warn(missing.text());
  for (const MissingFeature& missing : missing_rights(effective_capabilities(), promises))
    spdlog::warn(missing.text());
  promises.calls_bpf = programs.calls_need_rights();
  if (auto error = keep_only(needed_for(promises))) return *error;
  return promises;
}

}  // namespace tcpdwell
