// SPDX-License-Identifier: Apache-2.0
// Gives the options that the command line lacks their values from Defaults.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "options/command_line.h"
#include "options/defaults.h"

namespace tcpdwell {

class DefaultOptions {
 public:
  // `app` has parsed the line; `chosen` is its command. All must outlive this object.
  DefaultOptions(CLI::App& app, const CommandLine& commands, const OptionTexts& texts)
      : app_(app), commands_(commands), texts_(texts) {}

  // Options that the command refuses, or that would do nothing, keep no value. Throws
  // CLI::ParseError.
  void apply(const Defaults& defaults, bool with_files);

  const std::vector<DefaultsFile>& files() const { return files_; }
  // " (from SOURCE)" for the message of an error about an option that was given here; else empty.
  std::string source_in(const std::string& message) const;

 private:
  struct Given {
    std::string name;  // long, without dashes; or of one letter
    std::vector<std::string> values;
    std::string source;
  };
  void add_variables(const Defaults& defaults);
  void add_file(const std::string& path, const std::string& text);
  CLI::Option* find(const std::string& name) const;
  bool is_excluded(const std::string& name) const;
  bool does_nothing(const std::string& name) const;
  void give(const Given& given);

  CLI::App& app_;
  const CommandLine& commands_;
  const OptionTexts& texts_;
  std::vector<Given> given_;
  std::vector<DefaultsFile> files_;
  std::vector<std::string> on_line_;            // names of options that the line gives
  std::map<std::string, std::string> sources_;  // by name
};

}  // namespace tcpdwell
