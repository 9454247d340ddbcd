// SPDX-License-Identifier: Apache-2.0
// `leaks`: lists the sockets that are stuck now. It traces no event but asks the kernel, once or
// repeatedly.
#include <poll.h>
#include <spdlog/spdlog.h>

#include <array>
#include <csignal>
#include <functional>
#include <optional>

#include "commands/common.h"
#include "commands/leak_sinks.h"
#include "commands/table.h"
#include "lifecycle/owned_flags.h"
#include "options/kernel_filter.h"
#include "options/netns_choice.h"
#include "session/blocked_reader.h"
#include "session/limits.h"
#include "session/privileges.h"
#include "session/session.h"
#include "sinks/leak_report.h"
#include "sinks/ndjson_sink.h"
#include "sinks/text_format.h"

namespace tcpdwell {
namespace {

constexpr std::chrono::milliseconds kPatienceOfScan{5000};

struct LeaksConfig {
  SessionConfig session;
  std::uint64_t ring_bytes = 0;
  std::optional<Nanos> watch;          // interval between two scans; nullopt: one scan
  std::optional<Nanos> duration;       // of all scans together
  std::optional<std::uint64_t> scans;  // complete ones; nullopt: no end
  WhereChoice where;
};

// Merges the sessions of all scans into one: passes one start record and no end record. Holds the
// flags of a scan back until the scan is complete.
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
  }
  const OwnedFlags& flags() const { return flags_; }
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

  // nullopt: the scan is incomplete.
  Result<std::optional<EndRecord>> scan(Sink& sink) {
    memory_.begin_look();
    session_.cgroups = list_cgroups(find_cgroup2_mount());
    Session session(session_, programs_, sink, output_);
    if (const auto error = session.begin()) return *error;
    if (const auto error = session.watch(signals_.fd())) return *error;
    bool settled = false;
    const auto error = session.loop([&] {
      settled = session.is_settled(monotonic_now());
      return handle_signals() || settled;
    });
    if (error) return *error;
    if (const auto count = session.namespaces_not_entered())
      spdlog::warn("cannot enter {}: their sockets are not listed",
                   format_count(count, "network namespace"));
    if (session.netns_missing() && !std::exchange(netns_gone_, true))
      spdlog::error("network namespace {} is gone", *session_.filter.netns);
    auto watched = session.watched_states();
    EndRecord end = session.finish(programs_);
    end.watched = std::move(watched);
    lost_ += end.lost;
    ring_full_ += end.ring_full;
    const bool none_entered = session_.filter.netns && session.namespaces_not_entered() > 0;
    const bool complete = settled && !session.snapshot_failed() && !session.refused() &&
                          !none_entered && !netns_gone_;
    if (!complete) memory_.drop_look();
    return complete ? std::optional(std::move(end)) : std::nullopt;
  }

  bool interrupted() const { return interrupted_; }
  bool netns_gone() const { return netns_gone_; }  // the namespace of --netns
  // Adds the losses of all scans.
  void add_losses_to(EndRecord& end) const {
    end.lost = lost_;
    end.ring_full = ring_full_;
  }

  // Returns true early on a signal or if the reader of the output is gone.
  bool pause(Nanos until) {
    while (!interrupted_ && monotonic_now() < until) {
      std::array<pollfd, 2> news{pollfd{.fd = signals_.fd(), .events = POLLIN, .revents = 0},
                                 pollfd{.fd = output_.fd(), .events = 0, .revents = 0}};
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - monotonic_now());
      ::poll(news.data(), news.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
      const bool unread = (news[1].revents & (POLLERR | POLLHUP)) != 0;
      interrupted_ = handle_signals() || unread;
    }
    return interrupted_;
  }

 private:
  bool handle_signals() {
    while (const auto signal = signals_.next())
      interrupted_ = (*signal == SIGHUP ? !output_.reopen() : true) || interrupted_;
    return interrupted_;
  }

  SessionConfig session_;
  StateMemory memory_;
  Programs& programs_;
  Output& output_;
  Signals signals_;
  bool interrupted_ = false, netns_gone_ = false;
  std::uint64_t lost_ = 0, ring_full_ = 0;
};

using Scanned = std::function<void(const EndRecord& end, const OwnedFlags& flags)>;

// Writes to `sink` a start record, the flags of each complete scan, and an end record, which it
// returns. Calls `scanned` with the end and the flags of each complete scan. nullopt: no scan was
// complete, and stderr has the reason, unless the reader of the output is gone.
Result<std::optional<EndRecord>> find_leaks(LeaksConfig config, Sink& sink, Output& output,
                                            const Scanned& scanned) {
  auto programs = Programs::attach({.filter = kernel_filter(config.session.filter),
                                    .trace = false,
                                    .ring_bytes = ring_size(config.ring_bytes),
                                    .snapshot_states = flagged_states(config.session.thresholds)});
  if (!programs) return programs.error();
  auto blocked = open_blocked_reader(config.where, kPatienceOfScan);
  if (!blocked) return blocked.error();
  config.session.blocked = blocked->get();
  auto netns = keep_to_netns(*programs, config.session.filter, config.session.netns_path);
  if (!netns) return netns.error();
  auto rights =
      drop_unneeded_rights(*programs, {.other_namespaces = looks_elsewhere(config.session.filter),
                                       .opens_files = output.is_reopened(),
                                       .reads_processes = config.where.on});
  if (!rights) return rights.error();
  SessionMerger all(sink);
  LeakScanner scanner(config, *netns, *programs, output);
  const Nanos began = monotonic_now();
  std::optional<EndRecord> last;
  std::uint64_t scans = 0;
  for (std::int64_t round = 1;; ++round) {
    auto end = scanner.scan(all);
    if (!end) return end.error();
    if (*end) {
      last = *end;
      all.pass_flags();
      scanned(*last, all.flags());
      ++scans;
    }
    all.drop_flags();
    if (scanner.netns_gone()) break;
    if (output.flush_through() != Output::Status::Ok) break;  // the next scan may be in an hour
    const Nanos next = began + (config.watch ? *config.watch * round : Nanos{0});
    if (scans == config.scans) break;
    if (!config.watch || (config.duration && next >= began + *config.duration)) break;
    if (scanner.pause(next)) break;
  }
  if (!last) {
    if (scanner.interrupted())
      spdlog::error(
          "interrupted before the scan was complete: no result. Run it again, or narrow it "
          "(--netns)");
    output.finish();
    return last;
  }
  scanner.add_losses_to(*last);
  last->elapsed = monotonic_now() - began;
  sink.write(*last);
  output.finish();
  if (const auto error = output.error()) return *error;
  return last;
}

}  // namespace

int run_leaks(const Options& options) {
  if (const auto error = settle_limits(kDescriptorsOfALook)) return fail(*error);
  auto output = Output::open(options.output, options.output_buffer, options.files);
  if (!output) return fail(output.error());
  LeakReport table(*output, text_style(options, *output), options.leak_view);
  FlagsTo<LeakReport> to_table(table);
  NdjsonSink json(*output, Kinds{});
  RaisedOnly sink(options.json ? static_cast<Sink&>(json) : to_table);
  LeaksConfig config{.session = session_config(options),
                     .ring_bytes = options.ring_bytes,
                     .watch = options.watch,
                     .duration = options.duration,
                     .scans = options.scans,
                     .where = options.where};
  config.session.filter.flags_only = true;
  LeakVerdict verdict(options.leak_limits);
  auto end = find_leaks(config, sink, *output, [&](const EndRecord& scan, const OwnedFlags& flags) {
    if (!options.json) table.print(scan.when, *scan.watched);
    verdict.scanned(scan.when.mono, flags.all());
  });
  if (!end) return fail(end.error());
  if (!*end) return kFailed;
  const int status = lost_status(options, **end, *output);
  if (status != kDone) return status;
  return verdict.failed() ? kLeaked : kDone;
}

}  // namespace tcpdwell
