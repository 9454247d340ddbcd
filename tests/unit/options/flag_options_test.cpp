// SPDX-License-Identifier: Apache-2.0
// --flag and --no-flags: how long which state may last.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/command_line.h"

namespace tcpdwell {
namespace {

using namespace command_line;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

// "CLOSED=60000 CLOSE_WAIT=60s FIN_WAIT_2=60s ACCEPT=10000 orphan=65s", in the order of State
std::string thresholds(const std::vector<std::string>& arguments) {
  const Thresholds all = options(arguments).thresholds;
  std::string text;
  const auto add = [&](std::string_view what, std::optional<Nanos> threshold) {
    if (!threshold) return;
    text +=
        (text.empty() ? "" : " ") + std::string(what) + '=' +
        std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(*threshold).count());
  };
  for (std::size_t i = 1; i < kStates; ++i) add(name(static_cast<State>(i)), all.of[i]);
  add("ACCEPT", all.accept);
  add("orphan", all.orphan);
  return text;
}

TEST(FlagOption, Defaults) {
  EXPECT_EQ(thresholds({}),
            "FIN_WAIT_2=60000 CLOSED=60000 CLOSE_WAIT=60000 ACCEPT=10000 orphan=65000");
  EXPECT_EQ(thresholds({"leaks"}),
            "FIN_WAIT_2=60000 CLOSED=60000 CLOSE_WAIT=60000 ACCEPT=10000 orphan=65000");
  EXPECT_EQ(thresholds({"run", "--", "true"}),
            "FIN_WAIT_2=1000 CLOSED=1000 CLOSE_WAIT=1000 ACCEPT=1000 orphan=65000");
}

TEST(FlagOption, TakesEverySpellingOfAState) {
  for (const char* state :
       {"CLOSE_WAIT", "close-wait", "Close-Wait", "CLOSEWAIT", "TCP_CLOSE_WAIT"})
    EXPECT_EQ(thresholds({"--flag", std::string(state) + "=5s"}),
              "FIN_WAIT_2=60000 CLOSED=60000 CLOSE_WAIT=5000 ACCEPT=10000 orphan=65000")
        << state;
  EXPECT_EQ(
      thresholds({"--flag", "syn-recv=5s"}),
      "SYN_RECEIVED=5000 FIN_WAIT_2=60000 CLOSED=60000 CLOSE_WAIT=60000 ACCEPT=10000 orphan=65000");
  EXPECT_EQ(thresholds({"--flag", "estab=1h"}),
            "ESTABLISHED=3600000 FIN_WAIT_2=60000 CLOSED=60000 CLOSE_WAIT=60000 ACCEPT=10000 "
            "orphan=65000");
}

TEST(FlagOption, TakesEverySpellingOfADuration) {
  for (const auto& [duration, wanted] :
       {std::pair{"250ms", "250"}, {"5", "5000"}, {"2m30s", "150000"}, {"1h", "3600000"}})
    EXPECT_EQ(thresholds({"--flag", std::string("CLOSE_WAIT=") + duration}),
              "FIN_WAIT_2=60000 CLOSED=60000 CLOSE_WAIT=" + std::string(wanted) +
                  " ACCEPT=10000 orphan=65000");
}

TEST(FlagOption, OfFinWait2HoldsForOrphansToo) {
  EXPECT_EQ(thresholds({"--flag", "FIN_WAIT_2=5s"}),
            "FIN_WAIT_2=5000 CLOSED=60000 CLOSE_WAIT=60000 ACCEPT=10000 orphan=5000");
  EXPECT_EQ(thresholds({"run", "--flag", "fin_wait2=5s", "--", "true"}),
            "FIN_WAIT_2=5000 CLOSED=1000 CLOSE_WAIT=1000 ACCEPT=1000 orphan=5000");
}

TEST(FlagOption, MayBeRepeated) {
  EXPECT_EQ(
      thresholds({"--flag", "CLOSE_WAIT=5", "--flag=LAST_ACK=6"}),
      "FIN_WAIT_2=60000 CLOSED=60000 CLOSE_WAIT=5000 LAST_ACK=6000 ACCEPT=10000 orphan=65000");
  EXPECT_EQ(thresholds({"--flag", "CLOSE_WAIT=5", "trace", "--flag", "CLOSE_WAIT=7"}),
            "FIN_WAIT_2=60000 CLOSED=60000 CLOSE_WAIT=7000 ACCEPT=10000 orphan=65000")
      << "the last word counts";
}

TEST(FlagOption, BadValuesAreNamed) {
  for (const char* value :
       {"CLOSE_WAIT", "=5s", "5s", "FIN_WAIT_3=5s", "ACCEPTED=5s", "CLOSE_WAIT:5s", "=", " =5"})
    EXPECT_THAT(error({"--flag", value}),
                StartsWith("--flag: \"" + std::string(value) +
                           "\" is not a state, or ACCEPT, and a duration"));
  for (const char* duration : {"", "0", "0ms", "5x", "-5", "=5", "1.5s", "5s,LAST_ACK=5s", " 5"})
    EXPECT_THAT(error({"--flag", std::string("CLOSE_WAIT=") + duration}),
                StartsWith("--flag: \"" + std::string(duration) + "\" is not a duration"));
  EXPECT_THAT(error({"--flag"}), StartsWith("--flag: "));
  EXPECT_THAT(error({"--flag", ""}), StartsWith("--flag: "));
  EXPECT_THAT(error({"--flag", "CLOSE_WAIT=5", "--flag", "x"}), HasSubstr("\"x\""));
}

TEST(FlagOption, RefusesTooLongDurations) {
  // Added to a time since boot it would be a time before it, and each socket be due at once.
  EXPECT_THAT(error({"--flag", "CLOSE_WAIT=2562047h"}), StartsWith("--flag: \"2562047h\""));
  EXPECT_THAT(error({"-d", "2562047h"}), StartsWith("--duration: \"2562047h\""));
  EXPECT_EQ(options({"--flag", "CLOSE_WAIT=100000h"}).thresholds.of[index(State::CloseWait)],
            100000h);
}

TEST(FlagOption, ComesFromAFileToo) {
  const File file("flag = [\"CLOSE_WAIT=5s\", \"LAST_ACK=6s\"]\n");
  EXPECT_EQ(
      thresholds({"--config", file.path()}),
      "FIN_WAIT_2=60000 CLOSED=60000 CLOSE_WAIT=5000 LAST_ACK=6000 ACCEPT=10000 orphan=65000");
}

TEST(FlagOption, RefusesListenWithoutWatch) {
  EXPECT_THAT(error({"leaks", "--flag", "LISTEN=5s"}), StartsWith("--flag: LISTEN lists nothing"));
  EXPECT_THAT(error({"leaks", "--flag", "LISTEN=5s", "--watch", "1s", "-d", "5s"}),
              StartsWith("--flag: LISTEN lists nothing"));
  options({"leaks", "--flag", "LISTEN=5s", "--watch", "1s"});
  options({"leaks", "--flag", "LISTEN=5s", "--watch", "1s", "-d", "6s"});
  options({"--flag", "LISTEN=5s"});
  for (const char* state : {"ESTABLISHED", "SYN_SENT", "SYN_RECEIVED", "FIN_WAIT_1", "FIN_WAIT_2",
                            "TIME_WAIT", "CLOSE_WAIT", "LAST_ACK", "CLOSING", "ACCEPT"})
    options({"leaks", "--flag", std::string(state) + "=5s"});
}

TEST(FlagOption, RefusesAFilteredOutState) {
  const char* none = "--state: none of these has a threshold";
  EXPECT_THAT(error({"leaks", "--state", "LAST_ACK"}), StartsWith(none));
  EXPECT_THAT(error({"run", "--state", "LAST_ACK", "--", "true"}), StartsWith(none));
  EXPECT_THAT(error({"--only", "flag", "--state", "LAST_ACK"}), StartsWith(none));
  options({"leaks", "--state", "LAST_ACK", "--flag", "LAST_ACK=5s"});
  options({"leaks", "--state", "LAST_ACK,CLOSE_WAIT"});
  options({"leaks", "--state", "ESTABLISHED"});  // in an accept queue
  options({"--state", "LAST_ACK"});
}

TEST(NoFlagsOption, LeavesNothingOfFlagsAlone) {
  EXPECT_THAT(error({"--no-flags", "--only", "flag"}),
              StartsWith("--only: flag prints nothing with --no-flags"));
  options({"--no-flags", "--only", "flag,connection"});
}

TEST(NoFlagsOption, LeavesNoThreshold) { EXPECT_EQ(thresholds({"--no-flags"}), ""); }

TEST(NoFlagsOption, ExcludesFlag) {
  EXPECT_THAT(error({"--no-flags", "--flag", "CLOSE_WAIT=5"}),
              StartsWith("--flag excludes --no-flags"));
}

}  // namespace
}  // namespace tcpdwell
