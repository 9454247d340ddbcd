// SPDX-License-Identifier: Apache-2.0
// The user that `run --user` drops CMD to.
#pragma once

#include <pwd.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "util/result.h"

namespace tcpdwell {

// The result of a query of the user database. Query it before the fork: it may use the network
// (LDAP), and a connection of the child would be traced as CMD's.
struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  std::string name, home, shell;

  // Makes the calling process this user permanently. False: see errno.
  bool assume() const;
  // `environment` ("NAME=value") with HOME, SHELL, USER and LOGNAME as runuser(1) sets them.
  std::vector<std::string> adapt(std::vector<std::string> environment) const;
};

// Everything except the groups.
Identity identity_of(const passwd& entry);

// `user`: a name or a number. A number without an entry in the database is a user in the group of
// the same number only, with the home /.
Result<Identity> find_identity(const std::string& user);

}  // namespace tcpdwell
