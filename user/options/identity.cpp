// SPDX-License-Identifier: Apache-2.0
#include "options/identity.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <charconv>
#include <optional>

#include "options/account_files.h"

namespace tcpdwell {
namespace {

std::optional<uid_t> as_number(const std::string& user) {
  uid_t uid = 0;
  const char* end = user.data() + user.size();
  const auto [parsed_to, error] = std::from_chars(user.data(), end, uid);
  if (error != std::errc{} || parsed_to != end) return std::nullopt;
  if (uid == static_cast<uid_t>(-1)) return std::nullopt;  // setresuid() takes it for "no change"
  return uid;
}

#ifdef TCPDWELL_STATIC
std::optional<Identity> account(const std::string& user, std::optional<uid_t> number) {
  const AccountFiles files;
  auto found = files.find(user);
  if (!found && number) found = files.find(*number);
  return found;
}
constexpr auto kOtherDatabases =
    "This build of tcpdwell reads only /etc/passwd. Give a user of LDAP or sssd as a number; it "
    "then "
    "has no supplementary groups";
#else
std::vector<gid_t> groups_of(const passwd& entry) {
  int count = 0;
  ::getgrouplist(entry.pw_name, entry.pw_gid, nullptr, &count);
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  ::getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &count);
  groups.resize(static_cast<std::size_t>(count));
  return groups;
}

std::optional<Identity> account(const std::string& user, std::optional<uid_t> number) {
  const passwd* entry = ::getpwnam(user.c_str());
  if (!entry && number) entry = ::getpwuid(*number);
  if (!entry) return std::nullopt;
  Identity found = identity_of(*entry);
  found.groups = groups_of(*entry);
  return found;
}
constexpr auto kOtherDatabases = "";
#endif

void set(std::vector<std::string>& environment, const std::string& name, const std::string& value) {
  std::erase_if(environment, [&](const auto& entry) { return entry.starts_with(name + "="); });
  environment.push_back(name + "=" + value);
}

}  // namespace

Identity identity_of(const passwd& entry) {
  return {.uid = entry.pw_uid,
          .gid = entry.pw_gid,
          .groups = {},
          .name = entry.pw_name,
          .home = entry.pw_dir,
          .shell = *entry.pw_shell ? entry.pw_shell : "/bin/sh"};
}

Result<Identity> find_identity(const std::string& user) {
  const auto number = as_number(user);
  errno = 0;  // stays 0 if there is no such user
  if (auto found = account(user, number)) return std::move(*found);
  if (number)
    return Identity{.uid = *number,
                    .gid = *number,
                    .groups = {*number},
                    .name = user,
                    .home = "/",
                    .shell = "/bin/sh"};
  return Error{"there is no user " + user, {errno, std::generic_category()}, kOtherDatabases};
}

bool Identity::assume() const {
  return ::setgroups(groups.size(), groups.data()) == 0 && ::setresgid(gid, gid, gid) == 0 &&
         ::setresuid(uid, uid, uid) == 0;
}

std::vector<std::string> Identity::adapt(std::vector<std::string> environment) const {
  set(environment, "HOME", home);
  set(environment, "SHELL", shell);
  if (uid == 0) return environment;  // as in runuser: root keeps USER and LOGNAME
  set(environment, "USER", name);
  set(environment, "LOGNAME", name);
  return environment;
}

}  // namespace tcpdwell
