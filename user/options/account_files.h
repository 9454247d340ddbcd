// SPDX-License-Identifier: Apache-2.0
// What /etc/passwd and /etc/group say of a user, without the C library's name service switch.
#pragma once

#include <optional>
#include <string>

#include "options/identity.h"

namespace tcpdwell {

// The database of a static build: there getpwnam() would load the modules that /etc/nsswitch.conf
// names, made for the C library of the machine, beside the one that we brought along.
class AccountFiles {
 public:
  explicit AccountFiles(std::string users = "/etc/passwd", std::string groups = "/etc/group")
      : users_(std::move(users)), groups_(std::move(groups)) {}

  // None: no file has it, and errno is 0 or says why it could not be read.
  std::optional<Identity> find(const std::string& name) const;
  std::optional<Identity> find(uid_t uid) const;

 private:
  template <typename Matches>
  std::optional<Identity> first(Matches matches) const;
  std::vector<gid_t> groups_of(const std::string& name, gid_t own) const;

  std::string users_, groups_;
};

}  // namespace tcpdwell
