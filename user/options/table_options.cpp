// SPDX-License-Identifier: Apache-2.0
// The options of the commands that print tables, stats and leaks, and of replay, which prints both.
#include <utility>

#include "options/command_line.h"
#include "options/command_rules.h"
#include "options/option_values.h"
#include "options/options.h"
#include "options/where_options.h"

namespace tcpdwell {
namespace {

using namespace command_rules;

void add_stats_options(CLI::App& stats, OptionTexts& texts) {
  stats.add_option("INTERVAL", texts.interval, "Time between two tables (250ms, 30s; default 10s)")
      ->type_name("");
  stats.add_option("COUNT", texts.count, "End after COUNT tables (default: no end)")->type_name("");
  stats
      .add_option(
          "--by", texts.by,
          "Group by state (default), port (of the service: the listener's side), lport, rport, "
          "remote, owner, pid, cgroup, netns, or closed_by (who closed first; counts "
          "connections when they end)")
      ->type_name("WHAT");
  stats
      .add_option("--rows", texts.rows,
                  "Print the busiest N groups, and the rest as \"other\" (default 10)")
      ->type_name("N");
  stats
      .add_option("--histogram", texts.histogram,
                  "Draw a histogram of the time that connections spent in STATE")
      ->type_name("STATE");
  stats.add_flag(
      "--buckets", texts.buckets,
      "With --json: also print the histogram of each row, as [upper bound in ns, count]. "
      "Those of several hosts add up");
}

void read_stats_options(const OptionTexts& texts, Options& options) {
  StatsConfig& stats = options.stats;
  stats.states = options.filter.states;
  if (!texts.interval.empty()) stats.interval = duration_value("INTERVAL", texts.interval);
  if (!texts.count.empty()) options.intervals = count_value("COUNT", texts.count);
  if (!texts.by.empty()) stats.by = group_by_value(texts.by);
  if (!texts.rows.empty()) stats.rows = count_value("--rows", texts.rows);
  if (!texts.histogram.empty()) stats.histogram = dwell_state_value("--histogram", texts.histogram);
  if (texts.buckets && !texts.json) throw CLI::RequiresError("--buckets", "--json");
  stats.buckets = texts.buckets;
  if (stats.histogram && stats.states.any() && !stats.states.test(index(*stats.histogram)))
    throw CLI::ValidationError("--histogram", "its state is not among those of --state");
}

class StatsOptions final : public CommandOptions {
 public:
  StatsOptions()
      : CommandOptions(
            "Print a table for each interval: how many connections entered and left each "
            "state, how many are in it now, and how long they stayed",
            {.flags_accept = false}) {}
  std::string usage() const override { return "[INTERVAL [COUNT]] [OPTIONS]"; }
  std::vector<Example> examples() const override {
    return {{"stats 5s 12", "a minute, in twelve tables"},
            {"stats 1m --by port", "which service has how many connections, and for how long?"},
            {"stats --by closed_by --comm nginx", "who closes first, the server or its clients?"},
            {"stats 10s --histogram SYN_SENT", "how long do handshakes take?"}};
  }
  void add_to(CLI::App& own, OptionTexts& texts) override { add_stats_options(own, texts); }
  Names refused(const OptionTexts&) const override {
    return with(recording_options(), {"--only", "--min-dwell"});
  }
  void read(const CLI::App&, const OptionTexts& texts, Options& options) override {
    read_stats_options(texts, options);
  }
};

void add_leak_view_options(CLI::App& own, OptionTexts& texts) {
  own.add_option("--sort", texts.leak_order,
                 "Order of the groups: count (the default: most sockets first) or age (the oldest "
                 "first)")
      ->type_name("WHAT");
  own.add_option("--top", texts.leak_top, "Print only the first N groups; the status counts all")
      ->type_name("N");
  own.add_option("--min-count", texts.leak_count,
                 "Exit with 1 only if at least N sockets are stuck (default 1)")
      ->type_name("N");
}

void read_leak_view(const OptionTexts& texts, Options& options) {
  if (texts.json)
    for (const auto& [option, text] :
         {std::pair{"--sort", &texts.leak_order}, {"--top", &texts.leak_top}})
      if (!text->empty())
        throw CLI::ValidationError(option, "arranges the table: it does not go with --json");
  if (!texts.leak_order.empty()) options.leak_view.order = leak_order_value(texts.leak_order);
  if (!texts.leak_top.empty()) options.leak_view.most = count_value("--top", texts.leak_top);
  if (!texts.leak_count.empty())
    options.leak_limits.count = count_value("--min-count", texts.leak_count);
}

class LeaksOptions final : public CommandOptions {
 public:
  LeaksOptions()
      : CommandOptions(
            "List the sockets that are stuck now, with the cause and the processes that "
            "hold them. Exit status 1 if there are any") {}
  std::vector<Example> examples() const override {
    return {
        {"leaks", "what is stuck now, why, who holds it, and what to do; status 1 if anything is"},
        {"leaks --where", "with the line of code where the threads of each holder wait"},
        {"leaks --watch 30s", "scan every 30 s, with the growth a minute"},
        {"leaks --watch 1m --count 10 --growth 5/min",
         "for CI: fails only if some group grows by 5 sockets a minute"},
        {"leaks --flag CLOSE_WAIT=5m --sort age --top 3",
         "the three groups with the oldest sockets beyond 5 minutes"}};
  }
  void add_to(CLI::App& own, OptionTexts& texts) override {
    own.add_option("--watch", texts.watch, "Repeat every D, and show the growth per minute")
        ->type_name("D");
    own.add_option("--count", texts.scans, "With --watch: end after N scans (default: no end)")
        ->type_name("N");
    own.add_option("--growth", texts.growth,
                   "With --watch: exit with 1 only if the sockets of a group (same holders, state, "
                   "cause and port) increased by N a minute or more from the first scan to the "
                   "last, and are --min-count at least; a group that is new then began with 0")
        ->type_name("N/min");
    add_leak_view_options(own, texts);
    where_.add_to(own);
  }
  Names refused(const OptionTexts& texts) const override {
    const Names names = with(recording_options(), {"--only", "--ready-file", "--no-flags",
                                                   "--no-accept", "--min-dwell"});
    return texts.watch.empty() ? with(names, {"--duration"}) : names;
  }
  void read(const CLI::App&, const OptionTexts& texts, Options& options) override {
    read_leak_view(texts, options);
    options.where = where_.read();
    if (texts.watch.empty() && !texts.scans.empty())
      throw CLI::RequiresError("--count", "--watch D");
    if (texts.watch.empty() && !texts.growth.empty())
      throw CLI::RequiresError("--growth", "--watch D");
    if (!texts.scans.empty()) options.scans = count_value("--count", texts.scans);
    if (!texts.growth.empty()) options.leak_limits.growth = growth_value(texts.growth);
    if (options.leak_limits.growth && options.scans == 1U)
      throw CLI::ValidationError("--growth", "needs two scans at least: --count 2");
    if (!texts.watch.empty()) options.watch = duration_value("--watch", texts.watch);
    const auto listen = options.thresholds.of[index(State::Listen)];
    if (listen && (!options.watch || (options.duration && *options.duration <= *listen)))
      throw CLI::ValidationError(
          "--flag",
          "LISTEN lists nothing, because the kernel does not record when a socket began to listen: "
          "add --watch D, and let it run for longer than the threshold");
    require_a_flag(options);
  }

 private:
  WhereOptions where_;
};

class ReplayOptions final : public CommandOptions {
 public:
  ReplayOptions()
      : CommandOptions(
            "Print a recording as the run that made it would have printed it, or travel through "
            "it; "
            "needs no root",
            {.reads_recording = true}) {}
  std::string usage() const override {
    return "FILE [trace | stats [INTERVAL [COUNT]] | leaks | info | top] [OPTIONS]";
  }
  std::vector<Example> examples() const override {
    return {
        {"replay host.tdw --since 03:10 --until 03:15", "what happened at night, in local time"},
        {"replay host.tdw --since +90s --lport 443 --json",
         "from 90 s after its beginning, one service, as JSON"},
        {"replay host.tdw leaks --until 2026-11-21T03:12:05Z", "what was stuck at this moment"},
        {"replay host.tdw stats 1m --by owner", "tables as of stats"},
        {"replay host.tdw info", "host, time, size, losses, files"}};
  }
  void add_to(CLI::App& own, OptionTexts& texts) override {
    own.add_option("FILE", texts.replay, "The recording")->required()->type_name("");
    add_window_options(own, texts, "Print only what happened from T on",
                       "Print only what happened before T; stats, leaks: end then");
    add_command(own, texts, "trace", "Print it as trace does (the default)");
    stats_ = add_command(own, texts, "stats", "Print it as stats does");
    add_stats_options(*stats_, texts);
    leaks_ = add_command(own, texts, "leaks", "List what was stuck at --until, or at its end");
    add_leak_view_options(*leaks_, texts);
    info_ = add_command(own, texts, "info", "Print its host, time, size, losses and files");
    top_ = add_command(own, texts, "top", "Show it on a screen, and travel through its time");
    add_ascii_option(*top_, texts);
    for (CLI::App* each : {stats_, leaks_}) refuse_empty_values(*each);
    own.require_subcommand(0, 1);
  }
  Names refused(const OptionTexts&) const override {
    return with(recording_options(),
                {"--ready-file", "--no-accept", "--duration", "--ring-size", "--output-buffer"});
  }
  void read(const CLI::App& shared, const OptionTexts& texts, Options& options) override {
    options.recording = texts.replay;
    read_window(texts, options);
    if (stats_->parsed()) options.replay = Options::Replay::Stats;
    if (leaks_->parsed()) options.replay = Options::Replay::Leaks;
    if (info_->parsed()) options.replay = Options::Replay::Info;
    options.replays_top = top_->parsed();
    options.ascii = texts.ascii;
    if (options.replays_top)
      for (const char* option : {"--json", "--output", "--quiet"})
        if (shared.count(option) != 0) throw CLI::ValidationError(option, "does not go with top");
    if (options.replay != Options::Replay::Trace || options.replays_top)
      refuse_lines(shared, texts);
    read_stats_options(texts, options);
    read_leak_view(texts, options);
  }
  const CLI::App* described(const CLI::App& own) const override {
    for (const CLI::App* below : {stats_, leaks_, info_, top_})
      if (below->parsed()) return below;
    return &own;
  }

 private:
  // Options that choose among the lines of a trace, or that leave nothing to print.
  void refuse_lines(const CLI::App& shared, const OptionTexts& texts) const {
    const std::string what = stats_->parsed()   ? "stats"
                             : leaks_->parsed() ? "leaks"
                             : top_->parsed()   ? "top"
                                                : "info";
    for (const char* option : {"--only", "--min-dwell"})
      if (shared.count(option) != 0) throw CLI::ValidationError(option, "does not go with " + what);
    if (what != "stats" && !texts.since.empty())
      throw CLI::ValidationError("--since", "does not go with " + what);
    if ((what == "info" || what == "top") && !texts.until.empty())
      throw CLI::ValidationError("--until", "does not go with " + what);
  }
  // Commands below replay; owned by its CLI11 command.
  CLI::App *stats_ = nullptr, *leaks_ = nullptr, *info_ = nullptr, *top_ = nullptr;
};

}  // namespace

std::unique_ptr<CommandOptions> stats_options() { return std::make_unique<StatsOptions>(); }
std::unique_ptr<CommandOptions> leaks_options() { return std::make_unique<LeaksOptions>(); }
std::unique_ptr<CommandOptions> replay_options() { return std::make_unique<ReplayOptions>(); }

}  // namespace tcpdwell
