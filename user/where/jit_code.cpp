// SPDX-License-Identifier: Apache-2.0
#include "where/jit_code.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "where/process_status.h"

namespace tcpdwell {
namespace {

std::string of_pid(std::uint32_t pid, const char* what) {
  return "/proc/" + std::to_string(pid) + '/' + what;
}

std::string read_at_most(int file, std::size_t most) {
  std::string text;
  std::array<char, 16'384> block{};
  while (text.size() < most) {
    const ssize_t got = ::read(file, block.data(), std::min(block.size(), most - text.size()));
    if (got <= 0) break;
    text.append(block.data(), static_cast<std::size_t>(got));
  }
  return text;
}

// The map of the process. Anyone may write to /tmp: it must belong to the process's user, or to
// root.
std::optional<UniqueFd> open_map(std::uint32_t pid, struct stat& info) {
  const auto status = read_status(pid, pid);
  const UniqueFd root(::open(of_pid(pid, "root").c_str(), O_PATH | O_CLOEXEC | O_DIRECTORY));
  struct stat process {};
  if (!status || !root || ::stat(of_pid(pid, "").c_str(), &process) != 0) return std::nullopt;
  auto file = open_below(root.get(), "/tmp/perf-" + std::to_string(status->own_tid) + ".map");
  if (!file || ::fstat(file->get(), &info) != 0) return std::nullopt;
  if (info.st_uid != process.st_uid && info.st_uid != 0) return std::nullopt;
  return file;
}

// Its arguments, or those that it takes from its environment.
bool asks_for_frame_pointers(std::uint32_t pid) {
  constexpr std::size_t kMostArguments = 1U << 20U;
  constexpr std::string_view kSwitch = "-XX:+PreserveFramePointer";
  for (const char* what : {"cmdline", "environ"}) {
    const UniqueFd file(::open(of_pid(pid, what).c_str(), O_RDONLY | O_CLOEXEC));
    if (file && read_at_most(file.get(), kMostArguments).find(kSwitch) != std::string::npos)
      return true;
  }
  return false;
}

}  // namespace

bool JitCode::refresh(const ProcessView& process) {
  const auto now = Clock::now();
  if (!process.has_code_without_file() || (looked_ && now - *looked_ < kLookAgain)) return false;
  looked_ = now;
  if (!java_keeps_) java_keeps_ = process.has_file("libjvm.so") && asks_for_frame_pointers(pid_);
  struct stat info {};
  const auto file = open_map(pid_, info);
  if (!file) return false;  // a process that has ended keeps what was read
  const Version version{.device = info.st_dev,
                        .inode = info.st_ino,
                        .size = info.st_size,
                        .changed_s = info.st_mtim.tv_sec,
                        .changed_ns = info.st_mtim.tv_nsec};
  if (version == version_) return false;
  version_ = version;
  map_ = PerfMap(read_at_most(file->get(), PerfMap::kLargest));
  return true;
}

bool JitCode::keeps_frame_pointers(const ProcessView::Place& place) const {
  // V8 has copied some of its code into its executable.
  if (place.module != nullptr) return map_.is_of_v8() && map_.has(place.address + place.bias);
  return map_.is_of_v8() || java_keeps_.value_or(false);
}

}  // namespace tcpdwell
