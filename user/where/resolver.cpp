// SPDX-License-Identifier: Apache-2.0
#include "where/resolver.h"

#include <algorithm>
#include <optional>

#include "where/jit_code.h"
#include "where/process_memory.h"
#include "where/process_status.h"
#include "where/python_frames.h"
#include "where/stack_parts.h"
#include "where/unwinder.h"

namespace tcpdwell {
namespace {

StackPiece read_stack(const MemoryReader& memory, std::uint64_t begin, std::uint32_t size) {
  StackPiece piece{.begin = begin, .bytes = {}};
  piece.bytes.resize(std::min<std::size_t>(size, kMostStackBytes));
  piece.bytes.resize(memory.read(begin, piece.bytes));
  return piece;
}

class ThreadResolver {
 public:
  ThreadResolver(const ProcessView& process, const ThreadsQuestion& question)
      : process_(process),
        question_(question),
        memory_(question.pid),
        python_(find_python(process, memory_)),
        jit_(question.pid) {
    jit_.refresh(process);
  }

  ResolvedStack resolve(const ThreadSnapshot& thread) const {
    const auto before = read_status(question_.pid, thread.tid);
    if (!before) return {.stack = {}, .missing = NoStack::Exited};
    const StackPiece piece =
        read_stack(memory_, thread.registers.stack_pointer(), question_.stack_bytes);
    Stack python;
    if (python_ && python_->layout)
      python = python_frames(*python_->layout, python_->runtime,
                             {.native_id = before->own_tid, .thread_id = thread.thread_pointer},
                             memory_);
    const auto after = read_status(question_.pid, thread.tid);
    if (!after) return {.stack = {}, .missing = NoStack::Exited};
    // What was read is of several moments, if it ran since its registers were read.
    if (after->switches != thread.switches) return {.stack = {}, .missing = NoStack::Running};
    if (piece.bytes.empty()) return {.stack = {}, .missing = NoStack::Denied};
    return put_together(
        process_, unwind(process_, thread.registers, piece, &jit_), std::move(python), python_,
        [this](std::uint64_t address) { return name_call(process_, address, &jit_); });
  }

 private:
  const ProcessView& process_;
  const ThreadsQuestion& question_;
  const ProcessMemory memory_;
  const std::optional<PythonInterpreter> python_;
  JitCode jit_;
};

}  // namespace

std::vector<ResolvedStack> Resolver::resolve(const ThreadsQuestion& question) {
  std::vector<ResolvedStack> stacks;
  {
    const auto process = ProcessView::open(question.pid, cache_);
    if (!process)
      return {question.threads.size(), ResolvedStack{.stack = {}, .missing = NoStack::Denied}};
    const ThreadResolver resolver(*process, question);
    for (const ThreadSnapshot& thread : question.threads)
      stacks.push_back(resolver.resolve(thread));
  }
  cache_.trim();
  return stacks;
}

std::vector<ResolvedStack> Resolver::resolve(const StacksQuestion& question) {
  std::vector<ResolvedStack> stacks;
  for (const StackSnapshot& snapshot : question.snapshots) {
    ProcessStacks* process = find_process(snapshot);
    stacks.push_back(process != nullptr ? process->resolve(snapshot)
                                        : ResolvedStack{.stack = {}, .missing = NoStack::Exited});
  }
  if (cache_.is_full()) processes_.clear();  // they keep modules
  cache_.trim();
  return stacks;
}

// Views of processes that have ended stay: their last stacks may come late.
ProcessStacks* Resolver::find_process(const StackSnapshot& snapshot) {
  const ProcessKey key{snapshot.pid, snapshot.started, snapshot.exec_id};
  auto it = processes_.find(key);
  if (it == processes_.end()) {
    auto opened = ProcessStacks::open(snapshot, cache_);
    if (opened == nullptr) return nullptr;
    if (processes_.size() >= kMostProcesses)
      processes_.erase(std::min_element(
          processes_.begin(), processes_.end(),
          [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
    it = processes_.emplace(key, Known{.process = std::move(opened)}).first;
  }
  it->second.used = ++uses_;
  return it->second.process.get();
}

std::optional<PythonPlace> Resolver::find(const PythonQuestion& question) {
  if (!has_python(question.pid)) return std::nullopt;
  const auto process = ProcessView::open(question.pid, cache_);
  if (!process) return std::nullopt;
  const auto found = find_python(*process, ProcessMemory(question.pid));
  if (!found || !found->layout) return std::nullopt;
  return PythonPlace{.runtime = found->runtime, .layout = *found->layout};
}

}  // namespace tcpdwell
