// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/failed_connects.h"

#include <algorithm>
#include <utility>

namespace tcpdwell {
namespace {

// Ignores the cgroup, which a process can change.
bool same_process(const std::optional<Process>& a, const std::optional<Process>& b) {
  if (!a || !b) return !a && !b;
  return a->pid == b->pid && a->uid == b->uid && same(a->comm, b->comm);
}

bool same_subject(const FailedConnectsRecord& a, const FailedConnectsRecord& b) {
  return a.reason == b.reason && a.one_destination == b.one_destination && a.flow == b.flow &&
         same_process(a.process, b.process);
}

}  // namespace

void FailedConnects::strip(FailedConnectsRecord& failed) const {
  failed.flow.local.port = 0;
  if (detail_ >= Detail::NoDestinations) {
    failed.one_destination = false;
    failed.flow = {};
  }
  if (detail_ >= Detail::NamesOnly && failed.process) {
    failed.process->pid = 0;
    failed.process->cgroup_id = 0;
  }
  if (detail_ >= Detail::ReasonsOnly) failed.process.reset();
}

void FailedConnects::put(const FailedConnectsRecord& failed) {
  const auto it = std::find_if(all_.begin(), all_.end(), [&](const FailedConnectsRecord& known) {
    return same_subject(known, failed);
  });
  if (it == all_.end()) return all_.push_back(failed);
  it->count += failed.count;
  it->when = failed.when;
}

void FailedConnects::add(FailedConnectsRecord failed) {
  strip(failed);
  put(failed);
  while (all_.size() > kMost && detail_ != Detail::ReasonsOnly) {
    detail_ = static_cast<Detail>(static_cast<int>(detail_) + 1);
    for (FailedConnectsRecord& one : std::exchange(all_, {})) {
      strip(one);
      put(one);
    }
  }
}

std::vector<FailedConnectsRecord> FailedConnects::all() const {
  auto sorted = all_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.count > b.count; });
  return sorted;
}

std::vector<FailedConnectsRecord> FailedConnects::take() {
  auto taken = all();
  clear();
  return taken;
}

void FailedConnects::clear() {
  all_.clear();
  detail_ = Detail::All;
}

}  // namespace tcpdwell
