// SPDX-License-Identifier: Apache-2.0
// cgroup v2 ids to paths. Questions to the file system can be slow: they are asked by a thread of
// its own, whose answers are fetched when `fd` is readable.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "util/unique_fd.h"

namespace tcpdwell {

struct CgroupName {
  std::uint64_t id = 0;
  std::string path;  // below the cgroup v2 root, "/" for the root; empty: gone
};

// Where cgroup v2 is mounted; empty: nowhere.
std::string find_cgroup2_mount();
// Every cgroup there is now.
std::vector<CgroupName> list_cgroups(const std::string& mount);

class CgroupResolver {
 public:
  explicit CgroupResolver(std::string mount);
  ~CgroupResolver();
  CgroupResolver(const CgroupResolver&) = delete;
  CgroupResolver& operator=(const CgroupResolver&) = delete;

  void ask(std::vector<std::uint64_t> ids);
  std::vector<CgroupName> take_answers();
  int fd() const { return ready_.get(); }

 private:
  void run();
  std::string path_of(std::uint64_t id) const;

  std::string mount_;
  UniqueFd root_;
  UniqueFd ready_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::uint64_t> questions_;
  std::vector<CgroupName> answers_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace tcpdwell
