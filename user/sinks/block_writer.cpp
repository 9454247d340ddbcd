// SPDX-License-Identifier: Apache-2.0
#include "sinks/block_writer.h"

#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "util/thread.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 1s;      // without any progress
constexpr auto kMostPatience = 5s;  // in all
constexpr auto kLook = 50ms;        // interval between two checks of its progress
constexpr int kMostParts = 16;      // 1 MiB a write: the size of our pipes
constexpr std::size_t kWake = 4;    // blocks: a wakeup for each would cost more than its copy
// Ignored by default, not sent by terminals, and not forwarded to the command of `run`.
constexpr int kInterrupt = SIGURG;

// A thread inherits the capabilities of its maker. Writing to an open file needs none.
void give_up_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const std::array<__user_cap_data_struct, 2> none{};
  ::syscall(SYS_capset, &header, none.data());
}

bool is_regular(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

}  // namespace

BlockWriter::BlockWriter(int fd, std::size_t most, Write write, std::chrono::milliseconds period)
    : most_(most),
      write_(std::move(write)),
      period_(period),
      fd_(fd),
      pool_(most / kBlock + BlockPool::kLeast),
      regular_(is_regular(fd)) {
  queue_.reserve(most / kBlock + BlockPool::kLeast);
  batch_.reserve(queue_.capacity());
}

BlockWriter::~BlockWriter() {
  if (!thread_.joinable()) return;
  give_up_slowly();
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_one();
  thread_.join();
}

bool BlockWriter::is_full(std::size_t size) {
  if (added_ + size - known_finished_ <= most_) return false;
  known_finished_ = finished_;
  return added_ + size - known_finished_ > most_;
}

bool BlockWriter::commit(std::size_t size) {
  if (is_full(size)) return false;
  added_ += size;
  front_.size += size;
  return true;
}

bool BlockWriter::add(std::string_view line, bool must) {
  if (is_full(line.size()) && !must) return false;
  added_ += line.size();
  // Keep a line in one block if it fits: other processes may append to the same file.
  while (!line.empty()) {
    const std::size_t room = front_.memory ? kBlock - front_.size : 0;
    if (room == 0 || (line.size() > room && line.size() <= kBlock)) {
      next_block();
      continue;
    }
    const std::size_t part = std::min(room, line.size());
    std::memcpy(front_.memory.get() + front_.size, line.data(), part);
    front_.size += part;
    line.remove_prefix(part);
  }
  return true;
}

void BlockWriter::next_block() {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (front_.memory) queue_.push_back(std::exchange(front_, {}));
    front_.memory = pool_.take();
    wake = queue_.size() >= kWake && !std::exchange(busy_, true);
  }
  if (!wake) return;
  work_.notify_one();
  if (!thread_.joinable()) start();
}

void BlockWriter::flush() {
  hurry();
  {
    const std::lock_guard lock(mutex_);
    if (busy_ && !queue_.empty()) return;
  }
  hand_over();
}

void BlockWriter::hand_over() {
  {
    const std::lock_guard lock(mutex_);
    if (front_.size > 0) queue_.push_back(std::exchange(front_, {}));
    if (queue_.empty()) return;
    busy_ = true;
  }
  work_.notify_one();
  if (!thread_.joinable()) start();
}

bool BlockWriter::wait(std::size_t left, std::chrono::milliseconds most) {
  hand_over();
  const auto reached = [&] { return is_idle() || (left > 0 && unwritten() <= left); };
  std::unique_lock lock(mutex_);
  const auto deadline = Clock::now() + most;
  while (!reached()) {
    if (regular_)
      done_.wait(lock);
    else if (done_.wait_until(lock, deadline) == std::cv_status::timeout)
      return reached();
  }
  return true;
}

void BlockWriter::finish() {
  hand_over();
  give_up_slowly();
}

// Interrupts a blocked write to check its progress, and repeats the signal to end it: the write may
// not have begun when a signal came.
void BlockWriter::give_up_slowly() {
  Patience patience{.finished = finished_};
  std::unique_lock lock(mutex_);
  work_.notify_one();  // full blocks may be in the queue without a wakeup
  while (!is_idle()) {
    if (regular_) {
      done_.wait(lock);
      continue;
    }
    if (!give_up_ && patience.is_over(finished_)) {
      give_up_ = true;
      patience = {.finished = finished_};  // for the next descriptor
    }
    interrupt();
    done_.wait_for(lock, kLook);
  }
  give_up_ = false;
  leaving_.reset();
}

bool BlockWriter::Patience::is_over(std::uint64_t finished_now) {
  const auto now = Clock::now();
  if (std::exchange(finished, finished_now) != finished_now) progressed = now;
  return now - progressed > kPatience || now - began > kMostPatience;
}

void BlockWriter::go_on_in(int fd, UniqueFd old) {
  {
    const std::lock_guard lock(mutex_);
    if (front_.size > 0) queue_.push_back(std::exchange(front_, {}));
    queue_.push_back({.memory = {}, .size = 0, .next_fd = fd, .old = std::move(old)});
    ++switches_;
  }
  hand_over();
  leaving_ = Patience{.finished = finished_};
}

// Limits how long the reader of the old descriptor can delay data for the new one.
void BlockWriter::hurry() {
  if (!leaving_) return;
  const std::lock_guard lock(mutex_);
  if (switches_ == 0)
    leaving_.reset();
  else if (!regular_) {
    if (leaving_->is_over(finished_)) give_up_ = true;
    interrupt();
  }
}

void BlockWriter::interrupt() {
  if (thread_.joinable()) ::pthread_kill(thread_.native_handle(), kInterrupt);
}

std::size_t BlockWriter::memory() const {
  const std::lock_guard lock(mutex_);
  return pool_.blocks() * kBlock;
}

void BlockWriter::start() {
  struct sigaction action {};
  action.sa_handler = [](int) {};  // without SA_RESTART: the write ends with EINTR, or in part
  ::sigaction(kInterrupt, &action, nullptr);
  sigset_t none, before;
  sigfillset(&none);
  sigdelset(&none, kInterrupt);
  sigdelset(&none, SIGTTOU);  // `stty tostop`: a job in the background stops when it writes
  pthread_sigmask(SIG_SETMASK, &none, &before);
  thread_ = make_thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// --- on the thread ------------------------------------------------------------------------------

void BlockWriter::run() {
  ::prctl(PR_SET_NAME, "tcpdwell:writer");
  give_up_capabilities();
  std::unique_lock lock(mutex_);
  next_trim_ = Clock::now() + period_;
  while (true) {
    wait_for_work(lock);
    if (queue_.empty()) return;
    busy_ = true;
    batch_.swap(queue_);  // both keep their capacity: no allocation here
    write_batch(lock);
    batch_.clear();
    if (Clock::now() >= next_trim_) trim(lock);
  }
}

void BlockWriter::wait_for_work(std::unique_lock<std::mutex>& lock) {
  while (queue_.empty()) {
    busy_ = false;
    done_.notify_one();
    if (stop_) return;
    if (pool_.blocks() <= BlockPool::kLeast)
      work_.wait(lock);
    else if (work_.wait_until(lock, next_trim_) == std::cv_status::timeout)
      trim(lock);
  }
}

void BlockWriter::trim(std::unique_lock<std::mutex>& lock) {
  next_trim_ = Clock::now() + period_;
  auto surplus = pool_.take_surplus();
  lock.unlock();
  surplus.clear();
  lock.lock();
}

void BlockWriter::write_batch(std::unique_lock<std::mutex>& lock) {
  for (std::size_t i = 0; i < batch_.size();) {
    if (!batch_[i].memory) {
      fd_ = batch_[i].next_fd;
      regular_ = is_regular(fd_);
      give_up_ = false;
      --switches_;
      lock.unlock();
      batch_[i++].old.reset();
      lock.lock();
      continue;
    }
    std::array<iovec, kMostParts> parts{};
    int count = 0;
    for (; count < kMostParts && i < batch_.size() && batch_[i].memory; ++i)
      parts[static_cast<std::size_t>(count++)] = {batch_[i].memory.get(), batch_[i].size};
    lock.unlock();
    write_out(parts.data(), count);
    lock.lock();
    for (std::size_t j = i - static_cast<std::size_t>(count); j < i; ++j)
      pool_.give(std::move(batch_[j].memory));
    done_.notify_one();
  }
}

void BlockWriter::write_out(iovec* parts, int count) {
  while (count > 0) {
    if (failure_ != 0 || give_up_) return discard(parts, count);
    const ssize_t result = write_(fd_, parts, count);
    if (result < 0 && errno == EAGAIN) {  // another user of the descriptor made it non-blocking
      pollfd ready{.fd = fd_, .events = POLLOUT, .revents = 0};
      ::poll(&ready, 1, -1);
    } else if (result < 0 && errno != EINTR) {
      fail(errno);
    }
    auto written = static_cast<std::size_t>(std::max<ssize_t>(result, 0));
    finished_ += written;
    for (; count > 0 && written >= parts->iov_len; --count) written -= (parts++)->iov_len;
    if (count > 0)
      *parts = {static_cast<char*>(parts->iov_base) + written, parts->iov_len - written};
  }
}

// With a next descriptor in the queue, ends only the current one.
void BlockWriter::fail(int error) {
  const std::lock_guard lock(mutex_);
  if (switches_ > 0)
    give_up_ = true;
  else
    failure_ = error;
}

// Counts a torn line as dropped. After a failure there is no reader to lose lines.
void BlockWriter::discard(const iovec* parts, int count) {
  std::size_t bytes = 0, lines = 0;
  for (const iovec* part = parts; part != parts + count; ++part) {
    const auto* const text = static_cast<const char*>(part->iov_base);
    lines += static_cast<std::size_t>(std::count(text, text + part->iov_len, '\n'));
    bytes += part->iov_len;
  }
  if (failure_ == 0) given_up_ += lines;
  finished_ += bytes;
}

}  // namespace tcpdwell
