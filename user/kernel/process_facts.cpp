// SPDX-License-Identifier: Apache-2.0
#include "kernel/process_facts.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <memory>
#include <vector>

#include "kernel/programs.h"
#include "util/unique_fd.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostProcesses = 512;  // of one answer
constexpr std::size_t kMostText = 4096;      // of a file of /proc
constexpr std::size_t kMostMaps = 256U << 10U;
constexpr std::size_t kMostCounted = 20'000;  // descriptors, one by one
constexpr std::size_t kMostThreads = 1024;    // that are looked at for one that lives

std::string proc(std::uint32_t pid, std::string_view what) {
  return "/proc/" + std::to_string(pid) + '/' + std::string(what);
}

std::string read_text(const std::string& path, std::size_t most = kMostText) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  std::string text(most, '\0');
  std::size_t size = 0;
  while (size < most) {
    const ssize_t got = ::read(file.get(), text.data() + size, most - size);
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

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
};

// "42 (a) b) S 1 ...": the name may hold anything.
std::optional<Stat> read_stat(const std::string& path) {
  const std::string text = read_text(path, 1024);
  const auto open = text.find('('), close = text.rfind(')');
  if (open == text.npos || close == text.npos || close < open || close + 4 >= text.size())
    return std::nullopt;
  return Stat{
      .comm = text.substr(open + 1, close - open - 1),
      .state = text[close + 2],
      .parent = number<std::uint32_t>(std::string_view(text).substr(close + 4)).value_or(0)};
}

struct CloseDir {
  void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};
using DirPtr = std::unique_ptr<DIR, CloseDir>;

template <typename Look>  // false: that is enough
void for_each_number(const std::string& path, Look&& look) {
  const DirPtr dir(::opendir(path.c_str()));
  while (const dirent* entry = dir ? ::readdir(dir.get()) : nullptr)
    if (const auto value = number<std::uint32_t>(entry->d_name))
      if (!look(*value)) return;
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

// From 6.2 on the size of /proc/PID/fd is their number.
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

std::string read_exe(std::uint32_t pid) {
  std::array<char, kMostText> path{};
  const ssize_t size = ::readlink(proc(pid, "exe").c_str(), path.data(), path.size());
  return size > 0 ? std::string(path.data(), static_cast<std::size_t>(size)) : std::string{};
}

bool read_memory(int memory, std::uint64_t at, void* to, std::size_t size) {
  return ::pread(memory, to, size, static_cast<off_t>(at)) == static_cast<ssize_t>(size);
}

// Where the program headers are in its memory, and how many.
std::pair<std::uint64_t, std::uint64_t> program_headers(std::uint32_t pid) {
  const std::string auxv = read_text(proc(pid, "auxv"));
  std::pair<std::uint64_t, std::uint64_t> found{};
  Elf64_auxv_t entry;
  for (std::size_t at = 0; at + sizeof entry <= auxv.size(); at += sizeof entry) {
    std::memcpy(&entry, auxv.data() + at, sizeof entry);
    if (entry.a_type == AT_PHDR) found.first = entry.a_un.a_val;
    if (entry.a_type == AT_PHNUM) found.second = entry.a_un.a_val;
  }
  return found;
}

// The Go linker's build id is a note of the name "Go".
bool has_go_note(std::string_view notes) {
  Elf64_Nhdr note;
  while (notes.size() >= sizeof note) {
    std::memcpy(&note, notes.data(), sizeof note);
    notes.remove_prefix(sizeof note);
    const std::size_t name = (std::size_t{note.n_namesz} + 3) & ~std::size_t{3};
    const std::size_t rest = name + ((std::size_t{note.n_descsz} + 3) & ~std::size_t{3});
    if (notes.starts_with(std::string_view("Go\0\0", 4)) && note.n_namesz == 4) return true;
    if (rest > notes.size()) return false;
    notes.remove_prefix(rest);
  }
  return false;
}

// A note of its executable, as it is in its memory: opening the file may never return.
bool is_go(std::uint32_t pid) {
  constexpr std::size_t kMostHeaders = 64, kMostNote = 4096;
  const auto [at, count] = program_headers(pid);
  const UniqueFd memory(::open(proc(pid, "mem").c_str(), O_RDONLY | O_CLOEXEC));
  if (at == 0 || count == 0 || count > kMostHeaders || !memory) return false;
  std::vector<Elf64_Phdr> headers(count);
  if (!read_memory(memory.get(), at, headers.data(), count * sizeof(Elf64_Phdr))) return false;
  std::uint64_t moved_by = 0;  // position independent
  for (const Elf64_Phdr& header : headers)
    if (header.p_type == PT_PHDR) moved_by = at - header.p_vaddr;
  for (const Elf64_Phdr& header : headers) {
    if (header.p_type != PT_NOTE) continue;
    std::string notes(std::min<std::size_t>(header.p_memsz, kMostNote), '\0');
    if (read_memory(memory.get(), header.p_vaddr + moved_by, notes.data(), notes.size()) &&
        has_go_note(notes))
      return true;
  }
  return false;
}

// An interpreter in another program: jsvc, uwsgi.
Runtime runtime_of_maps(std::uint32_t pid) {
  const std::string maps = read_text(proc(pid, "maps"), kMostMaps);
  if (maps.find("/libjvm.so") != maps.npos) return Runtime::Jvm;
  if (maps.find("/libpython") != maps.npos) return Runtime::Python;
  return Runtime::Native;
}

}  // namespace

Runtime ProcessReader::runtime_of(std::uint32_t pid, const std::string& exe) {
  if (const Runtime runtime = runtime_of_exe(exe); runtime != Runtime::Native) return runtime;
  const auto [it, is_new] = runtimes_.try_emplace(exe, Runtime::Native);
  if (is_new) it->second = is_go(pid) ? Runtime::Go : runtime_of_maps(pid);
  return it->second;
}

std::optional<ProcessFacts> ProcessReader::look_at(const Process& process) {
  const std::uint32_t pid = process.pid;
  const auto stat = read_stat(proc(pid, "stat"));
  // A pid is used again, and /proc may be that of another pid namespace.
  if (!stat || stat->comm != process.comm_view()) return std::nullopt;
  ProcessFacts facts{.pid = pid, .state = stat->state, .parent = stat->parent};
  if (stat->state == 'Z' || stat->state == 'X')
    find_live_thread(pid, facts);
  else
    facts.live_thread = pid;
  // What belongs to the memory of a process went with its first thread.
  const std::uint32_t alive = facts.live_thread != 0 ? facts.live_thread : pid;
  const std::string exe = read_exe(alive);
  facts.runtime = runtime_of(alive, exe);
  facts.program =
      program_name(process.comm_view(), read_text(proc(alive, "cmdline")), exe, facts.runtime);
  facts.descriptors = count_descriptors(alive);
  facts.descriptor_limit = descriptor_limit(alive);
  return facts;
}

const ProcessFacts* ProcessReader::read(const Process& process) {
  if (process.pid == 0) return nullptr;
  auto it = read_.find(process.pid);
  if (it == read_.end()) {
    if (read_.size() >= kMostProcesses) return nullptr;
    it = read_.emplace(process.pid, look_at(process)).first;
  }
  return it->second ? &*it->second : nullptr;
}

std::uint32_t ProcessReader::parent_of(std::uint32_t pid) {
  if (const auto it = read_.find(pid); it != read_.end() && it->second) return it->second->parent;
  const auto stat = read_stat(proc(pid, "stat"));
  return stat ? stat->parent : 0;
}

ProcessesEvent ProcessReader::event() const {
  ProcessesEvent event{.at = monotonic_now(), .processes = {}};
  for (const auto& [pid, facts] : read_)
    if (facts) event.processes.push_back(*facts);
  return event;
}

}  // namespace tcpdwell
