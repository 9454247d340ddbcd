// SPDX-License-Identifier: Apache-2.0
#include "options/netns_choice.h"

#include <sys/stat.h>

#include "kernel/namespaces.h"
#include "kernel/netns_files.h"
#include "util/thread.h"

namespace tcpdwell {
namespace {

// The path must still refer to the namespace that the options were checked with.
std::optional<std::uint64_t> by_path(const std::string& path, std::uint32_t inum) {
  const UniqueFd file = open_netns_path(path);
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0 || info.st_ino != inum) return std::nullopt;
  return cookie_of_netns(file);
}

std::optional<std::uint64_t> by_number(BpfIterators& iterators, std::uint32_t inum) {
  Namespaces namespaces(iterators);
  for (const auto& [cookie, number] : namespaces.find())
    if (number == inum) return cookie;
  return std::nullopt;
}

}  // namespace

Result<std::optional<std::uint64_t>> keep_to_netns(const Programs& programs, const Filter& filter,
                                                   const std::string& path) {
  if (!filter.netns) return std::optional<std::uint64_t>{};
  const std::uint32_t inum = *filter.netns;
  std::optional<std::uint64_t> cookie;
  make_thread([&] {  // setns() changes the calling thread only
    if (!path.empty()) cookie = by_path(path, inum);
    if (!cookie) cookie = by_number(programs.iterators(), inum);
  })
      .join();
  if (!cookie)
    return Error{"there is no network namespace " + (path.empty() ? std::to_string(inum) : path),
                 {},
                 "List them with: lsns -t net, ip netns"};
  programs.keep_to_netns(*cookie);
  return cookie;
}

}  // namespace tcpdwell
