// SPDX-License-Identifier: Apache-2.0
#include "kernel/process_facts.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <memory>
#include <utility>

#include "kernel/cgroups.h"
#include "kernel/proc_text.h"
#include "kernel/programs.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostProcesses = 512;   // of one answer
constexpr std::size_t kMostCounted = 20'000;  // descriptors, one by one
constexpr std::size_t kMostThreads = 1024;    // searched for a living one

template <typename Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end != text.data() ? std::optional(value) : std::nullopt;
}

struct Stat {
  std::string comm;
  char state = 0;
  std::uint32_t parent = 0;
  std::uint64_t started = 0;  // in clock ticks: with the pid it names one process
};

// "42 (a) b) S 1 ...": the name may hold anything.
std::optional<Stat> read_stat(const std::string& path) {
  const std::string text = read_text(path, 1024);
  const auto open = text.find('('), close = text.rfind(')');
  if (open == text.npos || close == text.npos || close < open || close + 4 >= text.size())
    return std::nullopt;
  constexpr int kStarted = 22;  // proc(5); the state is the third
  std::size_t at = close + 2;
  for (int field = 3; field < kStarted && at != text.npos; ++field)
    if (at = text.find(' ', at); at != text.npos) ++at;
  const std::string_view all(text);
  return Stat{.comm = text.substr(open + 1, close - open - 1),
              .state = text[close + 2],
              .parent = number<std::uint32_t>(all.substr(close + 4)).value_or(0),
              .started = at < text.size() ? number<std::uint64_t>(all.substr(at)).value_or(0) : 0};
}

struct CloseDir {
  void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};
using DirPtr = std::unique_ptr<DIR, CloseDir>;

template <typename Visit>  // Visit returns false to stop
void for_each_number(const std::string& path, Visit&& visit) {
  const DirPtr dir(::opendir(path.c_str()));
  while (const dirent* entry = dir ? ::readdir(dir.get()) : nullptr)
    if (const auto value = number<std::uint32_t>(entry->d_name))
      if (!visit(*value)) return;
}

// The first thread of a process may end before the others: then /proc shows a zombie, and nothing
// can be attached to it.
void find_live_thread(std::uint32_t pid, ProcessFacts& facts) {
  std::size_t looked_at = 0;
  for_each_number(proc(pid, "task"), [&](std::uint32_t tid) {
    const auto stat = read_stat(proc(pid, "task/" + std::to_string(tid) + "/stat"));
    if (stat && stat->state != 'Z' && stat->state != 'X') {
      facts.live_thread = tid;
      facts.state = stat->state;
    }
    return facts.live_thread == 0 && ++looked_at < kMostThreads;
  });
}

// Since 6.2 the size of /proc/PID/fd is the number of descriptors.
std::optional<std::uint64_t> count_descriptors(std::uint32_t pid) {
  const std::string path = proc(pid, "fd");
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  if (info.st_size > 0) return static_cast<std::uint64_t>(info.st_size);
  std::uint64_t count = 0;
  for_each_number(path, [&](std::uint32_t) { return ++count <= kMostCounted; });
  return count > 0 && count <= kMostCounted ? std::optional(count) : std::nullopt;
}

std::optional<std::uint64_t> descriptor_limit(std::uint32_t pid) {
  constexpr std::string_view kName = "Max open files";
  const std::string text = read_text(proc(pid, "limits"));
  const auto line = text.find(kName);
  if (line == text.npos) return std::nullopt;
  const auto value = text.find_first_not_of(' ', line + kName.size());
  if (value == text.npos) return std::nullopt;
  return number<std::uint64_t>(std::string_view(text).substr(value));  // "unlimited" is none
}

// By the freezer of cgroup2: "frozen 1" in cgroup.events, also if it is an ancestor that was
// frozen.
bool is_frozen(std::uint32_t pid) {
  constexpr std::string_view kUnified = "0::";
  const std::string text = read_text(proc(pid, "cgroup"));
  const auto line = text.starts_with(kUnified) ? 0 : text.find("\n0::");
  if (line == text.npos) return false;
  const auto begin = text.find(kUnified, line) + kUnified.size();
  const std::string path = text.substr(begin, text.find('\n', begin) - begin);
  static const std::string mount = find_cgroup2_mount();
  return path.size() > 1 && !mount.empty() &&
         read_text(mount + path + "/cgroup.events").find("frozen 1") != std::string::npos;
}

std::string read_exe(std::uint32_t pid) {
  std::array<char, kMostProcText> path{};
  const ssize_t size = ::readlink(proc(pid, "exe").c_str(), path.data(), path.size());
  return size > 0 ? std::string(path.data(), static_cast<std::size_t>(size)) : std::string{};
}

}  // namespace

std::optional<ProcessFacts> ProcessReader::look_at(const Process& process) {
  const std::uint32_t pid = process.pid;
  const auto stat = read_stat(proc(pid, "stat"));
  // The pid may be reused, or /proc may belong to another pid namespace.
  if (!stat || stat->comm != process.comm_view()) return std::nullopt;
  ProcessFacts facts{.pid = pid, .state = stat->state, .parent = stat->parent};
  if (stat->state == 'Z' || stat->state == 'X')
    find_live_thread(pid, facts);
  else
    facts.live_thread = pid;
  if (facts.state == 'S' && is_frozen(pid)) facts.state = kFrozen;
  // The first thread has ended: facts about the memory are gone.
  const std::uint32_t alive = facts.live_thread != 0 ? facts.live_thread : pid;
  asked_.push_back({.pid = alive, .started = stat->started, .exe = read_exe(alive)});
  asked_for_.push_back(process);
  facts.descriptors = count_descriptors(alive);
  facts.descriptor_limit = descriptor_limit(alive);
  return facts;
}

void ProcessReader::read(const Process& process) {
  if (process.pid == 0 || read_.contains(process.pid) || read_.size() >= kMostProcesses) return;
  read_.emplace(process.pid, look_at(process));
}

std::uint32_t ProcessReader::parent_of(std::uint32_t pid) {
  if (const auto it = read_.find(pid); it != read_.end() && it->second) return it->second->parent;
  const auto [parent, is_new] = parents_.try_emplace(pid, 0);
  if (!is_new) return parent->second;
  if (const auto stat = read_stat(proc(pid, "stat"))) parent->second = stat->parent;
  return parent->second;
}

ProcessesEvent ProcessReader::event() {
  const std::vector<MemoryFacts> memory = memory_facts(std::exchange(asked_, {}));
  const auto processes = std::exchange(asked_for_, {});
  for (std::size_t i = 0; i < processes.size(); ++i) {
    ProcessFacts& facts = *read_.at(processes[i].pid);
    facts.runtime = memory[i].runtime;
    facts.program =
        program_name(processes[i].comm_view(), memory[i].cmdline, memory[i].exe, facts.runtime);
  }
  ProcessesEvent event{.at = monotonic_now(), .processes = {}};
  for (const auto& [pid, facts] : read_)
    if (facts) event.processes.push_back(*facts);
  return event;
}

}  // namespace tcpdwell
