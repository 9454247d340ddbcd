// SPDX-License-Identifier: Apache-2.0
// The command line and the configuration file, and what they mean.
#include "options/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "options/command_line.h"
#include "support/command_line.h"
#include "util/version.h"

namespace tcpdwell {
namespace {

using namespace command_line;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Commands, AreChosenByName) {
  const std::vector<std::vector<std::string>> lines = {{"trace"},
                                                       {"stats"},
                                                       {"leaks"},
                                                       {"top"},
                                                       {"run", "--", "true"},
                                                       {"check"},
                                                       {"record", "-o", "/dev/null"},
                                                       {"replay", "/dev/null"},
                                                       {"export"},
                                                       {"report", "/dev/null", "-o", "x"}};
  ASSERT_EQ(lines.size(), all_commands().size());
  for (const auto& arguments : lines) EXPECT_EQ(command_of(arguments), arguments.front());
  EXPECT_EQ(command_of({}), "trace");
}

TEST(Commands, UnknownNameIsAnErrorNotATrace) {
  for (const char* word : {"tracer", "TRACE", "stat", "watch", "lead"})
    EXPECT_THAT(error({word}), HasSubstr("not expected"));
}

class PingOptions final : public CommandOptions {
 public:
  PingOptions() : CommandOptions("Ping.", {.failure_status = 9}) {}
  void add_to(CLI::App& own, OptionTexts&) override { own.add_option("--count", count); }
  std::vector<std::string> refused(const OptionTexts&) const override { return {"--strict"}; }
  int count = 1;
};

// A row is all that a new command needs; its values stay in its own options.
TEST(Commands, RowAddsACommand) {
  const Subcommand table[] = {
      all_commands().front(),
      {"ping", []() -> std::unique_ptr<CommandOptions> { return std::make_unique<PingOptions>(); },
       [](const Options& options) {
         return dynamic_cast<const PingOptions&>(*options.own).count;
       }}};
  const auto parse = [&](std::vector<const char*> argv) {
    argv.insert(argv.begin(), "tcpdwell");
    return parse_options(static_cast<int>(argv.size()), argv.data(), table);
  };
  const auto parsed = parse({"ping", "--count", "7"});
  const auto& options = std::get<Options>(parsed);
  EXPECT_STREQ(options.subcommand->name, "ping");
  EXPECT_EQ(options.subcommand->run(options), 7);
  const auto refused = std::get<UsageError>(parse({"ping", "--strict"}));
  EXPECT_THAT(refused.line, HasSubstr("--strict: does not go with ping"));
  EXPECT_EQ(refused.status, 9);
  EXPECT_THAT(std::get<Show>(parse({"--help"})).text, HasSubstr("Ping."));
  EXPECT_THAT(std::get<UsageError>(parse({"leaks"})).line, HasSubstr("not expected"));
}

TEST(Options, Defaults) {
  for (const auto& arguments : {std::vector<std::string>{}, {"trace"}}) {
    const Options plain = options(arguments);
    EXPECT_FALSE(plain.json || plain.quiet || plain.verbose || plain.strict);
    EXPECT_TRUE(plain.accept);
    EXPECT_EQ(plain.color, Color::Auto);
    EXPECT_EQ(plain.duration, std::nullopt);
    EXPECT_EQ(plain.output, "");
    EXPECT_EQ(plain.ready_file, "");
    EXPECT_FALSE(plain.only);
    EXPECT_EQ(plain.output_buffer, 0U);
    EXPECT_EQ(plain.ring_bytes, 0U);
    EXPECT_EQ(plain.max_connections, 4'000'000U);
    EXPECT_TRUE(plain.filter.ports.empty() && plain.filter.local_ports.empty() &&
                plain.filter.remote_ports.empty() && plain.filter.addrs.empty() &&
                plain.filter.pids.empty() && plain.filter.cgroup.empty());
    EXPECT_FALSE(plain.filter.family || plain.filter.netns);
    EXPECT_TRUE(plain.filter.states.none());
  }
}

TEST(Options, ParsesEachOption) {
  const Options all = options({"--json",      "--quiet",      "--verbose",
                               "--strict",    "--no-accept",  "--color",
                               "never",       "--duration",   "2m30s",
                               "--output",    "/o",           "--output-buffer",
                               "64K",         "--only",       "connection",
                               "--port",      "80",           "--lport",
                               "1",           "--rport",      "65535",
                               "--addr",      "10.0.0.0/8",   "--pid",
                               "42",          "--state",      "fin-wait-2",
                               "-6",          "--netns",      "4026531840",
                               "--ring-size", "64K",          "--max-connections",
                               "10",          "--ready-file", "/r"});
  EXPECT_TRUE(all.json && all.quiet && all.verbose && all.strict);
  EXPECT_FALSE(all.accept);
  EXPECT_EQ(all.color, Color::Never);
  EXPECT_EQ(all.duration, 150s);
  EXPECT_EQ(all.output, "/o");
  EXPECT_EQ(all.output_buffer, 65536U);
  EXPECT_EQ(all.ready_file, "/r");
  ASSERT_TRUE(all.only);
  EXPECT_FALSE(all.only->transitions);
  EXPECT_TRUE(all.only->connections);
  EXPECT_THAT(all.filter.ports, ElementsAre(80));
  EXPECT_THAT(all.filter.local_ports, ElementsAre(1));
  EXPECT_THAT(all.filter.remote_ports, ElementsAre(65535));
  ASSERT_EQ(all.filter.addrs.size(), 1U);
  EXPECT_EQ(all.filter.addrs[0].addr[0], 10);
  EXPECT_THAT(all.filter.pids, ElementsAre(42));
  EXPECT_EQ(all.filter.states.count(), 1U);
  EXPECT_TRUE(all.filter.states[index(State::FinWait2)]);
  EXPECT_EQ(all.filter.family, Family::Ipv6);
  EXPECT_EQ(all.filter.netns, 4026531840U);
  EXPECT_EQ(all.ring_bytes, 65536U);
  EXPECT_EQ(all.max_connections, 10U);
}

TEST(Options, ShortOnes) {
  const Options all = options({"-jqv", "-d", "5", "-o", "/o", "-4"});
  EXPECT_TRUE(all.json && all.quiet && all.verbose);
  EXPECT_EQ(all.duration, 5s);
  EXPECT_EQ(all.output, "/o");
  EXPECT_EQ(all.filter.family, Family::Ipv4);
}

TEST(Options, StandOnEitherSideOfTrace) {
  const Options both = options({"-j", "--port", "80", "trace", "-d", "5", "--lport", "22", "-4"});
  EXPECT_TRUE(both.json);
  EXPECT_EQ(both.duration, 5s);
  EXPECT_THAT(both.filter.ports, ElementsAre(80)) << "the command is not a port";
  EXPECT_THAT(both.filter.local_ports, ElementsAre(22));
  EXPECT_EQ(both.filter.family, Family::Ipv4);
  EXPECT_EQ(options({"trace", "-6"}).filter.family, Family::Ipv6);
  EXPECT_EQ(options({"-6", "trace"}).filter.family, Family::Ipv6);
}

TEST(Options, ListsTakeCommasAndRepetition) {
  EXPECT_THAT(options({"--port", "80,443", "--port", "8080"}).filter.ports,
              ElementsAre(80, 443, 8080));
  EXPECT_EQ(options({"--addr", "10.0.0.1,::1"}).filter.addrs.size(), 2U);
  EXPECT_THAT(options({"--pid=1,2"}).filter.pids, ElementsAre(1, 2));
  EXPECT_EQ(options({"--state", "estab,CLOSE_WAIT,TCP_CLOSE"}).filter.states.count(), 3U);
  const Options only = options({"--only", "transition,connection"});
  EXPECT_TRUE(only.only->transitions && only.only->connections);
}

TEST(Options, OnlyFlagPrintsFlagsAlone) {
  const Options only = options({"--only", "flag"});
  EXPECT_FALSE(only.only->transitions || only.only->connections);
}

TEST(Options, Sizes) {
  for (const auto& [text, bytes] : {std::pair{"4096", 4096ULL},
                                    {"64k", 65536ULL},
                                    {"16M", 16ULL << 20U},
                                    {"1g", 1ULL << 30U},
                                    {"1073741824", 1ULL << 30U}})
    EXPECT_EQ(options({"--ring-size", text}).ring_bytes, bytes) << text;
}

TEST(OptionHelp, IsTheSameBehindTrace) {
  const std::string help = shown({"--help"});
  for (const char* word : {"--json", "--duration", "--port", "-4", "--config", "trace"})
    EXPECT_THAT(help, HasSubstr(word));
  EXPECT_EQ(shown({"trace", "--help"}), help);
  EXPECT_EQ(shown({"trace", "-h"}), help);
  EXPECT_EQ(shown({"-j", "-h"}), help);
}

TEST(OptionHelp, Version) {
  EXPECT_EQ(shown({"--version"}), std::string("tcpdwell ") + version() + "\n");
}

TEST(OptionConfig, TakesTheLongNames) {
  const File file(
      "# what this host is watched for\n"
      "json = true\n"
      "port = [80, 443]\n"
      "addr = \"10.0.0.0/8\"\n"
      "max-connections = 10\n"
      "duration = \"2m\"\n");
  for (const auto& arguments :
       {std::vector<std::string>{"--config", file.path()}, {"trace", "--config", file.path()}}) {
    const Options read = options(arguments);
    EXPECT_TRUE(read.json);
    EXPECT_THAT(read.filter.ports, ElementsAre(80, 443));
    EXPECT_EQ(read.filter.addrs.size(), 1U);
    EXPECT_EQ(read.max_connections, 10U);
    EXPECT_EQ(read.duration, 2min);
  }
}

TEST(OptionConfig, CommandLineOverridesConfig) {
  const File file("duration = \"2m\"\nport = 80\n");
  const Options read = options({"--config", file.path(), "-d", "5", "--port", "443"});
  EXPECT_EQ(read.duration, 5s);
  EXPECT_THAT(read.filter.ports, ElementsAre(443));
}

TEST(OptionConfig, AnErrorInItIsOneLineToo) {
  for (const auto& [content, wanted] :
       {std::pair{"duration = \"5x\"\n", "--duration: \"5x\""},
        {"port = [80, \"x\"]\n", "--port: \"x\""},
        {"prot = 80\n", "--config: not an option: prot"},
        {"[trace]\nprot = 80\n", "--config: not an option: trace.prot"},
        {"just words\n", "--config: not an option: just words"},
        {"\x1b[2J\n", "--config: not an option: "},
        {"json = \"maybe\"\n", "--json"},
        {"duration = \"\"\n", "--duration: must not be empty"},
        {"config = \"other\"\n", "config"}}) {
    const File file(content);
    const std::string line = error({"--config", file.path()});
    EXPECT_THAT(line, HasSubstr(wanted)) << content;
    EXPECT_EQ(line.find('\033'), std::string::npos) << line;
  }
}

TEST(OptionConfig, AFileThatCannotBeReadIsNamed) {
  EXPECT_THAT(error({"--config", "/nonexistent"}), HasSubstr("/nonexistent"));
  EXPECT_THAT(error({"--config", "/"}), HasSubstr("/ was not readable"));
}

}  // namespace
}  // namespace tcpdwell
