// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/cgroup_paths.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMost = 65536;

}  // namespace

const std::string* CgroupPaths::path_of(std::uint64_t id) {
  if (id == 0) return nullptr;
  if (id != last_id_ || last_ == nullptr) {
    if (names_.size() >= kMost && !names_.contains(id)) names_.clear();
    const auto [it, is_new] = names_.try_emplace(id);
    if (is_new) unknown_.push_back(id);
    last_id_ = id;
    last_ = &it->second;
  }
  return last_->known ? &last_->path : nullptr;
}

const std::string* CgroupPaths::known_path_of(std::uint64_t id) const {
  const auto it = names_.find(id);
  return it == names_.end() || !it->second.known ? nullptr : &it->second.path;
}

void CgroupPaths::learn(std::uint64_t id, std::string path) {
  names_[id] = {std::move(path), true};
}

}  // namespace tcpdwell
