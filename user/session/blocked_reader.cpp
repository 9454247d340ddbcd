// SPDX-License-Identifier: Apache-2.0
#include "session/blocked_reader.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "kernel/system_calls.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostGroups = 16;  // of one process

bool is_alike(const BlockedThread& a, const BlockedThread& b) {
  return a.call == b.call && a.fd == b.fd && a.socket == b.socket && a.stack == b.stack &&
         a.missing == b.missing;
}

// Threads that wait for a TCP socket first, then those in the largest groups.
bool comes_first(const BlockedThread& a, const BlockedThread& b) {
  return std::pair(a.socket.has_value(), a.threads) > std::pair(b.socket.has_value(), b.threads);
}

}  // namespace

Result<std::unique_ptr<BlockedReader>> BlockedReader::open(Config config) {
  auto walk = ThreadWalk::load();
  if (!walk) return walk.error();
  return std::unique_ptr<BlockedReader>(new BlockedReader(std::move(*walk), std::move(config)));
}

void BlockedReader::resolve(std::uint32_t pid, const std::vector<const WalkedThread*>& threads) {
  ThreadsQuestion question{.pid = pid, .stack_bytes = kMostStackBytes, .threads = {}};
  for (const WalkedThread* thread : threads) {
    const auto it = kept_.find({pid, thread->snapshot.tid});
    const bool known = it != kept_.end() && it->second.switches == thread->snapshot.switches;
    if (!known && thread->waits && thread->is_native && question.threads.size() < kMostAsked)
      question.threads.push_back(thread->snapshot);
  }
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(until_ - std::chrono::steady_clock::now());
  if (question.threads.empty() || left.count() <= 0) return;
  if (kept_.size() + question.threads.size() > kMostKept) kept_.clear();
  auto stacks = resolver_.ask(question, left);
  for (std::size_t i = 0; i < stacks.size(); ++i) {
    if (config_.without_paths) leave_out_directories(stacks[i].stack);
    kept_[{pid, question.threads[i].tid}] = {.switches = question.threads[i].switches,
                                             .resolved = std::move(stacks[i])};
  }
}

BlockedThreads BlockedReader::blocked_of(std::uint32_t pid,
                                         const std::vector<const WalkedThread*>& threads) {
  resolve(pid, threads);
  BlockedThreads groups;
  for (const WalkedThread* thread : threads) {
    BlockedThread one{.tid = thread->snapshot.tid, .comm = thread->comm, .call = {}, .stack = {}};
    const auto it = kept_.find({pid, thread->snapshot.tid});
    if (!thread->waits) {
      one.missing = NoStack::Running;
    } else {
      const SystemCall call = find_system_call(thread->call);
      one.call = call.name.empty() && thread->call >= 0 ? "syscall " + std::to_string(thread->call)
                                                        : std::string(call.name);
      if (call.on_descriptor && thread->is_native) {
        one.fd = static_cast<int>(thread->argument);
        one.socket = thread->socket;
      }
      const bool known = it != kept_.end() && it->second.switches == thread->snapshot.switches;
      one.stack = known ? it->second.resolved.stack : Stack{};
      one.missing = known               ? it->second.resolved.missing
                    : thread->is_native ? NoStack::Budget
                                        : NoStack::UnknownVersion;
    }
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const BlockedThread& group) {
      return is_alike(group, one);
    });
    if (same != groups.end())
      ++same->threads;
    else
      groups.push_back(std::move(one));
  }
  std::stable_sort(groups.begin(), groups.end(), comes_first);
  if (groups.size() > kMostGroups) groups.resize(kMostGroups);
  return groups;
}

void BlockedReader::add_to(ProcessesEvent& event) {
  std::vector<std::uint32_t> pids;
  for (const ProcessFacts& facts : event.processes)
    if (pids.size() < kMostProcesses) pids.push_back(facts.pid);
  if (pids.empty()) return;
  until_ = std::chrono::steady_clock::now() + config_.patience;
  auto walked = walk_.threads_of(pids);
  if (!walked) {
    spdlog::warn("{}: no line of code is known", walked.error().text());
    return;
  }
  std::map<std::uint32_t, std::vector<const WalkedThread*>> by_pid;
  for (const WalkedThread& thread : *walked) by_pid[thread.pid].push_back(&thread);
  for (ProcessFacts& facts : event.processes)
    if (const auto it = by_pid.find(facts.pid); it != by_pid.end())
      facts.blocked = std::make_shared<const BlockedThreads>(blocked_of(facts.pid, it->second));
}

}  // namespace tcpdwell
