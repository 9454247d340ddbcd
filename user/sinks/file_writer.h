// SPDX-License-Identifier: Apache-2.0
// Writes to a regular file on a helper thread: a disk, or memory, that stalls does not stall the
// caller. Nothing is ever dropped: where the backlog is full, the caller waits for room. All but
// the write function is called by one thread, the owner's.
#pragma once

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "util/unique_fd.h"

namespace tcpdwell {

class FileWriter {
 public:
  // As write(2). Called by the helper.
  using Write = std::function<ssize_t(int fd, const void* data, std::size_t size)>;
  static constexpr std::size_t kBlock = 1U << 20U;
  static constexpr std::size_t kKept = 8;  // blocks; the others are given back when a stall is over

  // The caller keeps `fd` open. The thread comes with the first block: who writes nothing has none.
  // It takes no signals, which are the event loop's, and has no capabilities.
  FileWriter(int fd, std::size_t backlog, Write write = ::write);
  // What was handed over is written before; what was only added is dropped.
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  // A whole line. Waits only where the backlog is full.
  void add(std::string_view line);
  // Hands over what was added. Where the helper has a block to come to already, more collects
  // instead, as a block takes as much of the backlog when it is nearly empty: it is pending() then.
  void flush();
  // All that was added is written, or has failed.
  void finish();
  // What is added from now on goes to `fd`. `old` is closed when all that was added before is in
  // it.
  void go_on_in(int fd, UniqueFd old);

  bool pending() const;  // something that was added is not written
  // The errno of the write that failed; nothing is written after it. 0: none did.
  int failure() const { return failure_; }
  std::size_t memory() const;  // of all blocks

 private:
  // Mapped, not from the heap: there a block below one that is still in use would stay ours.
  struct Unmap {
    void operator()(char* memory) const;
  };
  using Memory = std::unique_ptr<char[], Unmap>;
  struct Block {
    Memory memory;
    std::size_t size = 0;
    int next_fd = -1;  // where what comes after it goes; -1: to the same
    UniqueFd old;
  };

  Memory take();
  void give(Block block);
  void start();
  void run();
  void write_out(const Block& block);
  void take_back(Memory memory, std::unique_lock<std::mutex>& lock);

  const std::size_t most_blocks_;
  const Write write_;
  Block front_;               // the owner's
  int fd_;                    // the helper's
  std::vector<Block> batch_;  // the helper's
  std::atomic<int> failure_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable work_;  // for the helper
  std::condition_variable done_;  // a block is, for the owner
  std::vector<Block> queue_;
  std::vector<Memory> free_;
  std::size_t blocks_ = 0;     // that there are
  std::size_t unwritten_ = 0;  // of those that were handed over
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace tcpdwell
