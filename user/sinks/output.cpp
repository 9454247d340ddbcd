// SPDX-License-Identifier: Apache-2.0
#include "sinks/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr auto kFirstPatience = 100ms;  // events are waiting meanwhile

// `flag`: O_TRUNC at first, when a FIFO waits for its reader. O_NONBLOCK later, when signals are
// read between two steps only: the open() of a FIFO without a reader would never return.
UniqueFd make(const std::string& path, int flag) {
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | flag, 0666));
  if (file) ::fcntl(file.get(), F_SETFL, O_APPEND);
  return file;
}

// At full churn some 225 MB come a second: a quarter of a second at least, five at the most.
std::size_t default_buffer() {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto memory = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) * page;
  return std::clamp<std::size_t>(memory / 64, 64U << 20U, 1U << 30U);
}

// A pipe of 64 KiB is full before its reader has had its turn. As much as anybody may ask for
// (/proc/sys/fs/pipe-max-size), if it is granted.
void enlarge_pipe(int fd) {
  constexpr int kPipe = 1 << 20;
  if (const int size = ::fcntl(fd, F_GETPIPE_SZ); size > 0 && size < kPipe)
    ::fcntl(fd, F_SETPIPE_SZ, kPipe);
}

}  // namespace

Output::Output(int borrowed_fd, std::size_t buffer)
    : fd_(borrowed_fd), buffer_(buffer > 0 ? buffer : default_buffer()) {
  make_writer();
}

// For the descriptor that it is now.
void Output::make_writer() { writer_ = std::make_unique<BlockWriter>(fd(), buffer_); }

Result<Output> Output::open(const std::string& path, std::size_t buffer) {
  Output output(STDOUT_FILENO, buffer);
  if (path.empty()) {
    // The next descriptor that is made would be taken for it.
    if (::fcntl(STDOUT_FILENO, F_GETFD) < 0)
      return system_error("standard output", 0, "It is closed: use --output FILE");
    enlarge_pipe(STDOUT_FILENO);
    return output;
  }
  output.path_ = path;
  output.file_ = make(path, O_TRUNC);
  if (!output.file_) return system_error("--output: opening " + path);
  enlarge_pipe(output.fd());
  output.make_writer();
  return output;
}

void Output::write(std::string_view line, bool must) {
  if (closed_ || error_) return;
  if (!writer_->add(line, must)) ++dropped_;
}

std::string Output::target() const { return path_.empty() ? "standard output" : path_; }

Output::Status Output::status() {
  const int failure = writer_->failure();
  if (failure == EPIPE || failure == ECONNRESET)
    closed_ = true;
  else if (failure != 0 && !error_)
    error_ = system_error("writing to " + target(), -failure);
  if (error_) return Status::Failed;
  return closed_ ? Status::Closed : Status::Ok;
}

Output::Status Output::flush() {
  writer_->flush();
  return status();
}

Output::Status Output::flush_through() {
  writer_->wait(0, kFirstPatience);
  return status();
}

bool Output::wait(std::size_t left, std::chrono::milliseconds most) {
  return writer_->wait(left, most);
}

Output::Status Output::finish() {
  writer_->finish();
  return status();
}

bool Output::reopen() {
  if (path_.empty()) return true;
  if (flush() == Status::Failed) return false;
  UniqueFd file = make(path_, O_NONBLOCK);  // not renamed, after all: what it has stays
  if (!file && errno == ENXIO) {
    closed_ = true;
    return false;
  }
  if (!file) {
    error_ = system_error("--output: opening " + path_ + " again");
    return false;
  }
  enlarge_pipe(file.get());
  UniqueFd old = std::exchange(file_, std::move(file));
  writer_->go_on_in(fd(), std::move(old));
  return true;
}

bool Output::is_terminal() const { return ::isatty(fd()) == 1; }

}  // namespace tcpdwell
