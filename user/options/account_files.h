// SPDX-License-Identifier: Apache-2.0
// Reads users from /etc/passwd and /etc/group, without the name service switch of the C library.
#pragma once

#include <optional>
#include <string>

#include "options/identity.h"

namespace tcpdwell {

// Used by the static build: getpwnam() would load the modules of /etc/nsswitch.conf, which need the
// C library of the machine, beside our own.
class AccountFiles {
 public:
  explicit AccountFiles(std::string users = "/etc/passwd", std::string groups = "/etc/group")
      : users_(std::move(users)), groups_(std::move(groups)) {}

  // nullopt: no file has the user; errno is 0, or the reason why a file could not be read.
  std::optional<Identity> find(const std::string& name) const;
  std::optional<Identity> find(uid_t uid) const;

 private:
  template <typename Matches>
  std::optional<Identity> first(Matches matches) const;
  std::vector<gid_t> groups_of(const std::string& name, gid_t own) const;

  std::string users_, groups_;
};

}  // namespace tcpdwell
