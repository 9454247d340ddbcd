// SPDX-License-Identifier: Apache-2.0
// Paths of cgroups by id, and the ids whose paths to ask for. Bounded: a full table is cleared, and
// its ids are asked for again.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tcpdwell {

class CgroupPaths {
 public:
  // nullptr: not known. Adds a new id to take_unknown(). The result is valid until the next call.
  const std::string* path_of(std::uint64_t id);
  // The same without asking.
  const std::string* known_path_of(std::uint64_t id) const;
  // `path` is empty if the cgroup was gone before its path was read.
  void learn(std::uint64_t id, std::string path);
  // Ids to ask for, each once.
  std::vector<std::uint64_t> take_unknown() { return std::exchange(unknown_, {}); }

 private:
  struct Name {
    std::string path;
    bool known = false;
  };
  std::unordered_map<std::uint64_t, Name> names_;
  std::vector<std::uint64_t> unknown_;
  // The last look-up; the next one often has the same id.
  std::uint64_t last_id_ = 0;
  const Name* last_ = nullptr;
};

}  // namespace tcpdwell
