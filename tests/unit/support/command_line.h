// SPDX-License-Identifier: Apache-2.0
// Parses command lines for the tests of options: the result, or the one line of the error.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "commands/table.h"
#include "options/options.h"

// A separate namespace, since other tests have helpers with the same names.
namespace tcpdwell::command_line {

using Parsed = std::variant<Options, Show, UsageError>;

inline Parsed parse(const std::vector<std::string>& arguments) {
  std::vector<const char*> argv = {"tcpdwell"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  return parse_options(static_cast<int>(argv.size()), argv.data(), all_commands());
}

inline Options options(const std::vector<std::string>& arguments) {
  Parsed parsed = parse(arguments);
  if (const auto* error = std::get_if<UsageError>(&parsed)) ADD_FAILURE() << error->line;
  if (auto* options = std::get_if<Options>(&parsed)) return std::move(*options);
  ADD_FAILURE() << "no options";
  return {};
}

inline std::string command_of(const std::vector<std::string>& arguments) {
  const Options parsed = options(arguments);
  return parsed.subcommand ? parsed.subcommand->name : "";
}

inline std::string error(const std::vector<std::string>& arguments) {
  const Parsed parsed = parse(arguments);
  const auto* error = std::get_if<UsageError>(&parsed);
  if (!error) {
    ADD_FAILURE() << "accepted: " << testing::PrintToString(arguments);
    return "";
  }
  EXPECT_EQ(error->line.find('\n'), std::string::npos) << error->line;
  EXPECT_THAT(error->line, testing::HasSubstr("(see tcpdwell --help)"));
  return error->line;
}

inline std::string shown(const std::vector<std::string>& arguments) {
  const Parsed parsed = parse(arguments);
  const auto* show = std::get_if<Show>(&parsed);
  EXPECT_TRUE(show) << testing::PrintToString(arguments);
  return show ? show->text : "";
}

class File {
 public:
  explicit File(const std::string& content = "") {
    const int fd = ::mkstemp(path_.data());
    EXPECT_GE(fd, 0);
    ::close(fd);
    std::ofstream(path_) << content;
  }
  ~File() { std::filesystem::remove(path_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "options.XXXXXX").string();
};

}  // namespace tcpdwell::command_line
