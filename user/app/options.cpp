// SPDX-License-Identifier: Apache-2.0
#include "app/options.h"

#include <CLI/CLI.hpp>
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

// Plain `tcpdwell` is `tcpdwell trace`: the options are the same on either side of the word.
void add_trace(CLI::App& app, Raw& raw) {
  CLI::App* trace =
      app.add_subcommand("trace", "Stream transitions and finished connections (the default)");
  trace->fallthrough();
  // To CLI11 "-4" is a number, and does not fall through, where no flag of this name is.
  trace->add_flag("-4", raw.ipv4)->group("");
  trace->add_flag("-6", raw.ipv6)->group("");
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

Options options_of(const Raw& raw) {
  Options options{.json = raw.json,
                  .quiet = raw.quiet,
                  .verbose = raw.verbose,
                  .strict = raw.strict,
                  .accept = !raw.no_accept,
                  .duration = std::nullopt,
                  .output = raw.output,
                  .ready_file = raw.ready_file,
                  .only = std::nullopt,
                  .filter = filter_of(raw)};
  if (raw.color == "always") options.color = Color::Always;
  if (raw.color == "never") options.color = Color::Never;
  if (!raw.duration.empty()) options.duration = duration_value("--duration", raw.duration);
  if (!raw.only.empty()) options.only = kind_set(raw.only);
  if (!raw.ring_size.empty()) options.ring_bytes = size_value("--ring-size", raw.ring_size);
  if (!raw.max_connections.empty())
    options.max_connections = count_value("--max-connections", raw.max_connections);
  return options;
}

// CLI11's words, but for those that do not say what they mean.
UsageError usage_error(std::string_view text) {
  constexpr std::string_view kUnknownKey = "INI was not able to parse ";
  std::string line;
  if (text.starts_with(kUnknownKey)) {
    line = "--config: not an option: ";
    text.remove_prefix(kUnknownKey.size());
  }
  append_printable(line, text);  // one line, whatever the argument was
  return {line + " (see tcpdwell --help)"};
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
  add_filters(app, raw);
  add_trace(app, raw);
  refuse_empty_values(app);
  try {
    app.parse(argc, argv);
    return options_of(raw);
  } catch (const CLI::CallForHelp&) {
    // Not app.help(): behind "trace" that would be the help of a command without options.
    return Show{app.get_formatter()->make_help(&app, app.get_name(), CLI::AppFormatMode::Normal)};
  } catch (const CLI::CallForVersion& version) {
    return Show{std::string(version.what()) + '\n'};
  } catch (const CLI::ParseError& error) {
    return usage_error(error.what());
  }
}

}  // namespace tcpdwell
