// SPDX-License-Identifier: Apache-2.0
// Writes lines to a descriptor of any kind on its own thread. The owner copies a line into a block
// and never waits for the descriptor: a full backlog refuses the line. Only the owner's thread
// calls the functions, except the write function.
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
  // As writev(2). Called on the writer thread. EINTR: interrupted.
  using Write = std::function<ssize_t(int fd, const iovec* parts, int count)>;
  static constexpr std::size_t kBlock = BlockPool::kBlock;
  // The memory of a stall is released after one to two periods.
  static constexpr std::chrono::milliseconds kPeriod{10'000};

  // Keep `fd` open. `most`: limit of pending bytes. The first block starts the thread, which has no
  // capabilities and takes no signals but SIGURG, to interrupt a blocked write, and SIGTTOU.
  BlockWriter(int fd, std::size_t most, Write write = ::writev,
              std::chrono::milliseconds period = kPeriod);
  // As give_up_slowly() for flushed data. Drops unflushed data.
  ~BlockWriter();
  BlockWriter(const BlockWriter&) = delete;
  BlockWriter& operator=(const BlockWriter&) = delete;

  // Adds a whole line. False: the backlog is full, and nothing was added. `must`: ignore the limit.
  bool add(std::string_view line, bool must = false);
  // For a line whose size is known only once it is written: where to write one of at most `size`
  // bytes. Null: use add(). commit() then takes the bytes written there, and returns what add()
  // would.
  char* place(std::size_t size) {
    return front_.memory && size <= kBlock - front_.size ? front_.memory.get() + front_.size
                                                         : nullptr;
  }
  bool commit(std::size_t size);
  // Hands added data to the thread. If the writer is busy, keep filling this block, which is then
  // unflushed().
  void flush();
  bool unflushed() const { return front_.size > 0; }
  // As flush(), and waits until at most `left` bytes are pending or the output has ended. False:
  // not within `most`; a regular file has no limit.
  bool wait(std::size_t left, std::chrono::milliseconds most);
  // Writes the rest. Waits for a regular file without limit; gives a reader 1 s for the next byte
  // and 5 s in all, then drops the rest and counts its lines.
  void finish();
  // Later data goes to `fd`. `old` is closed once it has all earlier data, or once its reader has
  // used up the time of finish(), while flush() is called.
  void go_on_in(int fd, UniqueFd old);

  std::uint64_t unwritten() const { return added_ - finished_; }  // bytes
  // The errno of a failed write, after which nothing is written; 0: none.
  int failure() const { return failure_; }
  std::uint64_t given_up_lines() const { return given_up_; }
  std::size_t memory() const;  // of all blocks

 private:
  using Clock = std::chrono::steady_clock;
  struct Block {
    BlockPool::Memory memory;  // null: later data goes to next_fd
    std::size_t size = 0;
    int next_fd = -1;
    UniqueFd old;
  };
  // The state of waiting for a slow reader.
  struct Patience {
    Clock::time_point began = Clock::now(), progressed = began;
    std::uint64_t finished = 0;
    bool is_over(std::uint64_t finished_now);
  };

  bool is_full(std::size_t size);
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
  // Used by the owner.
  Block front_;
  std::uint64_t added_ = 0;           // bytes
  std::uint64_t known_finished_ = 0;  // lower bound of finished_
  std::optional<Patience> leaving_;   // waiting to leave the old descriptor
  // Used by the writer thread.
  int fd_;
  std::vector<Block> batch_;
  Clock::time_point next_trim_{};
  // Used by both.
  std::atomic<std::uint64_t> finished_ = 0;  // bytes written or dropped
  std::atomic<std::uint64_t> given_up_ = 0;  // lines
  std::atomic<int> failure_ = 0;
  std::atomic<bool> give_up_ = false;  // drop the rest for the current descriptor
  mutable std::mutex mutex_;
  std::condition_variable work_;  // wakes the thread
  std::condition_variable done_;  // some is done: wakes the owner
  BlockPool pool_;
  std::vector<Block> queue_;
  std::size_t switches_ = 0;  // next descriptors in queue_ or batch_
  bool busy_ = false;         // the thread writes or is being woken
  bool regular_;              // fd_ is a regular file
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace tcpdwell
