// SPDX-License-Identifier: Apache-2.0
// The texts of help: what each has, and that it fits a terminal.
#include "options/help.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "model/meanings.h"
#include "support/command_line.h"
#include "util/version.h"

namespace tcpdwell {
namespace {

using namespace command_line;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::vector<std::string> all_helps() {
  std::vector<std::string> helps = {shown({"--help"}), shown({"help", "states"}),
                                    shown({"help", "causes"}),
                                    shown({"replay", "f", "stats", "-h"})};
  for (const Subcommand& command : all_commands()) helps.push_back(shown({command.name, "--help"}));
  return helps;
}

TEST(Help, Fits80Columns) {
  for (const std::string& help : all_helps()) {
    std::istringstream lines(help);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(line.size(), 80U) << line;
      EXPECT_TRUE(line.empty() || line.back() != ' ') << line;
    }
  }
}

TEST(Help, OfACommandHasUsageOwnOptionsExamplesAndUnits) {
  for (const Subcommand& command : all_commands()) {
    const std::string help = shown({command.name, "--help"});
    EXPECT_THAT(help, testing::StartsWith("Usage: tcpdwell ")) << command.name;
    EXPECT_THAT(help, HasSubstr("\nExamples:\n")) << command.name;
    EXPECT_THAT(help, HasSubstr("a bare number is")) << command.name;
    EXPECT_GE(command.make_options()->examples().size(), 3U) << command.name;
  }
  const std::string leaks = shown({"leaks", "--help"});
  const auto own = leaks.find("Options of leaks:"), filters = leaks.find("Filters:");
  ASSERT_NE(own, std::string::npos);
  EXPECT_LT(own, leaks.find("--watch"));
  EXPECT_LT(leaks.find("--watch"), filters) << "its own options are first";
  EXPECT_THAT(leaks, Not(HasSubstr("--only")));
}

TEST(Help, ExamplesAreValid) {
  for (const Subcommand& command : all_commands())
    for (const Example& example : command.make_options()->examples()) {
      const auto parsed = parse(words_of(example.line));
      const auto* options = std::get_if<Options>(&parsed);
      const auto* error = std::get_if<UsageError>(&parsed);
      // Names of this host need not exist.
      const bool is_ok = options != nullptr || error->line.find("ip netns") != std::string::npos;
      EXPECT_TRUE(is_ok) << example.line << ": " << error->line;
      if (options != nullptr) {
        EXPECT_STREQ(options->subcommand->name, command.name);
      }
    }
}

TEST(Help, WordIsTheSameAsTheOption) {
  EXPECT_EQ(shown({"help"}), shown({"--help"}));
  EXPECT_EQ(shown({"help", "leaks"}), shown({"leaks", "--help"}));
  EXPECT_EQ(shown({"help", "replay"}), shown({"replay", "-h"}));
  EXPECT_EQ(shown({"-V"}), shown({"--version"}));
  EXPECT_EQ(shown({"-V"}), std::string("tcpdwell ") + version() + "\n");
}

TEST(Help, OfAllListsCommandsAndGroups) {
  const std::string help = shown({"--help"});
  for (const Subcommand& command : all_commands())
    EXPECT_THAT(help, HasSubstr("\n  " + std::string(command.name) + ' '));
  for (const char* group :
       {"Filters:", "Flags:", "Output:", "Tracing:", "Recording:", "Defaults and help:"})
    EXPECT_THAT(help, HasSubstr(std::string("\n") + group + '\n'));
}

TEST(HelpTopics, EveryStateAndCauseHasASentence) {
  const std::string states = shown({"help", "states"}), causes = shown({"help", "causes"});
  for (std::size_t i = 1; i < kStates; ++i) {
    const auto state = static_cast<State>(i);
    EXPECT_FALSE(meaning(state).empty());
    EXPECT_THAT(states, HasSubstr("\n  " + std::string(name(state)) + ' '));
  }
  for (auto i = static_cast<int>(Cause::None) + 1; i <= static_cast<int>(Cause::ConnectFailed);
       ++i) {
    const auto cause = static_cast<Cause>(i);
    EXPECT_FALSE(meaning(cause).empty() || remedy(cause).empty() || flag_of(cause).empty());
    EXPECT_THAT(causes, HasSubstr("\n  " + std::string(name(cause)) + ' '));
  }
}

TEST(HelpTopics, OneStateOrCause) {
  EXPECT_THAT(shown({"help", "close-wait"}), testing::StartsWith("  CLOSE_WAIT "));
  EXPECT_THAT(shown({"help", "eof_read"}), HasSubstr("Next: "));
  EXPECT_THAT(error({"help", "eof_raed"}), HasSubstr("Did you mean eof_read?"));
  EXPECT_THAT(error({"help", "CLOSE_WIAT"}), HasSubstr("Did you mean CLOSE_WAIT?"));
}

}  // namespace
}  // namespace tcpdwell
