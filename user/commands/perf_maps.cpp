// SPDX-License-Identifier: Apache-2.0
#include "commands/perf_maps.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace tcpdwell {
namespace {

void append_to(const char* variable, const std::string& switches) {
  const char* before = std::getenv(variable);
  const std::string value =
      before != nullptr && *before != '\0' ? before + (' ' + switches) : switches;
  ::setenv(variable, value.c_str(), 1);
}

}  // namespace

void switch_perf_maps_on() {
  append_to("NODE_OPTIONS", "--perf-basic-prof --interpreted-frames-native-stack");
  append_to("JAVA_TOOL_OPTIONS", "-XX:+PreserveFramePointer");
}

void remove_perf_maps(std::span<const std::uint32_t> pids) {
  for (const std::uint32_t pid : pids) {
    const std::string path = "/tmp/perf-" + std::to_string(pid) + ".map";
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode)) ::unlink(path.c_str());
  }
}

}  // namespace tcpdwell
