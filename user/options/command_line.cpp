// SPDX-License-Identifier: Apache-2.0
#include "options/command_line.h"

#include <algorithm>

namespace tcpdwell {
namespace {

void add_output_options(CLI::App& app, Raw& raw) {
  app.add_flag("-j,--json", raw.json, "NDJSON: one object a line");
  app.add_option("-o,--output", raw.output, "Write to FILE; reopened on SIGHUP")->type_name("FILE");
  app.add_option(
         "--mode", raw.mode,
         "Permissions of the files that are made: -o, --record, --ready-file (default 0600)")
      ->type_name("OCTAL");
  app.add_option("--output-buffer", raw.output_buffer,
                 "Buffer for a slow disk or reader; if it is full, whole lines are dropped and "
                 "counted (64K to 1G; default: a 64th of the memory)")
      ->type_name("BYTES");
  app.add_option("--only", raw.only, "Print only these: transition, connection, flag")
      ->delimiter(',')
      ->type_name("KIND,...");
  app.add_option("--color", raw.color, "auto, always or never; NO_COLOR is honoured")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN");
  app.add_flag("-q,--quiet", raw.quiet, "No header, and no summary at the end");
  app.add_flag("-v,--verbose", raw.verbose,
               "Say what the kernel lets us see, and how, and what it is asked");
}

void add_run_options(CLI::App& app, Raw& raw) {
  app.add_option("-d,--duration", raw.duration, "End after this time (30s, 2m30s)")->type_name("D");
  app.add_option("--ready-file", raw.ready_file, "Make FILE once everything is attached")
      ->type_name("FILE");
  app.add_flag("--strict", raw.strict, "Exit status 3 if any event was lost");
  app.add_flag("--no-accept", raw.no_accept,
               "Do not watch accept(): spares every system call of the host some 30 ns where "
               "the kernel cannot trace functions; the owners of accepted sockets stay unknown");
  app.add_option("--ring-size", raw.ring_size, "Of both event rings, rounded up to a power of two")
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
  app.add_option(
         "--netns", raw.netns,
         "Network namespace: a name as `ip netns` lists it, a path, an inode number, or self")
      ->type_name("NS")
      ->group("Filters");
  list("--state", raw.states, "Transitions that leave or enter one of these", "S,...");
}

void add_flags(CLI::App& app, Raw& raw) {
  app.add_option(
         "--flag", raw.flags,
         "Flag sockets that are in STATE, in an accept queue (ACCEPT), or still held after their "
         "end "
         "(CLOSED) for longer than D (repeatable; default: CLOSE_WAIT, FIN_WAIT_2 and CLOSED for "
         "60s, ACCEPT for 10s; run: 1s)")
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

void add_record_options(CLI::App& app, Raw& raw) {
  const auto add = [&](const char* name, std::string& into, const char* help, const char* type) {
    app.add_option(name, into, help)->type_name(type)->group("Recording");
  };
  add("--record", raw.record, "trace: keep the raw events of this run, too, for replay", "FILE");
  add("--max-size", raw.max_size, "At that size the recording is over, or rotated", "BYTES");
  add("--rotate", raw.rotate,
      "At --max-size begin a new file, and keep N older ones (FILE.1 and so on)", "N");
  app.add_flag("--zstd", raw.zstd, "Compress the recording")->group("Recording");
}

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

// The only way to make one that verb_of() tells: its word is the verb's name.
CLI::App& add_command(CLI::App& app, Raw& raw, Commands& commands, Verb verb, const char* help) {
  CLI::App* command = add_command(app, raw, std::string(name(verb)).c_str(), help);
  commands.all.emplace_back(verb, command);
  return *command;
}

void add_record_commands(CLI::App& app, Raw& raw, Commands& commands) {
  add_command(app, raw, commands, Verb::RecordOnly,
              "Keep the raw events in a file (-o FILE), for replay; print none");
  CLI::App& replay = add_command(app, raw, commands, Verb::Replay,
                                 "tcpdwell replay FILE [trace | stats [INTERVAL [COUNT]]]: what a "
                                 "recording has, as the run that made it would have printed it; "
                                 "needs no root");
  replay.add_option("FILE", raw.replay, "The recording")->required()->type_name("");
  add_command(replay, raw, "trace", "As trace (the default)");
  commands.replay_stats = add_command(replay, raw, "stats", "As stats");
  add_stats_options(*commands.replay_stats, raw);
  replay.require_subcommand(0, 1);
}

void add_run_command(CLI::App& app, Raw& raw, Commands& commands) {
  CLI::App& run =
      add_command(app, raw, commands, Verb::Run,
                  "tcpdwell run [OPTIONS] -- CMD [ARG...]: runs CMD, says which sockets "
                  "it leaked");
  run.add_option("--leak-exit-code", raw.leak_exit_code,
                 "Exit status if CMD ended with 0 and leaked sockets (default 1)")
      ->type_name("N");
  run.add_option("--exit-grace", raw.exit_grace,
                 "A CLOSE_WAIT that lasted for D until nothing but the exit of its "
                 "process closed it is a leak (default 100ms)")
      ->type_name("D");
  run.add_option("--user", raw.user, "Run CMD as this user")->type_name("NAME");
}

Commands add_commands(CLI::App& app, Raw& raw) {
  Commands commands;
  add_command(app, raw, commands, Verb::Trace,
              "Stream transitions, flags and finished connections (the default)");
  add_stats_options(
      add_command(app, raw, commands, Verb::Stats,
                  "tcpdwell stats [INTERVAL [COUNT]]: for each state how many entered "
                  "and left it, how many are in it now, and for how long they were"),
      raw);
  add_command(app, raw, commands, Verb::Leaks,
              "List the sockets that are stuck now, with the cause and who holds "
              "them; exit status 1 if there are any")
      .add_option("--watch", raw.watch, "Repeat every D, with the growth per minute")
      ->type_name("D");
  add_run_command(app, raw, commands);
  add_command(app, raw, commands, Verb::Check,
              "Say whether and how exactly this host can be traced, and what its "
              "TCP sysctls (of --netns) mean; with --quiet only what is amiss. Exit "
              "status 2 if it cannot");
  add_record_commands(app, raw, commands);
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

}  // namespace

Commands describe(CLI::App& app, Raw& raw) {
  add_output_options(app, raw);
  add_run_options(app, raw);
  add_flags(app, raw);
  add_filters(app, raw);
  add_record_options(app, raw);
  Commands commands = add_commands(app, raw);
  refuse_empty_values(app);
  for (const auto& [verb, command] : commands.all) refuse_empty_values(*command);
  refuse_empty_values(*commands.replay_stats);
  return commands;
}

CLI::App* Commands::operator[](Verb verb) const {
  const auto it = std::find_if(all.begin(), all.end(),
                               [verb](const auto& command) { return command.first == verb; });
  return it == all.end() ? nullptr : it->second;
}

Verb verb_of(const Commands& commands) {
  const auto& all = commands.all;
  const auto it = std::find_if(all.begin(), all.end(),
                               [](const auto& command) { return command.second->parsed(); });
  return it == all.end() ? Verb::Trace : it->first;
}

std::string_view name(Verb verb) {
  switch (verb) {
    case Verb::Trace: return "trace";
    case Verb::Stats: return "stats";
    case Verb::Leaks: return "leaks";
    case Verb::Run: return "run";
    case Verb::Check: return "check";
    case Verb::RecordOnly: return "record";
    case Verb::Replay: return "replay";
  }
  return "";
}

}  // namespace tcpdwell
