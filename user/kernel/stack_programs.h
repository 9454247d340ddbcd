// SPDX-License-Identifier: Apache-2.0
// The BPF programs of --where in a trace (bpf/stacks.bpf.c), loaded and attached while this object
// lives, and their ring.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "model/stack.h"
#include "tcpdwell/wire.h"
#include "util/result.h"
#include "where/packing.h"

namespace tcpdwell {

// A record of the ring.
struct CapturedStack {
  enum class What : std::uint8_t { Captured, OverBudget, Executed };
  What what = What::Captured;
  Nanos at{};
  std::uint64_t cookie = 0;
  StackMoment moment = StackMoment::Opened;
  bool is_native = true;      // false: a 32-bit process
  bool python_asked = false;  // its Python frames were looked for
  StackSnapshot snapshot;     // OverBudget, Executed: only the process
};

class StackPrograms {
 public:
  // Before rights are dropped. With `followed_tasks` (Programs::followed_tasks()) only for the
  // tasks that it has; nullopt: for all.
  static Result<StackPrograms> load(const tcpdwell_filter& filter,
                                    std::optional<int> followed_tasks);
  StackPrograms(StackPrograms&&) noexcept;
  StackPrograms& operator=(StackPrograms&&) noexcept;
  ~StackPrograms();

  bool sees_accept() const;
  bool sees_eof() const;
  // Readable when there are records.
  int fd() const;
  // At most `most` records.
  void drain(std::size_t most, const std::function<void(CapturedStack&&)>& take);
  std::uint64_t lost() const;  // the ring was full
  // From now on the Python frames of this process are walked.
  void add_python(std::uint32_t pid, const PythonPlace& place);

 private:
  struct Impl;
  explicit StackPrograms(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Whether a program can see receives here. Attaches a small one where the kernel has no tracepoint.
bool can_see_receives();

}  // namespace tcpdwell
