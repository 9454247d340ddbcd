// SPDX-License-Identifier: Apache-2.0
#include "options/help.h"

#include <algorithm>
#include <string_view>

#include "model/dwell_order.h"
#include "model/meanings.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kWidth = 80, kIndent = 2, kColumn = 26;

constexpr Cause kCauses[] = {Cause::NotAccepted, Cause::DataUnread, Cause::Sending,
                             Cause::EofUnread,   Cause::EofRead,    Cause::HalfClosed,
                             Cause::Orphaned,    Cause::NotClosed,  Cause::ConnectFailed};

constexpr std::string_view kUnits =
    "D is a duration: 250ms, 30s, 2m30s, 1d (ns us ms s m h d); a bare number is "
    "seconds. BYTES: 65536, 64K, 16M, 1G. P: a port, a range (80-90) or a service "
    "(http). STATE: in any spelling of ss, netstat or the RFC (tcpdwell help states).";

// Appends `text`, broken at words. The line has `at` columns already; later ones begin at `indent`.
void append_wrapped(std::string& out, std::string_view text, std::size_t at, std::size_t indent) {
  bool first = true;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (!first && at + 1 + word.size() > kWidth) {
      out += '\n' + std::string(indent, ' ');
      at = indent;
    } else if (!first) {
      out += ' ';
      ++at;
    }
    out += word;
    at += word.size();
    first = false;
  }
  out += '\n';
}

// "  NAME      text", or the text below a long name.
void append_entry(std::string& out, const std::string& name, std::string_view text,
                  std::size_t column) {
  std::string begin = std::string(kIndent, ' ') + name;
  if (begin.size() + 2 > column)
    begin += '\n' + std::string(column, ' ');
  else
    begin.resize(column, ' ');
  out += begin;
  append_wrapped(out, text, column, column);
}

// "-d, --duration D"
std::string name_of(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name(true);
  std::string name;
  for (const std::string& each : option.get_snames()) name += (name.empty() ? "-" : ", -") + each;
  for (const std::string& each : option.get_lnames()) name += (name.empty() ? "--" : ", --") + each;
  const std::string type = option.get_expected_min() > 0 ? option.get_type_name() : std::string();
  return type.empty() ? name : name + ' ' + type;
}

bool is_help(const CLI::Option& option) { return option.check_lname("help"); }

// One group of the options of `app`; hidden options have no group. Each command has a --help of its
// own, listed once with those of all commands.
void append_group(std::string& out, const CLI::App& app, const std::string& group,
                  const std::string& title) {
  std::string entries;
  for (const CLI::Option* option : app.get_options())
    if (option->get_group() == group && (app.get_parent() == nullptr || !is_help(*option)))
      append_entry(entries, name_of(*option), option->get_description(), kColumn);
  if (!entries.empty()) out += '\n' + title + ":\n" + entries;
}

void append_groups(std::string& out, const CLI::App& app) {
  for (const std::string& group : app.get_groups())
    if (!group.empty()) append_group(out, app, group, group);
}

void append_commands(std::string& out, const CommandLine& commands) {
  out += "\nCommands:\n";
  for (const CommandLine::Entry& entry : commands.entries())
    append_entry(out, entry.subcommand->name, entry.options->help(), 11);
  append_entry(out, "help",
               "Print the help of a command (help leaks), or help states, help causes, help where",
               11);
}

void append_examples(std::string& out, const CommandOptions& options) {
  const auto examples = options.examples();
  if (examples.empty()) return;
  out += "\nExamples:\n";
  for (const Example& example : examples) {
    out += "  tcpdwell " + std::string(example.line) + "\n      ";
    append_wrapped(out, example.what, 6, 6);
  }
}

void append_state(std::string& out, State state) {
  append_entry(out, std::string(name(state)), meaning(state), 16);
}

void append_cause(std::string& out, Cause cause) {
  append_entry(out, std::string(name(cause)),
               std::string(flag_of(cause)) + ": " + std::string(meaning(cause)) +
                   ". Next: " + std::string(remedy(cause)),
               18);
}

std::string states_text() {
  std::string out = "The TCP states, in the order in which a connection passes them:\n\n";
  for (const State state : kDwellOrder) append_state(out, state);
  append_state(out, State::Closed);
  out += '\n';
  append_wrapped(out,
                 "--flag takes these, and ACCEPT: a connection that waits in an accept queue, "
                 "whatever its state. Any case is fine, and the spellings of ss (fin-wait-2, "
                 "estab), netstat (FIN_WAIT2) and the kernel (TCP_CLOSE).",
                 0, 0);
  return out;
}

std::string causes_text() {
  std::string out = "Why a socket is stuck; the first that fits:\n\n";
  for (const Cause cause : kCauses) append_cause(out, cause);
  return out;
}

std::string where_text() {
  std::string out = "What --where needs to name lines of code:\n\n";
  constexpr std::size_t kNames = 16;
  append_entry(out, "C, C++, Rust",
               "Debug information (-g), in the program or in a file of the same build id that "
               "--symbols DIR finds. No frame pointers",
               kNames);
  append_entry(out, "Go", "Nothing, also if it was stripped", kNames);
  append_entry(out, "Python", "CPython 3.11 to 3.14: nothing", kNames);
  append_entry(out, "node",
               "Start it with NODE_OPTIONS='--perf-basic-prof --interpreted-frames-native-stack', "
               "or by tcpdwell run --where=jit. It shows functions, and where they begin",
               kNames);
  append_entry(out, "Java",
               "Start it with -XX:+PreserveFramePointer, and later: jcmd PID Compiler.perfmap (JDK "
               "17 on). It shows methods that the JVM has compiled by then, without lines",
               kNames);
  out += '\n';
  append_wrapped(out,
                 "An event loop (asyncio, node, libevent) reads the end of stream in a line of its "
                 "own, and the text says so: look at where the socket was opened. A thread that "
                 "waits in epoll_wait() is the loop, too. --where=short leaves out directories. "
                 "More: docs/where.md.",
                 0, 0);
  return out;
}

}  // namespace

std::string help_of(CLI::App& app, const CommandLine& commands, const OptionTexts& texts) {
  const CommandLine::Entry& command = commands.chosen();
  const bool is_first = &command == &commands.first();
  const CLI::App* described = command.options->described(*command.app);
  const std::string name = command.subcommand->name;
  std::string out = "Usage: tcpdwell ";
  append_wrapped(out, is_first ? "[COMMAND] [OPTIONS]" : name + ' ' + command.options->usage(), 16,
                 9);
  out += '\n';
  append_wrapped(out, is_first ? app.get_description() : command.options->help() + '.', 0, 0);
  if (is_first) append_commands(out, commands);
  for (const std::string& option : command.options->refused(texts))
    app.get_option(option)->group("");
  append_group(out, *described, "Options", "Options of " + name);
  for (const CLI::App* below : described->get_subcommands({}))
    append_group(out, *below, "Options", "Options of " + name + " " + below->get_name());
  append_groups(out, app);
  append_examples(out, *command.options);
  out += '\n';
  append_wrapped(out, kUnits, 0, 0);
  return out;
}

std::optional<std::string> help_topic(const std::string& topic) {
  if (topic == "states") return states_text();
  if (topic == "causes") return causes_text();
  if (topic == "where") return where_text();
  std::string text;
  if (const auto state = parse_state(topic)) append_state(text, *state);
  for (const Cause cause : kCauses)
    if (name(cause) == topic) append_cause(text, cause);
  return text.empty() ? std::nullopt : std::optional(text);
}

std::vector<std::string> help_topics() {
  std::vector<std::string> topics = {"states", "causes", "where"};
  for (std::size_t i = 1; i < kStates; ++i) topics.emplace_back(name(static_cast<State>(i)));
  for (const Cause cause : kCauses) topics.emplace_back(name(cause));
  return topics;
}

}  // namespace tcpdwell
