// SPDX-License-Identifier: Apache-2.0
#include "options/options.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "options/check_options.h"
#include "options/command_line.h"
#include "options/option_values.h"
#include "sinks/escape.h"
#include "util/version.h"

namespace tcpdwell {
namespace {

Filter filter_of(const Raw& raw, Verb verb) {
  if (raw.ipv4 && raw.ipv6) throw CLI::ExcludesError("-4", "-6");
  Filter filter;
  filter.ports = port_list("--port", raw.ports);
  filter.local_ports = port_list("--lport", raw.local_ports);
  filter.remote_ports = port_list("--rport", raw.remote_ports);
  filter.addrs = cidr_list(raw.addrs);
  filter.pids = pid_list(raw.pids);
  filter.states = state_set(raw.states);
  if (raw.ipv4) filter.family = Family::Ipv4;
  if (raw.ipv6) filter.family = Family::Ipv6;
  if (!raw.netns.empty()) filter.netns = netns_value(raw.netns);
  // Of a recording it may be another host's.
  if (!raw.cgroup.empty())
    filter.cgroup = verb == Verb::Replay ? raw.cgroup : cgroup_value(raw.cgroup);
  return filter;
}

Thresholds thresholds_of(const Raw& raw, Verb verb) {
  if (raw.no_flags && !raw.flags.empty()) throw CLI::ExcludesError("--flag", "--no-flags");
  if (raw.no_flags) return {};
  Thresholds thresholds =
      default_thresholds(verb == Verb::Run ? std::chrono::seconds{1} : std::chrono::seconds{60});
  if (verb == Verb::Stats) thresholds.accept.reset();
  for (const std::string& text : raw.flags) set_flag(text, thresholds);
  if (verb == Verb::Stats && thresholds.accept)
    throw CLI::ValidationError("--flag", "stats counts by state: it has no row for ACCEPT");
  return thresholds;
}

// Those that would do nothing.
std::vector<std::string> pointless_for(Verb verb, const Raw& raw) {
  const std::vector<std::string> recording = {"--record", "--max-size", "--rotate", "--zstd"};
  std::vector<std::string> pointless;
  const auto add = [&](std::initializer_list<const char*> more) {
    pointless.insert(pointless.end(), more.begin(), more.end());
  };
  const bool looks = verb == Verb::Leaks || verb == Verb::Run;
  if (verb == Verb::Stats || verb == Verb::Replay || looks) pointless = recording;
  if (verb == Verb::Stats || looks) add({"--only"});
  if (looks) add({"--ready-file", "--no-flags"});
  if (verb == Verb::Leaks) add({"--no-accept"});
  if (verb == Verb::Run || (verb == Verb::Leaks && raw.watch.empty())) add({"--duration"});
  if (verb == Verb::RecordOnly)
    add({"--record", "--json", "--only", "--state", "--color", "--output-buffer"});
  if (verb == Verb::Replay)
    add({"--ready-file", "--no-accept", "--duration", "--ring-size", "--output-buffer"});
  return pointless;
}

void check_recording(const CLI::App& app, Verb verb, const Raw& raw) {
  if (verb == Verb::Trace && raw.record.empty())
    for (const char* option : {"--max-size", "--rotate", "--zstd"})
      if (app.count(option) != 0) throw CLI::RequiresError(option, "--record FILE");
  std::error_code absent;
  if (!raw.record.empty() &&
      (raw.record == raw.output || std::filesystem::equivalent(raw.record, raw.output, absent)))
    throw CLI::ValidationError("--record", "is the same file as --output");
  if (verb == Verb::RecordOnly && raw.output.empty())
    throw CLI::RequiresError("record", "--output FILE");
  if (!raw.rotate.empty() && raw.max_size.empty())
    throw CLI::RequiresError("--rotate", "--max-size BYTES");
}

// An option that would do nothing is a mistake of whoever gave it.
void refuse_pointless(const CLI::App& app, Verb verb, bool is_stats, const Raw& raw) {
  if (!raw.mode.empty() && raw.output.empty() && raw.record.empty() && raw.ready_file.empty())
    throw CLI::RequiresError("--mode", "a file to be made: --output, --record or --ready-file");
  if (verb == Verb::Check) return refuse_pointless_for_check(app);
  for (const std::string& option : pointless_for(verb, raw))
    if (app.count(option) != 0)
      throw CLI::ValidationError(option, "does not go with " + std::string(name(verb)));
  if (is_stats && app.count("--only") != 0)
    throw CLI::ValidationError("--only", "does not go with stats");
  if (raw.json && !raw.histogram.empty())
    throw CLI::ValidationError("--histogram",
                               "is drawn for a terminal: it does not go with --json");
  check_recording(app, verb, raw);
}

// In an accept queue a connection may be in others, too, but not for long.
bool may_be_flagged(const Thresholds& thresholds, State state) {
  const bool queued = thresholds.accept && (state == State::Established ||
                                            state == State::CloseWait || state == State::Closed);
  return queued || thresholds.of[index(state)];
}

bool prints_flags_alone(const Options& options) {
  if (options.verb == Verb::Leaks || options.verb == Verb::Run) return true;
  return options.verb == Verb::Trace && options.only && options.only->flags &&
         !options.only->transitions && !options.only->connections;
}

// Options that leave nothing that can ever be printed.
void check_flags(const Options& options) {
  const Thresholds& thresholds = options.thresholds;
  if (const auto listen = thresholds.of[index(State::Listen)];
      listen && options.verb == Verb::Leaks &&
      (!options.watch || (options.duration && *options.duration <= *listen)))
    throw CLI::ValidationError("--flag",
                               "LISTEN can list nothing, as the kernel does not keep since when a "
                               "socket listens: add --watch D, and let it run for longer");
  if (!prints_flags_alone(options)) return;
  bool any = false, any_asked = false;
  for (std::size_t i = 1; i < kStates; ++i) {
    const bool may_be = may_be_flagged(thresholds, static_cast<State>(i));
    any = any || may_be;
    any_asked = any_asked || (may_be && options.filter.states.test(i));
  }
  if (!any) throw CLI::ValidationError("--only", "flag prints nothing with --no-flags");
  if (options.filter.states.any() && !any_asked)
    throw CLI::ValidationError("--state", "none of these has a threshold: add --flag STATE=D");
}

void add_run_values(Options& options, const Raw& raw) {
  options.user = raw.user;
  options.exit_grace = std::chrono::milliseconds{100};
  if (!raw.exit_grace.empty()) options.exit_grace = duration_value("--exit-grace", raw.exit_grace);
  if (!raw.leak_exit_code.empty())
    options.leak_exit_code = status_value("--leak-exit-code", raw.leak_exit_code);
}

void add_stats_values(Options& options, const Raw& raw) {
  StatsConfig& stats = options.stats;
  stats.states = options.filter.states;
  if (!raw.interval.empty()) stats.interval = duration_value("INTERVAL", raw.interval);
  if (!raw.count.empty()) options.intervals = count_value("COUNT", raw.count);
  if (!raw.by.empty()) stats.by = group_by_value(raw.by);
  if (!raw.rows.empty()) stats.rows = count_value("--rows", raw.rows);
  if (!raw.histogram.empty()) stats.histogram = dwell_state_value("--histogram", raw.histogram);
  if (stats.histogram && stats.states.any() && !stats.states.test(index(*stats.histogram)))
    throw CLI::ValidationError("--histogram", "its state is not among those of --state");
}

void add_record_values(Options& options, const Raw& raw) {
  options.recording = options.verb == Verb::RecordOnly ? raw.output
                      : options.verb == Verb::Replay   ? raw.replay
                                                       : raw.record;
  if (options.verb == Verb::RecordOnly) options.output.clear();
  options.compress = raw.zstd;
  if (!raw.max_size.empty()) options.max_size = recording_size_value(raw.max_size);
  if (!raw.rotate.empty()) options.rotate = rotate_value(raw.rotate);
  options.thresholds_given = raw.no_flags || !raw.flags.empty();
  options.max_connections_given = !raw.max_connections.empty();
}

Options options_of(const Raw& raw, Verb verb) {
  Options options{.verb = verb,
                  .json = raw.json,
                  .quiet = raw.quiet,
                  .verbose = raw.verbose,
                  .strict = raw.strict,
                  .accept = !raw.no_accept,
                  .duration = std::nullopt,
                  .output = raw.output,
                  .output_buffer = 0,
                  .ready_file = raw.ready_file,
                  .only = std::nullopt,
                  .filter = filter_of(raw, verb)};
  options.netns_path = netns_path(raw.netns);
  if (!raw.mode.empty()) options.files.mode = mode_value(raw.mode);
  options.thresholds = thresholds_of(raw, verb);
  if (raw.color == "always") options.color = Color::Always;
  if (raw.color == "never") options.color = Color::Never;
  if (!raw.duration.empty()) options.duration = duration_value("--duration", raw.duration);
  if (!raw.watch.empty()) options.watch = duration_value("--watch", raw.watch);
  if (!raw.only.empty()) options.only = kind_set(raw.only);
  if (!raw.output_buffer.empty()) options.output_buffer = output_buffer_value(raw.output_buffer);
  if (!raw.ring_size.empty()) options.ring_bytes = size_value("--ring-size", raw.ring_size);
  if (!raw.max_connections.empty())
    options.max_connections = count_value("--max-connections", raw.max_connections);
  add_stats_values(options, raw);
  add_run_values(options, raw);
  add_record_values(options, raw);
  return options;
}

// What stands behind "--" is the command of run, and no business of ours.
std::vector<std::string> split_command(int& argc, const char* const* argv) {
  const auto* const end = argv + argc;
  const auto* const dashes =
      std::find_if(argv, end, [](const char* word) { return std::string_view(word) == "--"; });
  if (dashes == end) return {};
  argc = static_cast<int>(dashes - argv);
  return {dashes + 1, end};
}

void check_command(const Options& options, bool dashes) {
  if (options.verb == Verb::Run && options.command.empty())
    throw CLI::ValidationError("run", "needs a command: tcpdwell run [OPTIONS] -- CMD [ARG...]");
  if (options.verb != Verb::Run && dashes)
    throw CLI::ValidationError("--", "a command goes with run only");
}

// What the options were read from is not written to.
void keep_safe(const std::string& path, FilePolicy& files) {
  struct stat info {};
  if (!path.empty() && ::stat(path.c_str(), &info) == 0) files.in_use.push_back(id_of(info));
}

// CLI11's words, but for those that do not say what they mean.
std::string usage_error(std::string_view text) {
  constexpr std::string_view kUnknownKey = "INI was not able to parse ";
  std::string line;
  if (text.starts_with(kUnknownKey)) {
    line = "--config: not an option: ";
    text.remove_prefix(kUnknownKey.size());
  }
  append_printable(line, text);  // one line, whatever the argument was
  return line + " (see tcpdwell --help)";
}

// Of a command: what is its own, and what it shares with all.
std::string help_of(CLI::App& app, const Commands& commands, const Raw& raw) {
  const Verb verb = verb_of(commands);
  if (verb == Verb::Trace)
    return app.get_formatter()->make_help(&app, app.get_name(), CLI::AppFormatMode::Normal);
  const CLI::App* command =
      commands.replay_stats->parsed() ? commands.replay_stats : commands[verb];
  if (verb == Verb::Check) hide_pointless_for_check(app);
  for (const std::string& option : pointless_for(verb, raw)) app.get_option(option)->group("");
  const CLI::Formatter format;
  return command->get_description() + "\n" + format.make_positionals(command) +
         format.make_groups(command, CLI::AppFormatMode::Normal) +
         "\nAnd those of all commands:\n" + format.make_groups(&app, CLI::AppFormatMode::Normal);
}

}  // namespace

std::variant<Options, Show, UsageError> parse_options(int argc, const char* const* argv) {
  CLI::App app(
      "Traces every TCP connection of this host through its states, with the time it "
      "really spent in each.",
      "tcpdwell");
  app.set_version_flag("--version", std::string("tcpdwell ") + version());
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.get_formatter()->column_width(34);
  Raw raw;
  const Commands commands = describe(app, raw);
  const int all = argc;
  std::vector<std::string> command = split_command(argc, argv);
  try {
    app.parse(argc, argv);
    const bool is_stats = commands[Verb::Stats]->parsed() || commands.replay_stats->parsed();
    refuse_pointless(app, verb_of(commands), is_stats, raw);
    Options options = options_of(raw, verb_of(commands));
    if (app.get_config_ptr()->count() != 0)
      keep_safe(app.get_config_ptr()->as<std::string>(), options.files);
    options.replays_stats = commands.replay_stats->parsed();
    options.command = std::move(command);
    check_flags(options);
    check_command(options, argc != all);
    return options;
  } catch (const CLI::CallForHelp&) {
    return Show{help_of(app, commands, raw)};
  } catch (const CLI::CallForVersion& version) {
    return Show{std::string(version.what()) + '\n'};
  } catch (const CLI::ParseError& error) {
    return UsageError{usage_error(error.what()), verb_of(commands)};
  }
}

}  // namespace tcpdwell
