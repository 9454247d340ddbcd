// SPDX-License-Identifier: Apache-2.0
#include "report/stuck_curves.h"

#include <algorithm>

#include "lifecycle/open_flags.h"

namespace tcpdwell::reporting {

void StuckCurves::add(const FlagRecord& flag, TimeAxis& axis) {
  const std::string key = flag_key(flag);
  const Nanos at = flag.when.mono;
  if (!flag.raised) {
    const auto it = raised_.find(key);
    if (it == raised_.end()) return;
    StuckCurve& curve = curves_[it->second.curve];
    --curve.open;
    curve.last_cleared = at;
    ++curve.left.at(axis, at);
    raised_.erase(it);
    return;
  }
  if (raised_.contains(key)) return;  // the same socket, described anew
  const LeakGroup group = group_of(flag);
  const auto [it, is_new] = by_key_.emplace(curve_key(group), curves_.size());
  if (is_new && curves_.size() >= kMost) {
    by_key_.erase(it);
    ++left_out_;
    return;
  }
  if (is_new) {
    StuckCurve& curve = curves_.emplace_back();
    curve.example = group;
    curve.key = it->first;
    curve.threshold = flag.threshold;
    curve.cgroup = flag.socket.cgroup;
    curve.first_entered = at - flag.dwell.value;
  }
  StuckCurve& curve = curves_[it->second];
  const Nanos since = at - flag.dwell.value;
  raised_[key] = {it->second, since, at};
  ++curve.raised;
  ++curve.open;
  curve.most = std::max(curve.most, curve.open);
  curve.last_raised = at;
  curve.first_entered = std::min(curve.first_entered, since);
  if (since < axis.begin())
    ++curve.before;
  else
    ++curve.entered.at(axis, since);
  ++curve.passed.at(axis, at);
}

void StuckCurves::begin_at(const TimeAxis& axis) {
  for (StuckCurve& curve : curves_) {
    curve.raised = curve.before = curve.open;
    curve.most = curve.open;
    curve.entered = curve.passed = curve.left = {};
  }
  TimeAxis first = axis;
  for (const auto& [key, raised] : raised_) ++curves_[raised.curve].passed.at(first, axis.begin());
}

}  // namespace tcpdwell::reporting
