// SPDX-License-Identifier: Apache-2.0
#include "options/account_files.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

namespace tcpdwell {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

File open(const std::string& path) { return File(std::fopen(path.c_str(), "re")); }

bool lists(const group& entry, const std::string& name) {
  for (char** member = entry.gr_mem; *member; ++member)
    if (name == *member) return true;
  return false;
}

}  // namespace

std::optional<Identity> AccountFiles::find(const std::string& name) const {
  return first([&](const passwd& entry) { return name == entry.pw_name; });
}

std::optional<Identity> AccountFiles::find(uid_t uid) const {
  return first([&](const passwd& entry) { return uid == entry.pw_uid; });
}

template <typename Matches>
std::optional<Identity> AccountFiles::first(Matches matches) const {
  const File file = open(users_);
  if (!file) return std::nullopt;
  while (const passwd* entry = ::fgetpwent(file.get())) {
    // "+name" and "-name" refer to NIS; they would read as user 0.
    if (*entry->pw_name == '+' || *entry->pw_name == '-' || !matches(*entry)) continue;
    Identity found = identity_of(*entry);
    found.groups = groups_of(found.name, found.gid);
    return found;
  }
  errno = 0;  // the end of the file
  return std::nullopt;
}

std::vector<gid_t> AccountFiles::groups_of(const std::string& name, gid_t own) const {
  std::vector<gid_t> groups{own};
  const File file = open(groups_);
  while (const group* entry = file ? ::fgetgrent(file.get()) : nullptr) {
    const bool known = std::find(groups.begin(), groups.end(), entry->gr_gid) != groups.end();
    if (!known && lists(*entry, name)) groups.push_back(entry->gr_gid);
  }
  return groups;
}

}  // namespace tcpdwell
