// SPDX-License-Identifier: Apache-2.0
#include "sinks/file_writer.h"

#include <linux/capability.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace tcpdwell {
namespace {

// A thread begins with the capabilities of the one that made it. A file that is open is written
// to without any.
void give_up_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const std::array<__user_cap_data_struct, 2> none{};
  ::syscall(SYS_capset, &header, none.data());
}

}  // namespace

FileWriter::FileWriter(int fd, std::size_t backlog, Write write)
    // One is written while the next one is filled.
    : most_blocks_(std::max<std::size_t>(backlog / kBlock, 2)), write_(std::move(write)), fd_(fd) {
  free_.reserve(kKept);
}

FileWriter::~FileWriter() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_one();
  thread_.join();
}

void FileWriter::Unmap::operator()(char* memory) const { ::munmap(memory, kBlock); }

// A line is in one block, unless it is longer: others may append to the same file.
void FileWriter::add(std::string_view line) {
  while (!line.empty()) {
    const std::size_t room = front_.memory ? kBlock - front_.size : 0;
    if (room == 0 || (line.size() > room && line.size() <= kBlock)) {
      if (front_.memory) give(std::exchange(front_, {}));
      front_.memory = take();
      continue;
    }
    const std::size_t part = std::min(room, line.size());
    std::memcpy(front_.memory.get() + front_.size, line.data(), part);
    front_.size += part;
    line.remove_prefix(part);
  }
}

void FileWriter::flush() {
  if (front_.size == 0) return;
  {
    const std::lock_guard lock(mutex_);
    if (!queue_.empty()) return;
  }
  give(std::exchange(front_, {}));
}

void FileWriter::finish() {
  if (front_.size > 0) give(std::exchange(front_, {}));
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return unwritten_ == 0; });
}

void FileWriter::go_on_in(int fd, UniqueFd old) {
  if (front_.size > 0) give(std::exchange(front_, {}));
  give({.memory = {}, .next_fd = fd, .old = std::move(old)});
}

bool FileWriter::pending() const {
  if (front_.size > 0) return true;
  const std::lock_guard lock(mutex_);
  return unwritten_ > 0;
}

std::size_t FileWriter::memory() const {
  const std::lock_guard lock(mutex_);
  return blocks_ * kBlock;
}

FileWriter::Memory FileWriter::take() {
  {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return !free_.empty() || blocks_ < most_blocks_; });
    if (!free_.empty()) {
      Memory memory = std::move(free_.back());  // the one that is most likely in the cache
      free_.pop_back();
      return memory;
    }
    ++blocks_;
  }
  void* const memory =
      ::mmap(nullptr, kBlock, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return Memory(static_cast<char*>(memory));
}

void FileWriter::give(Block block) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(block));
    ++unwritten_;
  }
  work_.notify_one();
  if (!thread_.joinable()) start();
}

void FileWriter::start() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// --- on the helper thread ---------------------------------------------------------------------

void FileWriter::run() {
  ::prctl(PR_SET_NAME, "tcpdwell:writer");
  give_up_capabilities();
  std::unique_lock lock(mutex_);
  while (true) {
    work_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (queue_.empty()) return;
    batch_.swap(queue_);  // both keep their room: nothing is allocated once a stall was seen
    for (Block& block : batch_) {
      lock.unlock();
      write_out(block);
      if (block.next_fd >= 0) fd_ = block.next_fd;
      block.old.reset();
      lock.lock();
      if (block.memory) take_back(std::move(block.memory), lock);
      --unwritten_;
      done_.notify_one();
    }
    batch_.clear();
  }
}

void FileWriter::write_out(const Block& block) {
  std::size_t written = 0;
  while (written < block.size && failure_ == 0) {
    const ssize_t count = write_(fd_, block.memory.get() + written, block.size - written);
    if (count >= 0)
      written += static_cast<std::size_t>(count);
    else if (errno != EINTR)
      failure_ = errno;
  }
}

void FileWriter::take_back(Memory memory, std::unique_lock<std::mutex>& lock) {
  if (free_.size() < kKept) {
    free_.push_back(std::move(memory));
    return;
  }
  --blocks_;
  lock.unlock();
  memory.reset();
  lock.lock();
}

}  // namespace tcpdwell
