// SPDX-License-Identifier: Apache-2.0
// The options of leaks and run, and which of the others make sense with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/command_line.h"

namespace tcpdwell {
namespace {

using namespace command_line;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

int status_of_error(const std::vector<std::string>& arguments) {
  const Parsed parsed = parse(arguments);
  const auto* error = std::get_if<UsageError>(&parsed);
  EXPECT_TRUE(error) << testing::PrintToString(arguments);
  return error ? error->status : -1;
}

TEST(LeaksOptions, Defaults) {
  const Options leaks = options({"leaks"});
  EXPECT_STREQ(leaks.subcommand->name, "leaks");
  EXPECT_EQ(leaks.watch, std::nullopt);
  EXPECT_THAT(leaks.command, IsEmpty());
}

TEST(LeaksOptions, SharedOptionsStandOnEitherSide) {
  const Options leaks = options({"-j", "leaks", "--port", "80", "-4", "-q"});
  EXPECT_STREQ(leaks.subcommand->name, "leaks");
  EXPECT_TRUE(leaks.json && leaks.quiet);
  EXPECT_THAT(leaks.filter.ports, ElementsAre(80));
  EXPECT_EQ(leaks.filter.family, Family::Ipv4);
}

TEST(LeaksOptions, Watch) {
  EXPECT_EQ(options({"leaks", "--watch", "5s"}).watch, 5s);
  EXPECT_EQ(options({"leaks", "--watch=2m", "-d", "1h"}).duration, 1h) << "it may end";
  for (const char* value : {"0", "5x", "-1", "fast"})
    EXPECT_THAT(error({"leaks", "--watch", value}),
                StartsWith("--watch: \"" + std::string(value) + "\" is not a duration"));
  EXPECT_THAT(error({"leaks", "--watch", ""}), HasSubstr("--watch: must not be empty"));
  EXPECT_THAT(error({"leaks", "--watch"}), StartsWith("--watch: "));
}

TEST(LeaksOptions, RefusesOptionsWithoutEffect) {
  const std::vector<std::vector<std::string>> pointless = {{"--ready-file", "/r"},
                                                           {"--only", "flag"},
                                                           {"--no-flags"},
                                                           {"--no-accept"},
                                                           {"--duration", "5s"}};
  for (const std::vector<std::string>& option : pointless) {
    std::vector<std::string> before = option, after = {"leaks"};
    before.emplace_back("leaks");
    after.insert(after.end(), option.begin(), option.end());
    for (const auto& arguments : {before, after})
      EXPECT_THAT(error(arguments), StartsWith(option[0] + ": does not go with leaks"))
          << testing::PrintToString(arguments);
  }
}

TEST(RunOptions, Defaults) {
  const Options run = options({"run", "--", "true"});
  EXPECT_STREQ(run.subcommand->name, "run");
  EXPECT_THAT(run.command, ElementsAre("true"));
  EXPECT_EQ(run.user, "");
  EXPECT_EQ(run.leak_exit_code, 1);
  EXPECT_EQ(run.exit_grace, 100ms);
}

TEST(RunOptions, ParsesEachOption) {
  const Options run = options({"-j", "run", "--user", "nobody", "--leak-exit-code=0",
                               "--exit-grace", "2s", "-o", "/o", "--", "true"});
  EXPECT_TRUE(run.json);
  EXPECT_EQ(run.output, "/o");
  EXPECT_EQ(run.user, "nobody");
  EXPECT_EQ(run.leak_exit_code, 0);
  EXPECT_EQ(run.exit_grace, 2s);
  EXPECT_EQ(options({"run", "--leak-exit-code", "255", "--", "true"}).leak_exit_code, 255);
}

TEST(RunOptions, DoesNotParseTheCommand) {
  EXPECT_THAT(options({"run", "--", "sh", "-c", "exit 1", "--json", "--port", "x", ""}).command,
              ElementsAre("sh", "-c", "exit 1", "--json", "--port", "x", ""));
  EXPECT_FALSE(options({"run", "--", "sh", "--json"}).json);
  EXPECT_THAT(options({"run", "--", "--help"}).command, ElementsAre("--help"));
  EXPECT_THAT(options({"run", "--", "git", "log", "--", "dev"}).command,
              ElementsAre("git", "log", "--", "dev"))
      << "only the first is ours";
  EXPECT_THAT(options({"run", "--", "leaks"}).command, ElementsAre("leaks"));
}

TEST(RunOptions, ACommandIsNeeded) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"run"}, {"run", "--"}, {"-j", "run", "-q", "--"}})
    EXPECT_THAT(error(arguments), StartsWith("run: needs a command: tcpdwell run"));
  EXPECT_THAT(error({"run", "true"}), HasSubstr("true")) << "without dashes";
}

TEST(RunOptions, ACommandGoesWithRunOnly) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--", "true"}, {"trace", "--", "true"}, {"leaks", "--"}})
    EXPECT_THAT(error(arguments), StartsWith("--: a command goes with run only"));
}

TEST(RunOptions, BadValuesAreNamed) {
  for (const char* value : {"256", "-1", "x", "1.0", "0x1", "99999999999999999999"})
    EXPECT_THAT(
        error({"run", "--leak-exit-code", value, "--", "true"}),
        StartsWith("--leak-exit-code: \"" + std::string(value) + "\" is not an exit status"));
  for (const char* value : {"0", "5x", "soon"})
    EXPECT_THAT(error({"run", "--exit-grace", value, "--", "true"}),
                StartsWith("--exit-grace: \"" + std::string(value) + "\" is not a duration"));
  for (const char* option : {"--user", "--leak-exit-code", "--exit-grace"}) {
    EXPECT_THAT(error({"run", option, "", "--", "true"}),
                StartsWith(std::string(option) + ": must not be empty"));
    EXPECT_THAT(error({"run", option, "--", "true"}), StartsWith(std::string(option) + ": "))
        << "its value does not stand behind the dashes";
  }
}

TEST(RunOptions, RefusesOptionsWithoutEffect) {
  const std::vector<std::vector<std::string>> pointless = {
      {"--ready-file", "/r"}, {"--only", "flag"}, {"--no-flags"}, {"--duration", "5s"}};
  for (const std::vector<std::string>& option : pointless) {
    std::vector<std::string> arguments = {"run"};
    arguments.insert(arguments.end(), option.begin(), option.end());
    arguments.insert(arguments.end(), {"--", "true"});
    EXPECT_THAT(error(arguments), StartsWith(option[0] + ": does not go with run"));
  }
  EXPECT_FALSE(options({"run", "--no-accept", "--", "true"}).accept) << "it spares the command";
}

TEST(CommandOptions, OfOneAreNotOfAnother) {
  for (const char* option : {"--user", "--leak-exit-code", "--exit-grace"}) {
    EXPECT_THAT(error({"leaks", option, "1"}), HasSubstr(option));
    EXPECT_THAT(error({option, "1"}), HasSubstr(option));
  }
  EXPECT_THAT(error({"run", "--watch", "1", "--", "true"}), HasSubstr("--watch"));
  EXPECT_THAT(error({"--watch", "1"}), HasSubstr("--watch"));
  EXPECT_THAT(error({"leaks", "run", "--", "true"}), HasSubstr("run"));
}

TEST(CommandOptions, AnErrorKnowsItsCommand) {
  EXPECT_EQ(status_of_error({"run", "--prot", "--", "true"}), 125);
  EXPECT_EQ(status_of_error({"run", "--exit-grace", "0", "--", "true"}), 125);
  EXPECT_EQ(status_of_error({"run"}), 125);
  EXPECT_EQ(status_of_error({"leaks", "--watch", "0"}), 2);
  EXPECT_EQ(status_of_error({"--prot"}), 2);
}

TEST(CommandHelp, HasItsOwnOptionsAndThoseOfAll) {
  const std::string leaks = shown({"leaks", "--help"}), run = shown({"run", "-h"});
  EXPECT_THAT(leaks, HasSubstr("--watch"));
  EXPECT_THAT(leaks, testing::Not(HasSubstr("--exit-grace")));
  for (const char* option : {"--user", "--leak-exit-code", "--exit-grace"})
    EXPECT_THAT(run, HasSubstr(option));
  for (const std::string& help : {leaks, run}) {
    EXPECT_THAT(help, HasSubstr("--json"));
    EXPECT_THAT(help, HasSubstr("--flag"));
  }
}

}  // namespace
}  // namespace tcpdwell
