// SPDX-License-Identifier: Apache-2.0
#include "commands/perf_maps.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace tcpdwell {
namespace {

constexpr std::size_t kReadOfLog = 65'536;

void append_to(const char* variable, const std::string& switches) {
  const char* before = std::getenv(variable);
  const std::string value =
      before != nullptr && *before != '\0' ? before + (' ' + switches) : switches;
  ::setenv(variable, value.c_str(), 1);
}

// With --perf-basic-prof, node also writes "isolate-0xADDRESS-PID-v8.log" to its working directory,
// and no switch that NODE_OPTIONS may have prevents that. A log of `node --prof` has the same name.
void remove_v8_logs(std::span<const std::uint32_t> pids) {
  constexpr std::string_view kBegin = "isolate-0x", kEnd = "-v8.log", kOfProf = "\nprofiler,";
  std::error_code error;
  for (std::filesystem::directory_iterator it(".", error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename();
    if (!name.starts_with(kBegin) || !name.ends_with(kEnd) || !it->is_regular_file(error)) continue;
    const bool ours = std::any_of(pids.begin(), pids.end(), [&](std::uint32_t pid) {
      return name.ends_with('-' + std::to_string(pid) + std::string(kEnd));
    });
    if (!ours) continue;
    std::string text(kReadOfLog, '\0');
    std::ifstream(name, std::ios::binary)
        .read(text.data(), static_cast<std::streamsize>(text.size()));
    if (text.find(kOfProf) == text.npos) ::unlink(name.c_str());
  }
}

}  // namespace

void switch_perf_maps_on() {
  append_to("NODE_OPTIONS", "--perf-basic-prof --interpreted-frames-native-stack");
  append_to("JAVA_TOOL_OPTIONS", "-XX:+PreserveFramePointer");
}

void remove_perf_maps(std::span<const std::uint32_t> pids) {
  remove_v8_logs(pids);
  for (const std::uint32_t pid : pids) {
    const std::string path = "/tmp/perf-" + std::to_string(pid) + ".map";
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode)) ::unlink(path.c_str());
  }
}

}  // namespace tcpdwell
