// SPDX-License-Identifier: Apache-2.0
#include "app/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include "app/option_values.h"
#include "sinks/escape.h"

namespace tcpdwell {
namespace {

// What the command line says, before it is understood.
struct Raw {
  bool json = false, quiet = false, verbose = false, strict = false, no_accept = false;
  bool ipv4 = false, ipv6 = false;
  std::string duration, output, ready_file, cgroup, netns, ring_size, max_connections;
  std::string color = "auto";
  bool no_flags = false;
  std::vector<std::string> flags;
  std::string watch, user, leak_exit_code, exit_grace;
  std::string interval, count, by, rows, histogram;
  std::vector<std::string> only, ports, local_ports, remote_ports, addrs, pids, states;
};

void add_output_options(CLI::App& app, Raw& raw) {
  app.add_flag("-j,--json", raw.json, "NDJSON: one object a line");
  app.add_option("-o,--output", raw.output, "Write to FILE; reopened on SIGHUP")->type_name("FILE");
  app.add_option("--only", raw.only, "Print only these: transition, connection, flag")
      ->delimiter(',')
      ->type_name("KIND,...");
  app.add_option("--color", raw.color, "auto, always or never; NO_COLOR is honoured")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN");
  app.add_flag("-q,--quiet", raw.quiet, "No header, and no summary at the end");
  app.add_flag("-v,--verbose", raw.verbose, "Say what the kernel lets us see, and how");
}

void add_run_options(CLI::App& app, Raw& raw) {
  app.add_option("-d,--duration", raw.duration, "End after this time (30s, 2m30s)")->type_name("D");
  app.add_option("--ready-file", raw.ready_file, "Make FILE once everything is attached")
      ->type_name("FILE");
  app.add_flag("--strict", raw.strict, "Exit status 3 if any event was lost");
  app.add_flag("--no-accept", raw.no_accept,
               "Do not watch accept(): spares every system call of the host some 30 ns where "
               "the kernel cannot trace functions; the owners of accepted sockets stay unknown");
  app.add_option("--ring-size", raw.ring_size, "Of the event ring, rounded up to a power of two")
      ->type_name("BYTES");
  app.add_option("--max-connections", raw.max_connections,
                 "Beyond this the connections that were quiet the longest are forgotten")
      ->type_name("N");
  app.set_config("--config", "", "Read options from FILE (TOML, the long names)")
      ->type_name("FILE");
  app.allow_config_extras(CLI::config_extras_mode::error);
}

void add_filters(CLI::App& app, Raw& raw) {
  const auto list = [&](const char* name, std::vector<std::string>& into, const char* help,
                        const char* type) {
    app.add_option(name, into, help)->delimiter(',')->type_name(type)->group("Filters");
  };
  list("--port", raw.ports, "Local or remote port", "P,...");
  list("--lport", raw.local_ports, "Local port", "P,...");
  list("--rport", raw.remote_ports, "Remote port", "P,...");
  list("--addr", raw.addrs, "Local or remote address, or a block of them", "CIDR,...");
  app.add_flag("-4", raw.ipv4, "IPv4 only (v4-mapped too)")->group("Filters");
  app.add_flag("-6", raw.ipv6, "IPv6 only")->group("Filters");
  list("--pid", raw.pids, "Owner's process id", "P,...");
  app.add_option("--cgroup", raw.cgroup, "Owner's cgroup: this one or one below it")
      ->type_name("PATH")
      ->group("Filters");
  app.add_option("--netns", raw.netns, "Network namespace: inode number, self, or a path")
      ->type_name("NS")
      ->group("Filters");
  list("--state", raw.states, "Transitions that leave or enter one of these", "S,...");
}

void add_flags(CLI::App& app, Raw& raw) {
  app.add_option(
         "--flag", raw.flags,
         "Flag sockets that are in STATE for longer than D (repeatable; default: CLOSE_WAIT "
         "and FIN_WAIT_2 for 60s, run: 1s)")
      ->type_name("STATE=D");
  app.add_flag("--no-flags", raw.no_flags, "Flag nothing");
}

// The options of plain `tcpdwell` are those of every command, on either side of the word.
CLI::App* add_command(CLI::App& app, Raw& raw, const char* name, const char* help) {
  CLI::App* command = app.add_subcommand(name, help);
  command->fallthrough();
  // To CLI11 "-4" is a number, and does not fall through, where no flag of this name is.
  command->add_flag("-4", raw.ipv4)->group("");
  command->add_flag("-6", raw.ipv6)->group("");
  return command;
}

struct Commands {
  CLI::App *trace, *stats, *leaks, *run;
};

void add_stats_options(CLI::App& stats, Raw& raw) {
  stats
      .add_option("INTERVAL", raw.interval, "From one table to the next (250ms, 30s; default 10s)")
      ->type_name("");
  stats.add_option("COUNT", raw.count, "End after so many tables (default: go on)")->type_name("");
  stats
      .add_option("--by", raw.by,
                  "Group by state (default), lport, rport, remote, owner, cgroup or netns")
      ->type_name("WHAT");
  stats.add_option("--rows", raw.rows, "The busiest N groups; the rest is \"other\" (default 10)")
      ->type_name("N");
  stats.add_option("--histogram", raw.histogram, "Draw how long connections were in STATE")
      ->type_name("STATE");
}

Commands add_commands(CLI::App& app, Raw& raw) {
  Commands commands{};
  commands.trace = add_command(app, raw, "trace",
                               "Stream transitions, flags and finished connections (the default)");
  commands.stats = add_command(app, raw, "stats",
                               "tcpdwell stats [INTERVAL [COUNT]]: for each state how many entered "
                               "and left it, how many are in it now, and for how long they were");
  add_stats_options(*commands.stats, raw);
  commands.leaks = add_command(app, raw, "leaks",
                               "List the sockets that are stuck now, with the cause and who holds "
                               "them; exit status 1 if there are any");
  commands.leaks->add_option("--watch", raw.watch, "Repeat every D, with the growth per minute")
      ->type_name("D");
  commands.run = add_command(app, raw, "run",
                             "tcpdwell run [OPTIONS] -- CMD [ARG...]: runs CMD, says which sockets "
                             "it leaked");
  commands.run
      ->add_option("--leak-exit-code", raw.leak_exit_code,
                   "Exit status if CMD ended with 0 and leaked sockets (default 1)")
      ->type_name("N");
  commands.run
      ->add_option("--exit-grace", raw.exit_grace,
                   "A CLOSE_WAIT that lasted for D until nothing but the exit of its "
                   "process closed it is a leak (default 100ms)")
      ->type_name("D");
  commands.run->add_option("--user", raw.user, "Run CMD as this user")->type_name("NAME");
  app.require_subcommand(0, 1);
  return commands;
}

// An empty value is a variable of a script that is not set: a filter or a limit would be missing
// without a word.
void refuse_empty_values(CLI::App& app) {
  const CLI::Validator not_empty(
      [](const std::string& text) { return text.empty() ? "must not be empty" : std::string(); },
      "");
  for (CLI::Option* option : app.get_options())
    if (option->get_expected_min() > 0) option->check(not_empty);
}

Filter filter_of(const Raw& raw) {
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
  if (!raw.cgroup.empty()) filter.cgroup = cgroup_value(raw.cgroup);
  return filter;
}

Thresholds thresholds_of(const Raw& raw, Verb verb) {
  if (raw.no_flags && !raw.flags.empty()) throw CLI::ExcludesError("--flag", "--no-flags");
  if (raw.no_flags) return {};
  Thresholds thresholds =
      default_thresholds(verb == Verb::Run ? std::chrono::seconds{1} : std::chrono::seconds{60});
  for (const std::string& text : raw.flags) {
    const auto [state, threshold] = flag_value(text);
    thresholds.set(state, threshold);
  }
  return thresholds;
}

std::string_view name(Verb verb) {
  switch (verb) {
    case Verb::Trace: return "trace";
    case Verb::Stats: return "stats";
    case Verb::Leaks: return "leaks";
    case Verb::Run: return "run";
  }
  return "";
}

// An option that would do nothing is a mistake of whoever gave it.
void refuse_pointless(const CLI::App& app, Verb verb, const Raw& raw) {
  std::vector<std::string> pointless;
  if (verb != Verb::Trace) pointless = {"--only"};
  if (verb == Verb::Leaks || verb == Verb::Run)
    pointless.insert(pointless.end(), {"--ready-file", "--no-flags"});
  if (verb == Verb::Leaks) pointless.emplace_back("--no-accept");
  if (verb == Verb::Run || (verb == Verb::Leaks && raw.watch.empty()))
    pointless.emplace_back("--duration");
  for (const std::string& option : pointless)
    if (app.count(option) != 0)
      throw CLI::ValidationError(option, "does not go with " + std::string(name(verb)));
  if (raw.json && !raw.histogram.empty())
    throw CLI::ValidationError("--histogram",
                               "is drawn for a terminal: it does not go with --json");
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

Options options_of(const Raw& raw, Verb verb) {
  Options options{.verb = verb,
                  .json = raw.json,
                  .quiet = raw.quiet,
                  .verbose = raw.verbose,
                  .strict = raw.strict,
                  .accept = !raw.no_accept,
                  .duration = std::nullopt,
                  .output = raw.output,
                  .ready_file = raw.ready_file,
                  .only = std::nullopt,
                  .filter = filter_of(raw)};
  options.thresholds = thresholds_of(raw, verb);
  if (raw.color == "always") options.color = Color::Always;
  if (raw.color == "never") options.color = Color::Never;
  if (!raw.duration.empty()) options.duration = duration_value("--duration", raw.duration);
  if (!raw.watch.empty()) options.watch = duration_value("--watch", raw.watch);
  if (!raw.only.empty()) options.only = kind_set(raw.only);
  if (!raw.ring_size.empty()) options.ring_bytes = size_value("--ring-size", raw.ring_size);
  if (!raw.max_connections.empty())
    options.max_connections = count_value("--max-connections", raw.max_connections);
  add_stats_values(options, raw);
  add_run_values(options, raw);
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

Verb verb_of(const Commands& commands) {
  if (commands.stats->parsed()) return Verb::Stats;
  if (commands.leaks->parsed()) return Verb::Leaks;
  return commands.run->parsed() ? Verb::Run : Verb::Trace;
}

// Of a command: what is its own, and what it shares with all.
std::string help_of(const CLI::App& app, const Commands& commands) {
  const Verb verb = verb_of(commands);
  if (verb == Verb::Trace)
    return app.get_formatter()->make_help(&app, app.get_name(), CLI::AppFormatMode::Normal);
  const CLI::App* command = verb == Verb::Stats   ? commands.stats
                            : verb == Verb::Leaks ? commands.leaks
                                                  : commands.run;
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
  app.set_version_flag("--version", std::string("tcpdwell " TCPDWELL_VERSION));
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.get_formatter()->column_width(34);
  Raw raw;
  add_output_options(app, raw);
  add_run_options(app, raw);
  add_flags(app, raw);
  add_filters(app, raw);
  const Commands commands = add_commands(app, raw);
  refuse_empty_values(app);
  for (CLI::App* command : {commands.stats, commands.leaks, commands.run})
    refuse_empty_values(*command);
  const int all = argc;
  std::vector<std::string> command = split_command(argc, argv);
  try {
    app.parse(argc, argv);
    refuse_pointless(app, verb_of(commands), raw);
    Options options = options_of(raw, verb_of(commands));
    options.command = std::move(command);
    check_command(options, argc != all);
    return options;
  } catch (const CLI::CallForHelp&) {
    return Show{help_of(app, commands)};
  } catch (const CLI::CallForVersion& version) {
    return Show{std::string(version.what()) + '\n'};
  } catch (const CLI::ParseError& error) {
    return UsageError{usage_error(error.what()), verb_of(commands)};
  }
}

}  // namespace tcpdwell
