// SPDX-License-Identifier: Apache-2.0
// The executable mappings of one process, with their modules. Files are opened only through
// /proc/PID/map_files: that is the mapped file itself, whatever its path means in our mount
// namespace, and if it was deleted or replaced. Opening and reading may hang, if the file system is
// another process's: use it only in a process that may be lost (ResolverProcess).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "util/unique_fd.h"
#include "where/debug_files.h"
#include "where/module.h"
#include "where/process_maps.h"

namespace tcpdwell {

// Files that several processes map are opened once. Drops the modules that were not used for the
// longest time when the heap of this process passes kMostHeap.
class ModuleCache {
 public:
  static constexpr std::size_t kMostHeap = 64U << 20U;
  explicit ModuleCache(std::string symbols_directory)
      : debug_files_(std::move(symbols_directory)) {}

  // nullptr: the file cannot be opened, or is no ELF file of this machine.
  std::shared_ptr<Module> find(std::uint32_t pid, const Mapping& mapping);
  void trim();
  bool is_full() const;

 private:
  struct Key {
    std::uint64_t device, inode;
    std::int64_t size, changed_s, changed_ns;
    auto operator<=>(const Key&) const = default;
  };
  struct Entry {
    std::shared_ptr<Module> module;  // nullptr: no ELF file
    std::uint64_t used = 0;
  };
  std::shared_ptr<Module> open(std::uint32_t pid, const Mapping& mapping, UniqueFd file);

  DebugFiles debug_files_;
  std::map<Key, Entry> modules_;
  std::uint64_t uses_ = 0;
};

// True if the process has mapped a file with "python" in its path: cheaper than to look into all of
// its files.
bool has_python(std::uint32_t pid);

class ProcessView {
 public:
  // nullopt: the process is gone, or denies it. Shares modules with an earlier view of it where
  // neither the mapping nor the file has changed.
  static std::optional<ProcessView> open(std::uint32_t pid, ModuleCache& cache,
                                         const ProcessView* earlier = nullptr);

  struct Place {
    const Mapping* mapping = nullptr;  // nullptr: nothing is mapped there
    Module* module = nullptr;          // nullptr: no file, or it cannot be read
    std::uint64_t address = 0;         // in the module
    std::uint64_t bias = 0;            // 0 if there is no module
  };
  Place find(std::uint64_t address) const;
  bool is_code(std::uint64_t address) const;           // in an executable mapping
  bool has_code_without_file() const;                  // of a JIT
  bool has_file(std::string_view name) const;          // mapped as code, by its base name
  bool has_same_code(const ProcessView& other) const;  // the same executable mappings
  bool has_same_modules(const ProcessView& other) const { return modules_ == other.modules_; }
  std::uint32_t pid() const { return pid_; }
  // Each module once.
  std::vector<Place> modules() const;

 private:
  explicit ProcessView(std::uint32_t pid) : pid_(pid) {}
  std::shared_ptr<Module> unchanged_module(const Mapping& mapping) const;
  std::uint32_t pid_ = 0;
  std::vector<Mapping> mappings_;
  std::map<std::uint64_t, std::shared_ptr<Module>> modules_;  // by the begin of the mapping
};

}  // namespace tcpdwell
