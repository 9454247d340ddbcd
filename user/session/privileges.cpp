// SPDX-License-Identifier: Apache-2.0
#include "session/privileges.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

namespace tcpdwell {

bool looks_elsewhere(const Filter& filter) {
  struct stat here {};
  return !filter.netns || ::stat("/proc/self/ns/net", &here) != 0 || *filter.netns != here.st_ino;
}

Result<NeededRights> drop_unneeded_rights(const Programs& programs, NeededRights needs) {
  for (const Limitation& missing : programs.limitations()) spdlog::warn(missing.text());
  for (const Limitation& missing : missing_rights(effective_capabilities(), needs))
    spdlog::warn(missing.text());
  needs.calls_bpf = programs.calls_need_rights();
  if (auto error = keep_only(needed_for(needs))) return *error;
  return needs;
}

}  // namespace tcpdwell
