// SPDX-License-Identifier: Apache-2.0
// What is proposed for a word that does not exist.
#include "options/suggest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/command_line.h"

namespace tcpdwell {
namespace {

using namespace command_line;
using testing::HasSubstr;
using testing::Not;

TEST(Nearest, OneOrTwoTypingErrors) {
  const std::vector<std::string> words = {"trace", "stats", "leaks", "run", "record", "replay"};
  EXPECT_EQ(nearest("leask", words), "leaks") << "two letters swapped";
  EXPECT_EQ(nearest("stat", words), "stats");
  EXPECT_EQ(nearest("LEAKS", words), "leaks");
  EXPECT_EQ(nearest("recrod", words), "record");
  EXPECT_EQ(nearest("repplay", words), "replay");
  EXPECT_EQ(nearest("rum", words), "run");
}

TEST(Nearest, NothingIsBetterThanAGuess) {
  const std::vector<std::string> words = {"trace", "run", "-4"};
  for (const char* typed : {"watch", "ls", "", "xy", "r", "-5", "--", "tcpstates"})
    EXPECT_EQ(nearest(typed, words), "") << typed;
  EXPECT_EQ(nearest(std::string(100'000, 'x'), words), "");
  EXPECT_EQ(nearest("trace", {}), "");
}

TEST(DidYouMean, OptionsOfAllAndOfTheCommand) {
  EXPECT_THAT(error({"--lprt", "80"}), HasSubstr("not expected: --lprt 80. Did you mean --lport?"));
  EXPECT_THAT(error({"--lprt=80"}), HasSubstr("Did you mean --lport?"));
  EXPECT_THAT(error({"leaks", "--wach", "5"}), HasSubstr("Did you mean --watch?"));
  EXPECT_THAT(error({"--wach", "5"}), Not(HasSubstr("Did you mean"))) << "not one of trace";
  EXPECT_THAT(error({"--watch", "5"}), HasSubstr("It is an option of leaks"));
  EXPECT_THAT(error({"--exit-grace", "5"}), HasSubstr("It is an option of run"));
}

TEST(DidYouMean, Commands) {
  EXPECT_THAT(error({"tracer"}), HasSubstr("not expected: tracer. Did you mean trace?"));
  EXPECT_THAT(error({"leak"}), HasSubstr("Did you mean leaks?"));
  EXPECT_THAT(error({"replay", "f", "leak"}), HasSubstr("Did you mean leaks?"));
  EXPECT_THAT(error({"frobnicate"}), Not(HasSubstr("Did you mean")));
  EXPECT_THAT(error({"help", "laeks"}), HasSubstr("Did you mean leaks?"));
  EXPECT_THAT(error({"help", "cause"}), HasSubstr("Did you mean causes?"));
}

TEST(DidYouMean, StatesAndGroups) {
  EXPECT_THAT(error({"--state", "CLOSE_WIAT"}), HasSubstr("Did you mean CLOSE_WAIT?"));
  EXPECT_THAT(error({"--flag", "ACEPT=5s"}), HasSubstr("Did you mean ACCEPT?"));
  EXPECT_THAT(error({"--flag", "FINWAIT_3=5s"}), HasSubstr("Did you mean FIN_WAIT_"));
  EXPECT_THAT(error({"--flag", "CLOSE_WAIT=5x"}), Not(HasSubstr("Did you mean")));
  EXPECT_THAT(error({"stats", "--by", "onwer"}), HasSubstr("Did you mean owner?"));
  EXPECT_THAT(error({"--only", "flags"}), HasSubstr("Did you mean flag?"));
  const File config("prot = 80\n");
  EXPECT_THAT(error({"--config", config.path()}), HasSubstr("Did you mean --port?"));
}

TEST(UsualSlips, SayWhatToType) {
  EXPECT_THAT(error({"run", "ls", "-l"}),
              HasSubstr("Put -- before the command: tcpdwell run [OPTIONS] -- ls"));
  EXPECT_THAT(error({"run", "--flag", "CLOSE_WAIT=5s", "ls"}), HasSubstr("Put -- before"));
  EXPECT_THAT(error({"replay", "f", "--from", "03:12"}), HasSubstr("Use --since T"));
  EXPECT_THAT(error({"--interval", "5"}), HasSubstr("Use stats INTERVAL"));
  EXPECT_THAT(error({"--dport=80"}), HasSubstr("Use --rport P"));
}

}  // namespace
}  // namespace tcpdwell
