// SPDX-License-Identifier: Apache-2.0
// Network namespaces: finds them and enters them. There is no list of them in the kernel: a thread,
// a socket, an open file or a mount leads to each that can be entered at all.
//
// setns() changes the calling thread only: use it on a helper thread.
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
  // Those that there are now. Forgets what was found before.
  std::vector<Name> find();
  // Those that were found so far: there may be others by now.
  std::vector<Name> known() const;
  // Calls `inside` with the calling thread in this namespace, and comes back. False: it is gone, or
  // nothing that may be followed leads there. One that was not found yet is looked for, but not
  // again and again.
  bool enter(std::uint64_t cookie, const std::function<void()>& inside);
  // The same by a way that is known already: without a search.
  bool enter_known(std::uint64_t cookie, const std::function<void()>& inside);
  // What became of those that cannot be entered. They may well be there: then nothing is said of
  // them. Going: no socket is left but minisocks, which the kernel is about to drop.
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
  const bool by_cookie_;                            // then only that there is a way is of interest
  std::map<std::uint64_t, std::vector<Way>> ways_;  // by cookie, a few each
  std::map<std::uint64_t, Nanos> closed_;           // when nothing led there last
  std::map<std::uint64_t, Nanos> missing_;          // when it was not in the kernel's list first
};

// nullopt: it cannot be entered. The calling thread is there for a moment.
std::optional<std::uint64_t> cookie_of_netns(const UniqueFd& netns);

// Where those are mounted that are: `ip netns`, container runtimes. By inode number.
std::map<std::uint32_t, std::string> mounted_namespaces();

}  // namespace tcpdwell
