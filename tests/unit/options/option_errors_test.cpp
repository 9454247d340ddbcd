// SPDX-License-Identifier: Apache-2.0
// Whatever is wrong with a command line is said in one line that names the option and its value.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "kernel/cgroups.h"
#include "support/command_line.h"

namespace tcpdwell {
namespace {

using namespace command_line;
using testing::HasSubstr;
using testing::StartsWith;

struct Wrong {
  std::string option, value;
};

TEST(OptionErrors, NameTheOptionAndTheValue) {
  const Wrong all[] = {{"--port", "0"},
                       {"--port", "65536"},
                       {"--port", "80x"},
                       {"--port", "htpt"},
                       {"--port", "8 0"},
                       {"--port", "99999999999999999999"},
                       {"--lport", "0x50"},
                       {"--rport", "+80"},
                       {"--addr", "10.0.0.0/33"},
                       {"--addr", "localhost"},
                       {"--addr", "::/129"},
                       {"--pid", "0"},
                       {"--pid", "abc"},
                       {"--pid", "4294967296"},
                       {"--state", "FIN_WAIT_3"},
                       {"--duration", "5x"},
                       {"--duration", "0"},
                       {"--duration", "1.5s"},
                       {"--ring-size", "0"},
                       {"--ring-size", "2G"},
                       {"--ring-size", "64KB"},
                       {"--ring-size", "K"},
                       {"--ring-size", "99999999999999999999G"},
                       {"--output-buffer", "0"},
                       {"--output-buffer", "65535"},
                       {"--output-buffer", "2G"},
                       {"--output-buffer", "lots"},
                       {"--max-connections", "0"},
                       {"--max-connections", "many"},
                       {"--only", "transitions"},
                       {"--color", "sometimes"},
                       {"--netns", "0"},
                       {"--netns", "/nonexistent"},
                       {"--netns", "4294967296"},
                       {"--cgroup", "/no/such/cgroup/here"}};
  for (const auto& [option, value] : all) {
    if (option == "--cgroup" && find_cgroup2_mount().empty()) continue;
    for (const std::vector<std::string>& arguments :
         {std::vector{option, value}, {"trace", option, value}, {option + '=' + value}}) {
      const std::string line = error(arguments);
      EXPECT_THAT(line, StartsWith(option + ": ")) << testing::PrintToString(arguments);
      EXPECT_THAT(line, HasSubstr(value)) << testing::PrintToString(arguments);
    }
  }
  EXPECT_THAT(error({"--port", "80,x,443"}), HasSubstr("\"x\""));
  EXPECT_THAT(error({"-d", "5x"}), StartsWith("--duration: \"5x\""));
  EXPECT_THAT(error({"--max-connections", "9999999999"}), HasSubstr("from 1 to 1000000000"));
}

TEST(OptionErrors, NamesAnUnknownOption) {
  EXPECT_THAT(error({"--prot", "80"}), HasSubstr("--prot"));
  EXPECT_THAT(error({"trace", "--prot=80"}), HasSubstr("--prot"));
  EXPECT_THAT(error({"-z"}), HasSubstr("-z"));
  EXPECT_THAT(error({"tracee"}), HasSubstr("tracee"));
  EXPECT_THAT(error({"--js"}), HasSubstr("--js")) << "an abbreviation may mean another tomorrow";
  EXPECT_THAT(error({""}), HasSubstr("not expected"));
}

TEST(OptionErrors, AMissingOrEmptyValueIsNoAbsentOption) {
  for (const char* option :
       {"--port", "--lport", "--rport", "--addr", "--pid", "--state", "--only", "--duration",
        "--output", "--output-buffer", "--ready-file", "--ring-size", "--max-connections",
        "--netns", "--cgroup", "--color", "--config"}) {
    EXPECT_THAT(error({option}), StartsWith(std::string(option) + ": ")) << "no value";
    EXPECT_THAT(error({option, ""}), HasSubstr(option)) << "a script's empty variable";
  }
}

TEST(OptionErrors, OneOptionTwice) {
  EXPECT_THAT(error({"-d", "1", "-d", "2"}), HasSubstr("--duration"));
  EXPECT_THAT(error({"-d", "1", "trace", "-d", "2"}), HasSubstr("--duration"));
}

TEST(OptionErrors, OneFamilyExcludesTheOther) {
  EXPECT_THAT(error({"-4", "-6"}), StartsWith("-4 excludes -6"));
  EXPECT_THAT(error({"trace", "-6", "-4"}), StartsWith("-4 excludes -6"));
  EXPECT_THAT(error({"-6", "trace", "-4"}), StartsWith("-4 excludes -6"));
}

std::string list_of(std::size_t count, const std::string& value) {
  std::string list = value;
  while (--count > 0) list += ',' + value;
  return list;
}

TEST(OptionErrors, ListsHaveLimits) {
  for (const auto& [option, value] : {std::pair{"--port", "80"},
                                      {"--lport", "80"},
                                      {"--rport", "80-90"},
                                      {"--addr", "::1"},
                                      {"--local", ":80"},
                                      {"--remote", "::1"},
                                      {"--pid", "1"},
                                      {"--comm", "nginx"}}) {
    options({option, list_of(256, value)});
    EXPECT_THAT(error({option, list_of(257, value)}),
                StartsWith(std::string(option) + ": takes 256 values at most"));
  }
}

TEST(OptionErrors, AValueCannotForgeLinesOrReachTheTerminal) {
  EXPECT_THAT(error({"--port", "8\n0"}), HasSubstr("\"8\\x0a0\""));
  EXPECT_EQ(error({"--netns", "\033[2J"}).find('\033'), std::string::npos);
  EXPECT_EQ(error({"\033[2J"}).find('\033'), std::string::npos);
}

TEST(OptionNetns, SelfAndItsPathAreTheInode) {
  struct stat info {};
  ASSERT_EQ(::stat("/proc/self/ns/net", &info), 0);
  EXPECT_EQ(options({"--netns", "self"}).filter.netns, info.st_ino);
  EXPECT_EQ(options({"--netns", "/proc/self/ns/net"}).filter.netns, info.st_ino);
  EXPECT_EQ(options({"--netns", std::to_string(info.st_ino)}).filter.netns, info.st_ino);
}

TEST(OptionNetns, ANameIsOneThatIpNetnsLists) {
  EXPECT_THAT(error({"--netns", "no-such-namespace"}),
              StartsWith("--netns: cannot open /run/netns/no-such-namespace: No such file or "
                         "directory (list them with: ip netns)"));
  EXPECT_THAT(error({"--netns", ".."}), HasSubstr("is not a network namespace"));
}

TEST(OptionNetns, AnythingElseIsRefused) {
  const File file;
  for (const std::string& path :
       {std::string("/proc/self/ns/mnt"), std::string("/dev/null"), std::string("/"), file.path()})
    EXPECT_THAT(error({"--netns", path}),
                StartsWith("--netns: \"" + path + "\" is not a network namespace"));
}

TEST(OptionNetns, AFifoDoesNotHang) {
  File file;
  std::filesystem::remove(file.path());
  ASSERT_EQ(::mkfifo(file.path().c_str(), 0600), 0);
  ::alarm(20);
  EXPECT_THAT(error({"--netns", file.path()}), HasSubstr("is not a network namespace"));
  ::alarm(0);
}

class OptionCgroup : public testing::Test {
 protected:
  void SetUp() override {
    if (mount_.empty()) GTEST_SKIP() << "cgroup v2 is not mounted here";
    std::string name = mount_ + "/options_test.XXXXXX";
    if (!::mkdtemp(name.data())) GTEST_SKIP() << "no cgroup can be made here";
    path_ = name;
    name_ = name.substr(mount_.size() + 1);
  }
  void TearDown() override {
    if (!path_.empty()) ::rmdir(path_.c_str());
  }
  std::string mount_ = find_cgroup2_mount(), path_, name_;
};

TEST_F(OptionCgroup, AcceptsEverySpellingOfAPath) {
  for (const std::string& text : {'/' + name_, name_, path_, path_ + '/', '/' + name_ + "//",
                                  "/./" + name_, '/' + name_ + "/../" + name_})
    EXPECT_EQ(options({"--cgroup", text}).filter.cgroup, '/' + name_) << text;
  EXPECT_EQ(options({"--cgroup", "/"}).filter.cgroup, "/");
  EXPECT_EQ(options({"--cgroup", mount_}).filter.cgroup, "/");
}

TEST_F(OptionCgroup, RefusesOtherPaths) {
  for (const char* text : {"/cgroup.procs", "/no/such/one", "/..", "../../../etc"})
    EXPECT_THAT(error({"--cgroup", text}), StartsWith("--cgroup: \"" + std::string(text) +
                                                      "\" is not a cgroup below " + mount_));
}

}  // namespace
}  // namespace tcpdwell
