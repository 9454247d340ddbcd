// SPDX-License-Identifier: Apache-2.0
// The user that `run --user` drops CMD to.
#pragma once

#include <pwd.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "util/result.h"

namespace tcpdwell {

// All that there is to ask of the user database. It is asked beforehand, since that may go over the
// network (LDAP), and such a connection of the child would be traced as if it were CMD's.
struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  std::string name, home, shell;

  // Makes the calling process this user, for good. False: errno says why not.
  bool assume() const;
  // `environment` ("NAME=value") with HOME, SHELL, USER and LOGNAME as runuser(1) sets them.
  std::vector<std::string> adapt(std::vector<std::string> environment) const;
};

// All but the groups.
Identity identity_of(const passwd& entry);

// A name, or a number, which the database need not know: such a user is in the group of the same
// number alone, and at home in /.
Result<Identity> find_identity(const std::string& user);

}  // namespace tcpdwell
