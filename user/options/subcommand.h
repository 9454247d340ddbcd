// SPDX-License-Identifier: Apache-2.0
// A command of tcpdwell as the command line sees it: its name, its help, its options, and the
// function that runs it. user/commands/table.cpp has the table.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "model/types.h"

namespace CLI {
class App;
}

namespace tcpdwell {

struct Options;
struct OptionTexts;

// How the command treats what all commands share.
struct CommandRules {
  Nanos flag_after = std::chrono::seconds{60};  // default of CLOSE_WAIT, FIN_WAIT_2 and CLOSED
  bool flags_accept = true;                     // false: it refuses --flag ACCEPT=D
  bool reads_recording = false;                 // --cgroup may name a path of another host
  bool runs_command = false;                    // takes "-- CMD [ARG...]"
  int failure_status = 2;                       // exit status after a usage error or exception
};

struct Example {
  const char* line;  // without "tcpdwell"
  const char* what;
};

// The options of one command. One object parses one command line; a command with options of its own
// keeps their values in members and reads them from Options::own.
class CommandOptions {
 public:
  explicit CommandOptions(std::string help, CommandRules rules = {})
      : help_(std::move(help)), rules_(rules) {}
  virtual ~CommandOptions() = default;

  const std::string& help() const { return help_; }  // one sentence, without a full stop
  // What follows the name on the command line.
  virtual std::string usage() const { return "[OPTIONS]"; }
  virtual std::vector<Example> examples() const { return {}; }
  const CommandRules& rules() const { return rules_; }

  // Adds the command's own options to `own`.
  virtual void add_to(CLI::App& own, OptionTexts& texts);
  // Shared options that would do nothing: refused, and absent from the command's help.
  virtual std::vector<std::string> refused(const OptionTexts& texts) const;
  // Checks and stores the command's own values; the shared ones are in `options` already. `shared`
  // has the options that all commands share. Throws CLI::ParseError.
  virtual void read(const CLI::App& shared, const OptionTexts& texts, Options& options);
  // Whose help `tcpdwell NAME --help` prints: `own`, or a command below it.
  virtual const CLI::App* described(const CLI::App& own) const;

 private:
  std::string help_;
  CommandRules rules_;
};

struct Subcommand {
  const char* name;  // as a user types it
  std::unique_ptr<CommandOptions> (*make_options)();
  int (*run)(const Options& options);  // returns the exit status
};

// The options of the commands; a new command may define its own beside its run function.
std::unique_ptr<CommandOptions> trace_options();
std::unique_ptr<CommandOptions> stats_options();
std::unique_ptr<CommandOptions> leaks_options();
std::unique_ptr<CommandOptions> run_options();
std::unique_ptr<CommandOptions> check_options();
std::unique_ptr<CommandOptions> record_options();
std::unique_ptr<CommandOptions> replay_options();
std::unique_ptr<CommandOptions> top_options();

}  // namespace tcpdwell
