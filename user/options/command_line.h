// SPDX-License-Identifier: Apache-2.0
// The command line before its values are checked: names, help and texts. Only this folder and
// commands with options of their own include it.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "options/filter_words.h"
#include "options/subcommand.h"

namespace tcpdwell {

// Option values as given. Empty: not given.
struct OptionTexts {
  bool json = false, quiet = false, verbose = false, strict = false, no_accept = false;
  bool no_config = false;
  std::string duration, output, output_buffer, ready_file, ring_size, max_connections;
  std::string color = "auto", time = "local";
  bool no_flags = false;
  std::vector<std::string> flags;
  std::string watch, scans, growth, leak_order, leak_top, leak_count;
  std::string user, leak_exit_code, exit_grace;
  std::string since, until;
  std::string interval, count, by, rows, histogram;
  bool buckets = false;
  std::string record, replay, max_size, rotate;
  bool zstd = false;
  std::string mode, delay;
  bool ascii = false;
  std::vector<std::string> only;
  FilterTexts filters;
};

// The commands of one command line, in the order of the table.
class CommandLine {
 public:
  struct Entry {
    const Subcommand* subcommand;
    std::shared_ptr<CommandOptions> options;
    CLI::App* app;
  };

  // Adds the shared options and one CLI11 command for each row of `table`. `app`, `texts` and
  // `table` must outlive it.
  CommandLine(CLI::App& app, OptionTexts& texts, std::span<const Subcommand> table);

  // Once `app` has parsed: the command of the line, or the first of the table if the line names
  // none. Throws std::logic_error for a command that the table lacks.
  const Entry& chosen() const;
  // The words of the command line. Adds the name of the default command if none is named, and a
  // word is an option that only the commands have.
  std::vector<const char*> with_command(int argc, const char* const* argv) const;
  const Entry& first() const { return entries_.front(); }
  std::span<const Entry> entries() const { return entries_; }
  CLI::App* find(const std::string& name) const;  // nullptr: no such command

 private:
  const CLI::App& app_;
  std::vector<Entry> entries_;
};

// A command below `app`. The shared options may stand before or after its word.
CLI::App* add_command(CLI::App& app, OptionTexts& texts, const std::string& name,
                      const std::string& help);
// An empty value is usually an unset variable of a script, which would drop a filter in silence.
void refuse_empty_values(CLI::App& app);

}  // namespace tcpdwell
