// SPDX-License-Identifier: Apache-2.0
// Writes lines to a descriptor of any kind on a thread of its own. The owner copies a line into a
// block, and never waits for the descriptor: a line that finds the backlog full is refused.
// All functions but the write function are called by one thread, the owner's.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "sinks/block_pool.h"
#include "util/unique_fd.h"

namespace tcpdwell {

class BlockWriter {
 public:
  // As writev(2). The thread calls it. EINTR: it was interrupted.
  using Write = std::function<ssize_t(int fd, const iovec* parts, int count)>;
  static constexpr std::size_t kBlock = BlockPool::kBlock;
  // What a stall needed is given back after one to two of these.
  static constexpr std::chrono::milliseconds kPeriod{10'000};

  // The caller keeps `fd` open. `most`: bytes that may wait. The thread is made with the first
  // block. It has no capabilities and takes no signal but SIGURG, which interrupts a write that
  // blocks, and SIGTTOU.
  BlockWriter(int fd, std::size_t most, Write write = ::writev,
              std::chrono::milliseconds period = kPeriod);
  // As give_up_slowly(), for what was handed over. What was only added is dropped.
  ~BlockWriter();
  BlockWriter(const BlockWriter&) = delete;
  BlockWriter& operator=(const BlockWriter&) = delete;

  // A whole line. False: it does not fit into the backlog, and nothing of it was taken. `must`: it
  // is taken all the same.
  bool add(std::string_view line, bool must = false);
  // Hands over what was added. If the thread has not come to the last such block yet, this one
  // is filled on instead: it is unflushed() then.
  void flush();
  bool unflushed() const { return front_.size > 0; }
  // Hands over what was added, and waits until no more than `left` bytes are to be written, or
  // nothing will be any more. False: not within `most`; a regular file has any time.
  bool wait(std::size_t left, std::chrono::milliseconds most);
  // The last of it. A regular file is waited for. A reader gets 1 s for the next byte and 5 s for
  // all; then the rest is dropped, and its lines are counted.
  void finish();
  // What is added from now on goes to `fd`. `old` is closed when it has all that was added before,
  // or when its reader was given up, as by finish(), while flush() was called.
  void go_on_in(int fd, UniqueFd old);

  std::uint64_t unwritten() const { return added_ - finished_; }  // bytes
  // The errno of the write that failed; nothing is written after it. 0: none did.
  int failure() const { return failure_; }
  std::uint64_t given_up_lines() const { return given_up_; }
  std::size_t memory() const;  // of all blocks

 private:
  using Clock = std::chrono::steady_clock;
  struct Block {
    BlockPool::Memory memory;  // null: from here on everything goes to next_fd
    std::size_t size = 0;
    int next_fd = -1;
    UniqueFd old;
  };
  // With a reader that does not take everything.
  struct Patience {
    Clock::time_point began = Clock::now(), progressed = began;
    std::uint64_t finished = 0;
    bool is_over(std::uint64_t finished_now);
  };

  void next_block();
  void hand_over();
  bool is_idle() const { return queue_.empty() && !busy_; }
  void give_up_slowly();
  void hurry();
  void interrupt();
  void start();
  void run();
  void wait_for_work(std::unique_lock<std::mutex>& lock);
  void trim(std::unique_lock<std::mutex>& lock);
  void write_batch(std::unique_lock<std::mutex>& lock);
  void write_out(iovec* parts, int count);
  void fail(int error);
  void discard(const iovec* parts, int count);

  const std::size_t most_;
  const Write write_;
  const std::chrono::milliseconds period_;
  // The owner's.
  Block front_;
  std::uint64_t added_ = 0;           // bytes
  std::uint64_t known_finished_ = 0;  // at least so many are finished
  std::optional<Patience> leaving_;   // there is another descriptor to go on in
  // The thread's.
  int fd_;
  std::vector<Block> batch_;
  Clock::time_point next_trim_{};
  // Of both.
  std::atomic<std::uint64_t> finished_ = 0;  // bytes: written, or given up
  std::atomic<std::uint64_t> given_up_ = 0;  // lines
  std::atomic<int> failure_ = 0;
  std::atomic<bool> give_up_ = false;  // the rest that is for the present descriptor
  mutable std::mutex mutex_;
  std::condition_variable work_;  // for the thread
  std::condition_variable done_;  // some of it is, for the owner
  BlockPool pool_;
  std::vector<Block> queue_;
  std::size_t switches_ = 0;  // descriptors to go on in that are in queue_ or batch_
  bool busy_ = false;         // the thread writes, or was woken to
  bool regular_;              // fd_ is a regular file
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace tcpdwell
