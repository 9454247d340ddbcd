// SPDX-License-Identifier: Apache-2.0
#include "app/leaks.h"

#include <poll.h>
#include <spdlog/spdlog.h>

#include <csignal>

#include "app/kernel_filter.h"
#include "sinks/text_format.h"

namespace tcpdwell {
namespace {

// Each look is a session of its own, with a start and an end; all of them together have one.
class OneRun final : public Sink {
 public:
  explicit OneRun(Sink& sink) : sink_(sink) {}
  void write(const Record& record) noexcept override {
    if (std::holds_alternative<EndRecord>(record)) return;
    if (std::holds_alternative<StartRecord>(record) && std::exchange(started_, true)) return;
    sink_.write(record);
  }

 private:
  Sink& sink_;
  bool started_ = false;
};

std::uint32_t flagged_states(const Thresholds& thresholds) {
  std::uint32_t states = 0;
  for (std::size_t i = 1; i < kStates; ++i)
    if (thresholds.of[i]) states |= 1U << i;
  return states;
}

class Looks {
 public:
  Looks(const LeaksConfig& config, Programs& programs, Output& output)
      : config_(config), programs_(programs), output_(output) {}

  Result<EndRecord> one(Sink& sink) {
    Session session(config_.session, programs_, sink, output_);
    if (const auto error = session.begin()) return *error;
    session.watch(signals_.fd());
    const auto error =
        session.loop([&] { return heed_signals() || session.is_settled(monotonic_now()); });
    if (error) return *error;
    if (const auto count = session.namespaces_not_entered())
      spdlog::warn("cannot enter {}: their sockets are not listed",
                   format_count(count, "network namespace"));
    return session.finish(programs_);
  }

  // True if a signal came instead.
  bool pause(Nanos until) {
    while (!over_ && monotonic_now() < until) {
      pollfd signal{.fd = signals_.fd(), .events = POLLIN, .revents = 0};
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - monotonic_now());
      ::poll(&signal, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
      heed_signals();
    }
    return over_;
  }

 private:
  bool heed_signals() {
    while (const auto signal = signals_.next())
      over_ = (*signal == SIGHUP ? !output_.reopen() : true) || over_;
    return over_;
  }

  const LeaksConfig& config_;
  Programs& programs_;
  Output& output_;
  Signals signals_;
  bool over_ = false;
};

}  // namespace

Result<EndRecord> find_leaks(const LeaksConfig& config, Sink& sink, Output& output,
                             const std::function<void(const When&)>& looked) {
  auto programs = Programs::attach({.filter = kernel_filter(config.session.filter),
                                    .trace = false,
                                    .ring_bytes = ring_size(config.ring_bytes),
                                    .hz = kernel_hz(),
                                    .snapshot_states = flagged_states(config.session.thresholds)});
  if (!programs) return programs.error();
  OneRun all(sink);
  Looks looks(config, *programs, output);
  const Nanos began = monotonic_now();
  std::optional<EndRecord> last;
  for (std::int64_t round = 1;; ++round) {
    auto end = looks.one(all);
    if (!end) return end.error();
    last = *end;
    looked(end->when);
    if (output.flush() != Output::Status::Ok) break;
    const Nanos next = began + (config.watch ? *config.watch * round : Nanos{0});
    if (!config.watch || (config.duration && next >= began + *config.duration)) break;
    if (looks.pause(next)) break;
  }
  last->elapsed = monotonic_now() - began;
  sink.write(*last);
  output.finish();
  if (const auto error = output.error()) return *error;
  return *last;
}

}  // namespace tcpdwell
