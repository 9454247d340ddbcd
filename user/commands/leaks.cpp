// SPDX-License-Identifier: Apache-2.0
#include "commands/leaks.h"

#include <poll.h>
#include <spdlog/spdlog.h>

#include <array>
#include <csignal>

#include "lifecycle/owned_flags.h"
#include "options/kernel_filter.h"
#include "options/netns_choice.h"
#include "session/privileges.h"
#include "sinks/text_format.h"

namespace tcpdwell {
namespace {

// Each look is a session of its own, with a start and an end; all of them together have one. The
// flags of a look are kept until it is known to be complete.
class SessionMerger final : public Sink {
 public:
  explicit SessionMerger(Sink& sink) : sink_(sink) {}
  void write(const Record& record) noexcept override {
    const auto pass_on = [&] { sink_.write(record); };
    std::visit(
        Overloaded{[](const EndRecord&) {},
                   [&](const StartRecord&) {
                     if (!std::exchange(started_, true)) pass_on();
                   },
                   [this](const FlagRecord& flag) { flags_.add(flag); },
                   [&](const TransitionRecord&) { pass_on(); },
                   [&](const ConnectionRecord&) { pass_on(); },
                   [&](const FailedConnectsRecord&) { pass_on(); },
                   [&](const LostRecord&) { pass_on(); }, [&](const ClockRecord&) { pass_on(); }},
        record);
  }
  void pass_flags() {
    for (const FlagRecord& flag : flags_.all()) sink_.write(flag);
    flags_.clear();
  }
  void drop_flags() { flags_.clear(); }

 private:
  Sink& sink_;
  bool started_ = false;
  OwnedFlags flags_;
};

std::uint32_t flagged_states(const Thresholds& thresholds) {
  std::uint32_t states = 0;
  for (std::size_t i = 1; i < kStates; ++i)
    if (thresholds.of[i]) states |= 1U << i;
  return states;
}

class LeakScanner {
 public:
  LeakScanner(const LeaksConfig& config, std::optional<std::uint64_t> netns_cookie,
              Programs& programs, Output& output)
      : session_(config.session), programs_(programs), output_(output) {
    session_.netns_cookie = netns_cookie;
    session_.flags_uncertain = true;
    session_.memory = &memory_;
  }

  // nullopt: it was not completed.
  Result<std::optional<EndRecord>> one(Sink& sink) {
    memory_.begin_look();
    session_.cgroups = list_cgroups(find_cgroup2_mount());
    Session session(session_, programs_, sink, output_);
    if (const auto error = session.begin()) return *error;
    if (const auto error = session.watch(signals_.fd())) return *error;
    bool settled = false;
    const auto error = session.loop([&] {
      settled = session.is_settled(monotonic_now());
      return heed_signals() || settled;
    });
    if (error) return *error;
    if (const auto count = session.namespaces_not_entered())
      spdlog::warn("cannot enter {}: their sockets are not listed",
                   format_count(count, "network namespace"));
    if (session.netns_missing() && !std::exchange(gone_, true))
      spdlog::error("network namespace {} is gone", *session_.filter.netns);
    auto watched = session.watched_states();
    EndRecord end = session.finish(programs_);
    end.watched = std::move(watched);
    lost_ += end.lost;
    ring_full_ += end.ring_full;
    const bool none_entered = session_.filter.netns && session.namespaces_not_entered() > 0;
    const bool complete =
        settled && !session.snapshot_failed() && !session.refused() && !none_entered && !gone_;
    if (!complete) memory_.drop_look();
    return complete ? std::optional(std::move(end)) : std::nullopt;
  }

  bool interrupted() const { return over_; }
  bool netns_gone() const { return gone_; }   // the one that was asked for
  void add_losses_to(EndRecord& end) const {  // those of all looks
    end.lost = lost_;
    end.ring_full = ring_full_;
  }

  // True if a signal came instead, or nobody reads the output any more.
  bool pause(Nanos until) {
    while (!over_ && monotonic_now() < until) {
      std::array<pollfd, 2> news{pollfd{.fd = signals_.fd(), .events = POLLIN, .revents = 0},
                                 pollfd{.fd = output_.fd(), .events = 0, .revents = 0}};
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - monotonic_now());
      ::poll(news.data(), news.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
      const bool unread = (news[1].revents & (POLLERR | POLLHUP)) != 0;
      over_ = heed_signals() || unread;
    }
    return over_;
  }

 private:
  bool heed_signals() {
    while (const auto signal = signals_.next())
      over_ = (*signal == SIGHUP ? !output_.reopen() : true) || over_;
    return over_;
  }

  SessionConfig session_;
  StateMemory memory_;
  Programs& programs_;
  Output& output_;
  Signals signals_;
  bool over_ = false, gone_ = false;
  std::uint64_t lost_ = 0, ring_full_ = 0;
};

}  // namespace

Result<std::optional<EndRecord>> find_leaks(const LeaksConfig& config, Sink& sink, Output& output,
                                            const std::function<void(const EndRecord&)>& looked) {
  auto programs = Programs::attach({.filter = kernel_filter(config.session.filter),
                                    .trace = false,
                                    .ring_bytes = ring_size(config.ring_bytes),
                                    .snapshot_states = flagged_states(config.session.thresholds)});
  if (!programs) return programs.error();
  auto netns = keep_to_netns(*programs, config.session.filter, config.session.netns_path);
  if (!netns) return netns.error();
  auto promises =
      drop_unneeded_rights(*programs, {.other_namespaces = looks_elsewhere(config.session.filter),
                                       .opens_files = output.is_reopened()});
  if (!promises) return promises.error();
  SessionMerger all(sink);
  LeakScanner looks(config, *netns, *programs, output);
  const Nanos began = monotonic_now();
  std::optional<EndRecord> last;
  for (std::int64_t round = 1;; ++round) {
    auto end = looks.one(all);
    if (!end) return end.error();
    if (*end) {
      last = *end;
      all.pass_flags();
      looked(*last);
    }
    all.drop_flags();
    if (looks.netns_gone()) break;
    if (output.flush_through() != Output::Status::Ok) break;  // the next look may be in an hour
    const Nanos next = began + (config.watch ? *config.watch * round : Nanos{0});
    if (!config.watch || (config.duration && next >= began + *config.duration)) break;
    if (looks.pause(next)) break;
  }
  if (!last) {
    if (looks.interrupted())
      spdlog::error("interrupted before the look was over: nothing is known");
    output.finish();
    return last;
  }
  looks.add_losses_to(*last);
  last->elapsed = monotonic_now() - began;
  sink.write(*last);
  output.finish();
  if (const auto error = output.error()) return *error;
  return last;
}

}  // namespace tcpdwell
