// SPDX-License-Identifier: Apache-2.0
// What a process is called, what runs it, and what /proc says of this very process.
#include "kernel/process_facts.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>

#include <array>
#include <cstring>

namespace tcpdwell {
namespace {

std::string named(std::string_view comm, std::string_view cmdline, std::string_view exe) {
  return program_name(comm, cmdline, exe, runtime_of_exe(exe));
}

// Words as /proc has them.
std::string words(std::initializer_list<std::string_view> all) {
  std::string text;
  for (const std::string_view word : all) text.append(word) += '\0';
  return text;
}

TEST(ProgramName, IsEmptyIfCommSuffices) {
  EXPECT_EQ(named("nginx", "nginx: worker process", "/usr/sbin/nginx"), "");
  EXPECT_EQ(named("php-fpm8.2", "php-fpm: pool www", "/usr/sbin/php-fpm8.2"), "");
  EXPECT_EQ(named("postgres", "postgres: bob shop idle", "/usr/lib/postgresql/postgres"), "");
  EXPECT_EQ(named("orders", words({"/usr/bin/python3", "/srv/x.py"}), "/usr/bin/python3"), "");
  EXPECT_EQ(named("exactly15bytes!", words({"/opt/exactly15bytes!"}), "/opt/exactly15bytes!"), "");
}

TEST(ProgramName, CompletesATruncatedComm) {
  EXPECT_EQ(named("my-long-service", words({"/opt/my-long-service-name", "-v"}), "/opt/x"),
            "my-long-service-name");
  EXPECT_EQ(named("my-long-service", words({"x"}), "/opt/my-long-service-name (deleted)"),
            "my-long-service-name");
  EXPECT_EQ(named("long_name_of_a_", words({"/usr/bin/python3", "/srv/long_name_of_a_job.py"}),
                  "/usr/bin/python3.11"),
            "long_name_of_a_job.py");
  EXPECT_EQ(named("gunicorn: worke", "gunicorn: worker [app]", "/usr/bin/python3.11"),
            "gunicorn: worker [app]");
  EXPECT_EQ(named("my-long-service", words({"unrelated"}), "/opt/other"), "");
}

TEST(ProgramName, OfAnInterpreterHasItsScript) {
  EXPECT_EQ(named("python3", words({"python3", "/srv/app.py"}), "/usr/bin/python3.11"),
            "python3 app.py");
  EXPECT_EQ(named("python3", words({"python3", "-u", "-m", "http.server"}), "/usr/bin/python3.11"),
            "python3 http.server");
  EXPECT_EQ(named("node", words({"node", "--inspect", "server.js"}), "/usr/bin/node"),
            "node server.js");
  EXPECT_EQ(named("python3", words({"python3", "-W", "ignore", "x.py"}), "/usr/bin/python3.11"), "")
      << "an option that takes a word";
  EXPECT_EQ(named("python3", words({"python3", "-c", "import x"}), "/usr/bin/python3.11"), "");
}

TEST(ProgramName, IsNotThatOfAThread) {
  EXPECT_EQ(named("MainThread", words({"/usr/bin/node", "server.js"}), "/usr/bin/node"),
            "node server.js");
  EXPECT_EQ(named("main", words({"/opt/thing/daemon"}), "/opt/thing/daemon"), "daemon");
}

TEST(ProgramName, IsBounded) {
  const std::string longest(5000, 'a');
  EXPECT_EQ(named(std::string_view(longest).substr(0, 15), words({longest}), longest).size(),
            kLongestProgram);
  EXPECT_EQ(named("python3", words({"python3", longest}), "/usr/bin/python3").size(),
            kLongestProgram);
  EXPECT_EQ(named("", "", ""), "");
}

TEST(RuntimeOfExe, IsKnownByItsName) {
  EXPECT_EQ(runtime_of_exe("/usr/lib/jvm/java-17/bin/java"), Runtime::Jvm);
  EXPECT_EQ(runtime_of_exe("/usr/bin/python3.11"), Runtime::Python);
  EXPECT_EQ(runtime_of_exe("/usr/local/bin/node (deleted)"), Runtime::Node);
  EXPECT_EQ(runtime_of_exe("/usr/sbin/php-fpm8.2"), Runtime::Php);
  EXPECT_EQ(runtime_of_exe("/usr/bin/ruby3.1"), Runtime::Ruby);
  EXPECT_EQ(runtime_of_exe("/usr/bin/perl"), Runtime::Perl);
  EXPECT_EQ(runtime_of_exe("/usr/sbin/nginx"), Runtime::Native);
  EXPECT_EQ(runtime_of_exe(""), Runtime::Native);
}

Process this_process() {
  Process process{.pid = static_cast<std::uint32_t>(::getpid())};
  ::prctl(PR_GET_NAME, process.comm.data());
  return process;
}

TEST(ProcessReader, ReadsThisProcess) {
  ProcessReader reader;
  reader.read(this_process());
  const ProcessesEvent event = reader.event();
  ASSERT_EQ(event.processes.size(), 1U);
  const ProcessFacts* facts = event.processes.data();
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(facts->state, 'R');
  EXPECT_EQ(facts->parent, static_cast<std::uint32_t>(::getppid()));
  EXPECT_EQ(facts->live_thread, facts->pid);
  EXPECT_EQ(facts->runtime, Runtime::Native);
  EXPECT_EQ(facts->descriptor_limit, limit.rlim_cur);
  EXPECT_GE(facts->descriptors.value_or(0), 3U);
}

TEST(ProcessMemory, SaysWhatTheCommandLineIs) {
  const MemoryQuestion us{
      .pid = static_cast<std::uint32_t>(::getpid()), .started = 1, .exe = "/usr/bin/unit"};
  const MemoryQuestion nobody{.pid = 0x7fffffff, .started = 1, .exe = "/usr/bin/python3"};
  for (int time = 0; time < 2; ++time) {  // read, and kept
    const auto facts = memory_facts(std::array{us, nobody});
    ASSERT_EQ(facts.size(), 2U);
    EXPECT_NE(facts[0].cmdline.find("unit_tests"), std::string::npos);
    EXPECT_EQ(facts[0].exe, us.exe);
    EXPECT_EQ(facts[0].runtime, Runtime::Native);
    EXPECT_EQ(facts[1].cmdline, "");
    EXPECT_EQ(facts[1].runtime, Runtime::Python);
  }
}

TEST(ProcessReader, IgnoresAReusedPid) {
  ProcessReader reader;
  Process process = this_process();
  process.comm = {'o', 't', 'h', 'e', 'r'};
  reader.read(process);
  reader.read(Process{});
  EXPECT_TRUE(reader.event().processes.empty());
}

}  // namespace
}  // namespace tcpdwell
