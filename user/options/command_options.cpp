// SPDX-License-Identifier: Apache-2.0
// The options of each command, and which of the shared ones it refuses.
#include <utility>

#include "options/command_line.h"
#include "options/option_values.h"
#include "options/options.h"

namespace tcpdwell {

void CommandOptions::add_to(CLI::App&, OptionTexts&) {}
std::vector<std::string> CommandOptions::refused(const OptionTexts&) const { return {}; }
void CommandOptions::read(const CLI::App&, const OptionTexts&, Options&) {}
const CLI::App* CommandOptions::described(const CLI::App& own) const { return &own; }

namespace {

using namespace std::chrono_literals;
using Names = std::vector<std::string>;

Names with(Names names, const Names& more) {
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

Names recording_options() { return {"--record", "--max-size", "--rotate", "--zstd"}; }

// A connection in an accept queue is in one of these states, or soon will be.
bool may_be_flagged(const Thresholds& thresholds, State state) {
  const bool queued = thresholds.accept && (state == State::Established ||
                                            state == State::CloseWait || state == State::Closed);
  return queued || thresholds.of[index(state)];
}

// For a command that prints flags alone: refuses options that leave no flag to print.
void require_a_flag(const Options& options) {
  bool any = false, any_asked = false;
  for (std::size_t i = 1; i < kStates; ++i) {
    const bool may_be = may_be_flagged(options.thresholds, static_cast<State>(i));
    any = any || may_be;
    any_asked = any_asked || (may_be && options.filter.states.test(i));
  }
  if (!any) throw CLI::ValidationError("--only", "flag prints nothing with --no-flags");
  if (options.filter.states.any() && !any_asked)
    throw CLI::ValidationError("--state", "none of these has a threshold: add --flag STATE=D");
}

class TraceOptions final : public CommandOptions {
 public:
  TraceOptions()
      : CommandOptions("Stream transitions, flags and finished connections (the default)") {}
  void read(const CLI::App& shared, const OptionTexts& texts, Options& options) override {
    if (texts.record.empty())
      for (const char* option : {"--max-size", "--rotate", "--zstd"})
        if (shared.count(option) != 0) throw CLI::RequiresError(option, "--record FILE");
    options.recording = texts.record;
    if (options.only && options.only->flags && !options.only->transitions &&
        !options.only->connections)
      require_a_flag(options);
  }
};

void add_stats_options(CLI::App& stats, OptionTexts& texts) {
  stats.add_option("INTERVAL", texts.interval, "Time between two tables (250ms, 30s; default 10s)")
      ->type_name("");
  stats.add_option("COUNT", texts.count, "End after COUNT tables (default: no end)")->type_name("");
  stats
      .add_option("--by", texts.by,
                  "Group by state (default), lport, rport, remote, owner, cgroup or netns")
      ->type_name("WHAT");
  stats
      .add_option("--rows", texts.rows,
                  "Print the busiest N groups, and the rest as \"other\" (default 10)")
      ->type_name("N");
  stats
      .add_option("--histogram", texts.histogram,
                  "Draw a histogram of the time that connections spent in STATE")
      ->type_name("STATE");
}

void read_stats_options(const OptionTexts& texts, Options& options) {
  StatsConfig& stats = options.stats;
  stats.states = options.filter.states;
  if (!texts.interval.empty()) stats.interval = duration_value("INTERVAL", texts.interval);
  if (!texts.count.empty()) options.intervals = count_value("COUNT", texts.count);
  if (!texts.by.empty()) stats.by = group_by_value(texts.by);
  if (!texts.rows.empty()) stats.rows = count_value("--rows", texts.rows);
  if (!texts.histogram.empty()) stats.histogram = dwell_state_value("--histogram", texts.histogram);
  if (stats.histogram && stats.states.any() && !stats.states.test(index(*stats.histogram)))
    throw CLI::ValidationError("--histogram", "its state is not among those of --state");
}

class StatsOptions final : public CommandOptions {
 public:
  StatsOptions()
      : CommandOptions(
            "tcpdwell stats [INTERVAL [COUNT]]: for each state, how many connections "
            "entered and left it, how many are in it now, and how long they stayed",
            {.flags_accept = false}) {}
  void add_to(CLI::App& own, OptionTexts& texts) override { add_stats_options(own, texts); }
  Names refused(const OptionTexts&) const override {
    return with(recording_options(), {"--only", "--min-dwell"});
  }
  void read(const CLI::App&, const OptionTexts& texts, Options& options) override {
    read_stats_options(texts, options);
  }
};

class LeaksOptions final : public CommandOptions {
 public:
  LeaksOptions()
      : CommandOptions(
            "List the sockets that are stuck now, with the cause and the processes that "
            "hold them. Exit status 1 if there are any") {}
  void add_to(CLI::App& own, OptionTexts& texts) override {
    own.add_option("--watch", texts.watch, "Repeat every D, and show the growth per minute")
        ->type_name("D");
  }
  Names refused(const OptionTexts& texts) const override {
    const Names names = with(recording_options(), {"--only", "--ready-file", "--no-flags",
                                                   "--no-accept", "--min-dwell"});
    return texts.watch.empty() ? with(names, {"--duration"}) : names;
  }
  void read(const CLI::App&, const OptionTexts& texts, Options& options) override {
    if (!texts.watch.empty()) options.watch = duration_value("--watch", texts.watch);
    const auto listen = options.thresholds.of[index(State::Listen)];
    if (listen && (!options.watch || (options.duration && *options.duration <= *listen)))
      throw CLI::ValidationError(
          "--flag",
          "LISTEN lists nothing, because the kernel does not record when a socket began to listen: "
          "add --watch D, and let it run for longer than the threshold");
    require_a_flag(options);
  }
};

class RunOptions final : public CommandOptions {
 public:
  RunOptions()
      : CommandOptions(
            "tcpdwell run [OPTIONS] -- CMD [ARG...]: run CMD, then list the sockets that "
            "it leaked",
            {.flag_after = 1s, .runs_command = true, .failure_status = 125}) {}
  void add_to(CLI::App& own, OptionTexts& texts) override {
    own.add_option("--leak-exit-code", texts.leak_exit_code,
                   "Exit status if CMD exits with 0 but leaked sockets (default 1)")
        ->type_name("N");
    own.add_option("--exit-grace", texts.exit_grace,
                   "A socket is a leak if it was in CLOSE_WAIT for D and only the exit of its "
                   "process closed it (default 100ms)")
        ->type_name("D");
    own.add_option("--user", texts.user, "Run CMD as this user")->type_name("NAME");
  }
  Names refused(const OptionTexts&) const override {
    return with(recording_options(),
                {"--only", "--ready-file", "--no-flags", "--duration", "--min-dwell"});
  }
  void read(const CLI::App&, const OptionTexts& texts, Options& options) override {
    options.user = texts.user;
    options.exit_grace = 100ms;
    if (!texts.exit_grace.empty())
      options.exit_grace = duration_value("--exit-grace", texts.exit_grace);
    if (!texts.leak_exit_code.empty())
      options.leak_exit_code = status_value("--leak-exit-code", texts.leak_exit_code);
    require_a_flag(options);
  }
};

class CheckOptions final : public CommandOptions {
 public:
  CheckOptions()
      : CommandOptions(
            "Report whether and how exactly this host can be traced, and what the TCP "
            "sysctls (of --netns) mean; with --quiet, print only problems. Exit status 2 "
            "if the host cannot be traced") {}
  // It follows no connection and ends by itself: nothing chooses or limits either.
  Names refused(const OptionTexts&) const override {
    return with(recording_options(), {"--ready-file", "--only",
                                      "--no-flags",   "--flag",
                                      "--no-accept",  "--duration",
                                      "--ring-size",  "--output-buffer",
                                      "--strict",     "--max-connections",
                                      "--port",       "--lport",
                                      "--rport",      "--addr",
                                      "--local",      "--remote",
                                      "-4",           "-6",
                                      "--pid",        "--comm",
                                      "--cgroup",     "--state",
                                      "--min-dwell"});
  }
};

class RecordOptions final : public CommandOptions {
 public:
  RecordOptions()
      : CommandOptions("Write the raw events to a file (-o FILE) for replay, and print nothing") {}
  Names refused(const OptionTexts&) const override {
    return {"--record", "--json", "--only", "--state", "--min-dwell", "--color", "--output-buffer"};
  }
  void read(const CLI::App&, const OptionTexts& texts, Options& options) override {
    if (texts.output.empty()) throw CLI::RequiresError("record", "--output FILE");
    options.recording = std::exchange(options.output, {});
  }
};

void add_ascii(CLI::App& own, OptionTexts& texts) {
  own.add_flag("--ascii", texts.ascii, "Draw with ASCII characters only");
}

class TopOptions final : public CommandOptions {
 public:
  TopOptions()
      : CommandOptions(
            "Live screen: the states, stuck sockets with cause and next step, ports that run out, "
            "and the connections, oldest in their state first. Press ? for its keys") {}
  void add_to(CLI::App& own, OptionTexts& texts) override {
    own.add_option("--delay", texts.delay, "Time between two looks (250ms or more; default 1s)")
        ->type_name("D");
    add_ascii(own, texts);
  }
  Names refused(const OptionTexts&) const override {
    return with(recording_options(),
                {"--json", "--output", "--output-buffer", "--only", "--quiet"});
  }
  void read(const CLI::App&, const OptionTexts& texts, Options& options) override {
    options.ascii = texts.ascii;
    if (texts.delay.empty()) return;
    options.delay = duration_value("--delay", texts.delay);
    if (options.delay < 250ms) throw CLI::ValidationError("--delay", "must be at least 250ms");
  }
};

class ReplayOptions final : public CommandOptions {
 public:
  ReplayOptions()
      : CommandOptions(
            "tcpdwell replay FILE [trace | stats [INTERVAL [COUNT]] | top]: print a recording "
            "as the run that made it would have printed it, or travel through it; needs no root",
            {.reads_recording = true}) {}
  void add_to(CLI::App& own, OptionTexts& texts) override {
    own.add_option("FILE", texts.replay, "The recording")->required()->type_name("");
    add_command(own, texts, "trace", "Print it as trace does (the default)");
    stats_ = add_command(own, texts, "stats", "Print it as stats does");
    add_stats_options(*stats_, texts);
    refuse_empty_values(*stats_);
    top_ = add_command(own, texts, "top", "Show it on a screen, and travel through its time");
    add_ascii(*top_, texts);
    own.require_subcommand(0, 1);
  }
  Names refused(const OptionTexts&) const override {
    return with(recording_options(),
                {"--ready-file", "--no-accept", "--duration", "--ring-size", "--output-buffer"});
  }
  void read(const CLI::App& shared, const OptionTexts& texts, Options& options) override {
    options.recording = texts.replay;
    options.replays_stats = stats_->parsed();
    options.replays_top = top_->parsed();
    options.ascii = texts.ascii;
    if (options.replays_top)
      for (const char* option : {"--json", "--output", "--only", "--quiet"})
        if (shared.count(option) != 0) throw CLI::ValidationError(option, "does not go with top");
    if (options.replays_stats && shared.count("--only") != 0)
      throw CLI::ValidationError("--only", "does not go with stats");
    if (options.replays_stats && options.filter.min_dwell.count() > 0)
      throw CLI::ValidationError("--min-dwell", "does not go with stats");
    read_stats_options(texts, options);
  }
  const CLI::App* described(const CLI::App& own) const override {
    return stats_->parsed() ? stats_ : top_->parsed() ? top_ : &own;
  }

 private:
  // replay FILE stats, and top; owned by the CLI11 command of replay.
  CLI::App* stats_ = nullptr;
  CLI::App* top_ = nullptr;
};

}  // namespace

std::unique_ptr<CommandOptions> trace_options() { return std::make_unique<TraceOptions>(); }
std::unique_ptr<CommandOptions> stats_options() { return std::make_unique<StatsOptions>(); }
std::unique_ptr<CommandOptions> leaks_options() { return std::make_unique<LeaksOptions>(); }
std::unique_ptr<CommandOptions> run_options() { return std::make_unique<RunOptions>(); }
std::unique_ptr<CommandOptions> check_options() { return std::make_unique<CheckOptions>(); }
std::unique_ptr<CommandOptions> record_options() { return std::make_unique<RecordOptions>(); }
std::unique_ptr<CommandOptions> replay_options() { return std::make_unique<ReplayOptions>(); }
std::unique_ptr<CommandOptions> top_options() { return std::make_unique<TopOptions>(); }

}  // namespace tcpdwell
