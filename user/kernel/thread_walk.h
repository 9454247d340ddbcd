// SPDX-License-Identifier: Apache-2.0
// A walk through the threads of some processes: their registers and system calls (bpf/where.bpf.c).
// A BPF object of its own: it is loaded only if lines of code are asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/types.h"
#include "util/result.h"
#include "where/packing.h"

namespace tcpdwell {

struct WalkedThread {
  std::uint32_t pid = 0;
  ThreadSnapshot snapshot;
  std::string comm;            // untrusted
  std::int64_t call = -1;      // -1: it is in no system call
  std::uint64_t argument = 0;  // the first one
  std::optional<Flow> socket;  // the TCP socket whose descriptor the first argument is
  bool waits = false;          // false: its registers are old
  bool is_native = true;       // false: a 32-bit process
};

class ThreadWalk {
 public:
  // Loads and attaches: before rights are dropped.
  static Result<ThreadWalk> load();
  ThreadWalk(ThreadWalk&&) noexcept;
  ThreadWalk& operator=(ThreadWalk&&) noexcept;
  ~ThreadWalk();

  // At most kMostProcesses of the processes.
  static constexpr std::size_t kMostProcesses = 1024;
  Result<std::vector<WalkedThread>> threads_of(std::span<const std::uint32_t> pids) const;

 private:
  struct Impl;
  explicit ThreadWalk(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tcpdwell
