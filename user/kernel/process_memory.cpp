// SPDX-License-Identifier: Apache-2.0
#include "kernel/process_memory.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "kernel/losable_child.h"
#include "kernel/proc_text.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostMaps = 256U << 10U;
constexpr std::size_t kMostKept = 4096;  // processes

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

// A note of the executable, read from memory: opening the file may hang.
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

// The answer of the child for each process.
struct Read {
  Runtime runtime = Runtime::Native;
  std::uint32_t size = 0;  // of the command line
  char cmdline[kMostProcText]{};
};

Read read_one(const MemoryQuestion& question) {
  Read read;
  const std::string cmdline = read_text(proc(question.pid, "cmdline"));
  read.size = static_cast<std::uint32_t>(cmdline.size());
  std::memcpy(read.cmdline, cmdline.data(), cmdline.size());
  const std::string exe =
      question.exe.empty() ? cmdline.substr(0, cmdline.find('\0')) : question.exe;
  read.runtime = runtime_of_exe(exe);
  if (read.runtime == Runtime::Native)
    read.runtime = is_go(question.pid) ? Runtime::Go : runtime_of_maps(question.pid);
  return read;
}

// Runs in the child.
void read_all(std::span<const MemoryQuestion* const> questions, int channel) {
  const UniqueFd file(::memfd_create("tcpdwell", MFD_CLOEXEC));
  if (!file) return;
  for (const MemoryQuestion* question : questions) {
    const Read read = read_one(*question);
    if (::write(file.get(), &read, sizeof read) != static_cast<ssize_t>(sizeof read)) return;
  }
  answer(channel, 1, file.get());
}

struct Identity {
  std::uint32_t pid = 0;
  std::uint64_t started = 0;
  std::string exe;  // exec() keeps pid and start time
  auto operator<=>(const Identity&) const = default;
};

}  // namespace

std::vector<MemoryFacts> memory_facts(std::span<const MemoryQuestion> questions) {
  static std::map<Identity, Read> kept;
  std::vector<const MemoryQuestion*> unknown;
  for (const MemoryQuestion& question : questions)
    if (!kept.contains({question.pid, question.started, question.exe}))
      unknown.push_back(&question);
  if (!unknown.empty()) {
    if (kept.size() + unknown.size() > kMostKept) kept.clear();
    const auto got = ask_child([&](int channel) { read_all(unknown, channel); });
    Read read;
    for (std::size_t i = 0; got && got->fd && i < unknown.size(); ++i)
      if (::pread(got->fd.get(), &read, sizeof read, static_cast<off_t>(i * sizeof read)) ==
          static_cast<ssize_t>(sizeof read))
        kept[{unknown[i]->pid, unknown[i]->started, unknown[i]->exe}] = read;
  }
  std::vector<MemoryFacts> facts(questions.size());
  for (std::size_t i = 0; i < questions.size(); ++i) {
    facts[i].exe = questions[i].exe;
    const auto it = kept.find({questions[i].pid, questions[i].started, questions[i].exe});
    if (it == kept.end()) {
      facts[i].runtime = runtime_of_exe(facts[i].exe);
      continue;
    }
    facts[i].cmdline.assign(it->second.cmdline, it->second.size);
    if (facts[i].exe.empty())  // it has more rights than we have
      facts[i].exe = facts[i].cmdline.substr(0, facts[i].cmdline.find('\0'));
    facts[i].runtime = it->second.runtime;
  }
  return facts;
}

}  // namespace tcpdwell
