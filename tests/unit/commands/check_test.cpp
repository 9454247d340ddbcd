// SPDX-License-Identifier: Apache-2.0
// The options of check, and how what a kernel shows is put.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "session/sees.h"
#include "support/command_line.h"

namespace tcpdwell {
namespace {

using namespace command_line;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

TEST(CheckOptions, Defaults) {
  const Options check = options({"check"});
  EXPECT_STREQ(check.subcommand->name, "check");
  EXPECT_EQ(check.filter.netns, std::nullopt);
  EXPECT_EQ(check.netns_path, "");
}

TEST(CheckOptions, Output) {
  const Options check = options({"-j", "check", "-q", "-o", "/x", "--color", "never", "-v"});
  EXPECT_STREQ(check.subcommand->name, "check");
  EXPECT_TRUE(check.json && check.quiet && check.verbose);
  EXPECT_EQ(check.output, "/x");
}

TEST(CheckOptions, ANamespaceIsANumberOrAPath) {
  struct stat info {};
  ASSERT_EQ(::stat("/proc/self/ns/net", &info), 0);
  EXPECT_EQ(options({"check", "--netns", "/proc/self/ns/net"}).filter.netns, info.st_ino);
  EXPECT_EQ(options({"check", "--netns", "/proc/self/ns/net"}).netns_path, "/proc/self/ns/net");
  EXPECT_EQ(options({"check", "--netns", "self"}).filter.netns, info.st_ino);
  EXPECT_EQ(options({"check", "--netns", "4026532000"}).filter.netns, 4026532000U);
  EXPECT_EQ(options({"check", "--netns", "4026532000"}).netns_path, "");
  EXPECT_THAT(error({"check", "--netns", "/nowhere"}), StartsWith("--netns: "));
}

TEST(CheckOptions, RefusesOptionsWithoutEffect) {
  const std::vector<std::vector<std::string>> pointless = {{"--ready-file", "/r"},
                                                           {"--only", "flag"},
                                                           {"--no-flags"},
                                                           {"--flag", "LISTEN=1s"},
                                                           {"--no-accept"},
                                                           {"--duration", "5s"},
                                                           {"--strict"},
                                                           {"--ring-size", "1M"},
                                                           {"--output-buffer", "1M"},
                                                           {"--port", "80"},
                                                           {"--lport", "80"},
                                                           {"--rport", "80"},
                                                           {"--addr", "::1"},
                                                           {"--pid", "1"},
                                                           {"--cgroup", "/"},
                                                           {"--state", "LISTEN"},
                                                           {"-4"},
                                                           {"-6"},
                                                           {"--max-connections", "5"},
                                                           {"--record", "/r"},
                                                           {"--zstd"}};
  for (const std::vector<std::string>& option : pointless) {
    std::vector<std::string> before = option, after = {"check"};
    before.emplace_back("check");
    after.insert(after.end(), option.begin(), option.end());
    EXPECT_THAT(error(before), StartsWith(option[0] + ": does not go with check"));
    EXPECT_THAT(error(after), StartsWith(option[0] + ": does not go with check"));
  }
  EXPECT_THAT(error({"check", "--", "true"}), HasSubstr("a command goes with run only"));
  EXPECT_THAT(error({"check", "--watch", "1s"}), HasSubstr("--watch"));
}

TEST(CheckOptions, HelpHidesRefusedOptions) {
  const std::string help = shown({"check", "--help"});
  EXPECT_THAT(help, HasSubstr("sysctls"));
  for (const char* option : {"--json", "--netns", "--output", "--quiet", "--config"})
    EXPECT_THAT(help, HasSubstr(option));
  for (const char* option : {"--port", "--duration", "--strict", "--only", "-4"})
    EXPECT_THAT(help, Not(HasSubstr(option)));
  EXPECT_THAT(shown({"--help"}), HasSubstr("check")) << "and tcpdwell's own shows it";
  EXPECT_THAT(shown({"--help"}), HasSubstr("--port"));
}

TEST(SeesWords, NoneWithoutATrace) {
  for (const auto& [capability, how] : sees_words({})) EXPECT_EQ(how, "no") << capability;
  EXPECT_THAT(missing_by_kernel({}), IsEmpty()) << "why there is none is said by itself";
}

TEST(SeesWords, InexactCapabilitiesHaveALimitation) {
  const Sees all{.tracing = true,
                 .minisock_segments = true,
                 .accept = true,
                 .resets = true,
                 .cancellers = true,
                 .opened = true,
                 .eof_read = true};
  for (const auto& [capability, how] : sees_words(all)) EXPECT_EQ(how, "exact") << capability;
  EXPECT_THAT(missing_by_kernel(all), IsEmpty());

  Sees old = all;
  old.minisock_segments = old.resets = false;
  const auto words = sees_words(old);
  EXPECT_EQ(words[0], std::pair(std::string("time_wait"), std::string("jiffy")));
  EXPECT_EQ(words[4], std::pair(std::string("reset_reason"), std::string("no")));
  EXPECT_THAT(missing_by_kernel(old), SizeIs(2));
  for (const Limitation& missing : missing_by_kernel(old))
    EXPECT_FALSE(missing.what.empty() || missing.effect.empty() || missing.hint.empty());
}

}  // namespace
}  // namespace tcpdwell
