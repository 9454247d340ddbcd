// SPDX-License-Identifier: Apache-2.0
// Finds network namespaces and enters them. The kernel exports no list: each namespace that can be
// entered is referenced by a thread, a socket, an open file or a mount.
// setns() changes only the calling thread: use this class on a helper thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernel/bpf_iterators.h"
#include "util/unique_fd.h"

namespace tcpdwell {

class Namespaces {
 public:
  explicit Namespaces(BpfIterators& iterators);

  struct Name {
    std::uint64_t cookie = 0;
    std::uint32_t inum = 0;
  };
  // Finds all current namespaces. Drops earlier results.
  std::vector<Name> find();
  // The namespaces found so far; may be stale.
  std::vector<Name> known() const;
  // Calls `inside` with the calling thread in this namespace, and returns to our own. False: the
  // namespace is gone, or no usable reference leads there. Searches for an unknown namespace, but
  // not repeatedly.
  bool enter(std::uint64_t cookie, const std::function<void()>& inside);
  // The same with a known reference only, without a search.
  bool enter_known(std::uint64_t cookie, const std::function<void()>& inside);
  // The fate of namespaces that cannot be entered; omits those that may still exist. Going: only
  // minisocks are left, which the kernel is about to drop.
  enum class Fate : std::uint8_t { Going, Gone };
  std::map<std::uint64_t, Fate> fates(std::span<const std::uint64_t> cookies);

 private:
  struct Way {
    NetnsRef place;
    std::string mount;  // of Kind::Mount
  };
  void add(const NetnsRef& place, std::string mount = {});
  void add_mounts();

  BpfIterators& iterators_;
  const bool by_cookie_;                            // then it only matters that a reference exists
  std::map<std::uint64_t, std::vector<Way>> ways_;  // by cookie, a few each
  std::map<std::uint64_t, Nanos> closed_;           // time of the last failed search
  std::map<std::uint64_t, Nanos> missing_;  // time when it was first absent from the kernel's list
};

// nullopt: it cannot be entered. The calling thread enters it for a moment.
std::optional<std::uint64_t> cookie_of_netns(const UniqueFd& netns);

// Mounted namespaces (`ip netns`, container runtimes), by inode number.
std::map<std::uint32_t, std::string> mounted_namespaces();

}  // namespace tcpdwell
