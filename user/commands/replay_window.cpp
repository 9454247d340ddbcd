// SPDX-License-Identifier: Apache-2.0
#include "commands/replay_window.h"

#include <type_traits>

namespace tcpdwell {

void WindowSink::write(const Record& record) noexcept {
  std::visit(
      [&](const auto& each) {
        using Each = std::decay_t<decltype(each)>;
        last_ = each.when;
        if constexpr (std::is_same_v<Each, StartRecord>) {
          if (window_.since) since_.emplace(*window_.since, each.when);
          if (window_.until) until_.emplace(*window_.until, each.when);
          sink_.write(record);
        } else if (std::is_same_v<Each, EndRecord> || contains(each.when)) {
          if (std::is_same_v<Each, TransitionRecord>) ++passed_.transitions;
          if (std::is_same_v<Each, ConnectionRecord>) ++passed_.connections;
          sink_.write(record);
        }
      },
      record);
}

void WindowObserver::write(const Record& record) noexcept {
  std::visit(
      [&](const auto& each) {
        using Each = std::decay_t<decltype(each)>;
        if constexpr (std::is_same_v<Each, StartRecord>) {
          if (window_.since) since_.emplace(*window_.since, each.when);
          if (window_.until) until_.emplace(*window_.until, each.when);
        } else if (!std::is_same_v<Each, EndRecord>) {
          if (until_ && until_->is_reached(each.when)) return;
          begin(each.when);
        }
        sink_.write(record);
      },
      record);
}

bool WindowObserver::begin(const When& when) {
  if (!since_) return true;
  if (!since_->is_reached(when)) return false;
  since_.reset();
  if (begins_) begins_(when.mono);
  return true;
}

void WindowObserver::ticked(Nanos now, const Lifecycle& lifecycle) noexcept {
  const When when = lifecycle.when(now);
  if (!begin(when)) return;
  over_ = until_ && until_->is_reached(when);
  if (!over_) observer_.ticked(now, lifecycle);
}

}  // namespace tcpdwell
