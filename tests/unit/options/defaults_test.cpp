// SPDX-License-Identifier: Apache-2.0
// Options that the line lacks: the environment, the user's file, the host's file; and which files
// root trusts.
#include "options/defaults.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>

#include "support/command_line.h"

namespace tcpdwell {
namespace {

using namespace command_line;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

using Texts = std::map<std::string, std::string>;

Defaults with(const Texts& variables, const Texts& files) {
  Defaults defaults;
  defaults.variable = [variables](const std::string& name) {
    const auto it = variables.find(name);
    return it == variables.end() ? std::nullopt : std::optional(it->second);
  };
  defaults.files = {"user", "host"};
  defaults.read = [files](const std::string& path) -> Result<std::optional<std::string>> {
    const auto it = files.find(path);
    if (it == files.end()) return std::optional<std::string>{};
    if (it->second == "refused") return Error{path + " is refused", {}, {}};
    return std::optional(it->second);
  };
  return defaults;
}

Parsed parse_with(const Defaults& defaults, const std::vector<std::string>& arguments) {
  std::vector<const char*> argv = {"tcpdwell"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  return parse_options(static_cast<int>(argv.size()), argv.data(), all_commands(), defaults);
}

Options options_with(const Defaults& defaults, const std::vector<std::string>& arguments) {
  auto parsed = parse_with(defaults, arguments);
  if (const auto* error = std::get_if<UsageError>(&parsed)) ADD_FAILURE() << error->line;
  auto* options = std::get_if<Options>(&parsed);
  return options ? std::move(*options) : Options{};
}

std::string error_with(const Defaults& defaults, const std::vector<std::string>& arguments) {
  const auto parsed = parse_with(defaults, arguments);
  const auto* error = std::get_if<UsageError>(&parsed);
  EXPECT_TRUE(error);
  return error ? error->line : "";
}

TEST(Defaults, LineThenEnvironmentThenUserThenHost) {
  const Texts files = {{"user", "duration = \"3s\"\nport = 3\n"},
                       {"host", "duration = \"4s\"\nport = 4\nlport = 4\n"}};
  const Texts variables = {{"TCPDWELL_DURATION", "2s"}};
  const Options all = options_with(with(variables, files), {"-d", "1s"});
  EXPECT_EQ(all.duration, 1s);
  EXPECT_THAT(all.filter.ports, ElementsAre(PortMatch(3)));
  EXPECT_THAT(all.filter.local_ports, ElementsAre(PortMatch(4)));
  EXPECT_EQ(options_with(with(variables, files), {}).duration, 2s);
  EXPECT_EQ(options_with(with({}, files), {}).duration, 3s);
  EXPECT_EQ(all.default_files.size(), 2U);
}

TEST(Defaults, EnvironmentTakesListsAndFlags) {
  const Options read = options_with(with({{"TCPDWELL_JSON", "1"},
                                          {"TCPDWELL_PORT", "80,443"},
                                          {"TCPDWELL_MAX_CONNECTIONS", "7"},
                                          {"TCPDWELL_FLAG", "CLOSE_WAIT=5s"},
                                          {"TCPDWELL_QUIET", ""},
                                          {"TCPDWELL_BIN", "/x"}},
                                         {}),
                                    {});
  EXPECT_TRUE(read.json);
  EXPECT_FALSE(read.quiet) << "an empty variable is not set";
  EXPECT_THAT(read.filter.ports, ElementsAre(PortMatch(80), PortMatch(443)));
  EXPECT_EQ(read.max_connections, 7U);
  EXPECT_EQ(read.thresholds.of[index(State::CloseWait)], 5s);
}

TEST(Defaults, ASectionIsForItsCommand) {
  const Texts files = {{"user", "[stats]\nby = \"owner\"\n[leaks]\nwatch = \"5s\"\njson = true\n"}};
  EXPECT_EQ(options_with(with({}, files), {"stats"}).stats.by, GroupBy::Owner);
  const Options leaks = options_with(with({}, files), {"leaks"});
  EXPECT_EQ(leaks.watch, 5s);
  EXPECT_TRUE(leaks.json);
  EXPECT_FALSE(options_with(with({}, files), {}).json);
}

// A default is for the commands that it fits; on the line it would be an error.
TEST(Defaults, WhatACommandRefusesOrDoesNotNeedIsIgnored) {
  const Texts files = {{"host",
                        "flag = \"CLOSE_WAIT=5s\"\nonly = \"flag\"\nmode = \"0640\"\nzstd = true\n"
                        "max-size = \"1M\"\nrotate = 3\n"}};
  options_with(with({}, files), {"check"});
  options_with(with({}, files), {"stats"});
  const Options trace = options_with(with({}, files), {});
  EXPECT_FALSE(trace.compress);
  EXPECT_EQ(trace.max_size, 0U);
  const Options record = options_with(with({}, files), {"record", "-o", "/dev/null"});
  EXPECT_TRUE(record.compress);
  EXPECT_EQ(record.rotate, 3U);
  EXPECT_EQ(record.files.mode, 0640U);
}

TEST(Defaults, TheLineExcludesTheOther) {
  const Texts files = {{"host", "4 = true\nflag = \"CLOSE_WAIT=5s\"\n"}};
  const Options read = options_with(with({}, files), {"-6", "--no-flags"});
  EXPECT_EQ(read.filter.family, Family::Ipv6);
  EXPECT_FALSE(read.thresholds.of[index(State::CloseWait)]);
  EXPECT_EQ(options_with(with({}, files), {}).filter.family, Family::Ipv4);
}

TEST(Defaults, NeverChangeAReplay) {
  const auto defaults = with({{"TCPDWELL_JSON", "1"}}, {{"user", "port = 80\n"}, {"host", "x"}});
  const Options replay = options_with(defaults, {"replay", "/dev/null"});
  EXPECT_FALSE(replay.json);
  EXPECT_TRUE(replay.filter.ports.empty());
  const File config("port = 81\n");
  EXPECT_THAT(
      options_with(defaults, {"replay", "/dev/null", "--config", config.path()}).filter.ports,
      ElementsAre(PortMatch(81)));
}

TEST(Defaults, FilesCanBeSwitchedOff) {
  const auto defaults = with({{"TCPDWELL_RPORT", "1"}}, {{"user", "port = 80\n"}});
  const File config("lport = 81\n");
  for (const auto& arguments :
       {std::vector<std::string>{"--no-config"}, {"--config", config.path()}}) {
    const Options read = options_with(defaults, arguments);
    EXPECT_TRUE(read.filter.ports.empty());
    EXPECT_THAT(read.filter.remote_ports, ElementsAre(PortMatch(1))) << "the environment stays";
    EXPECT_TRUE(read.default_files.empty());
  }
}

TEST(Defaults, AnErrorNamesItsSource) {
  EXPECT_THAT(error_with(with({{"TCPDWELL_DURATION", "5x"}}, {}), {}),
              HasSubstr("(from TCPDWELL_DURATION)"));
  EXPECT_THAT(error_with(with({{"TCPDWELL_COLOR", "blue"}}, {}), {}),
              HasSubstr("(from TCPDWELL_COLOR)"));
  EXPECT_THAT(error_with(with({}, {{"host", "duration = \"5x\"\n"}}), {}),
              HasSubstr("(from host)"));
  EXPECT_THAT(error_with(with({}, {{"user", "prot = 80\n"}}), {}),
              HasSubstr("user: not an option: prot. Did you mean port? (--no-config ignores"));
  EXPECT_THAT(error_with(with({}, {{"user", "[laeks]\nport = 80\n"}}), {}),
              HasSubstr("not an option: laeks.port"));
  for (const char* no_default : {"help = true\n", "config = \"x\"\n", "version = true\n"})
    EXPECT_THAT(error_with(with({}, {{"user", no_default}}), {}), HasSubstr("not an option"));
}

TEST(Defaults, ARefusedFileIsToldAndNotRead) {
  const Options read =
      options_with(with({}, {{"user", "refused"}, {"host", "port = 80\n"}}), {"trace"});
  ASSERT_EQ(read.default_files.size(), 2U);
  EXPECT_THAT(read.default_files[0].refusal, HasSubstr("user is refused"));
  EXPECT_EQ(read.default_files[1].refusal, "");
  EXPECT_THAT(read.filter.ports, ElementsAre(PortMatch(80))) << "the other one is";
}

std::string refusal(const std::string& path, unsigned uid) {
  auto read = read_defaults_file(path, uid);
  return read ? "" : read.error().text();
}

TEST(DefaultsFile, RootReadsOnlyWhatRootAloneCanWrite) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  File file("json = true\n");
  EXPECT_EQ(**read_defaults_file(file.path(), 0), "json = true\n");
  for (const mode_t mode : {0620U, 0602U, 0666U}) {
    ::chmod(file.path().c_str(), mode);
    EXPECT_THAT(refusal(file.path(), 0), HasSubstr("can be written by others"));
    EXPECT_EQ(refusal(file.path(), 1000), "") << "another user may trust a group";
  }
  ::chmod(file.path().c_str(), 0644);
  ASSERT_EQ(::chown(file.path().c_str(), 1000, 0), 0);
  EXPECT_THAT(refusal(file.path(), 0), HasSubstr("does not belong to root"));
}

TEST(DefaultsFile, NothingButABoundedRegularFile) {
  EXPECT_FALSE(read_defaults_file("/nonexistent/file", 0)->has_value());
  EXPECT_THAT(refusal("/dev/null", 1), HasSubstr("is no regular file"));
  EXPECT_THAT(refusal("/", 1), HasSubstr("is no regular file"));
  EXPECT_THAT(refusal("/proc/self/exe", 1), HasSubstr("is a symbolic link"));
  File fifo;
  std::filesystem::remove(fifo.path());
  ASSERT_EQ(::mkfifo(fifo.path().c_str(), 0600), 0);
  ::alarm(20);
  EXPECT_THAT(refusal(fifo.path(), 1), HasSubstr("is no regular file"));
  ::alarm(0);
  EXPECT_THAT(refusal(File(std::string(70'000, '#')).path(), 1), HasSubstr("more than 64 KiB"));
}

}  // namespace
}  // namespace tcpdwell
