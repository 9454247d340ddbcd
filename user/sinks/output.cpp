// SPDX-License-Identifier: Apache-2.0
#include "sinks/output.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace tcpdwell {
namespace {

constexpr std::size_t kBlock = 1U << 20U;
constexpr int kPatienceMs = 1000;

UniqueFd make(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666));
}

// O_NONBLOCK would be the reader's and the shell's too: it belongs to the open file, not to us. A
// pipe that poll() calls writable takes PIPE_BUF bytes without blocking.
std::size_t block_for(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0 || S_ISREG(info.st_mode)) return kBlock;
  return PIPE_BUF;
}

}  // namespace

Result<Output> Output::open(const std::string& path, std::size_t backlog) {
  Output output(STDOUT_FILENO, backlog);
  if (path.empty()) return output;
  output.path_ = path;
  output.file_ = make(path);
  if (!output.file_) return system_error("--output: opening " + path);
  return output;
}

void Output::write(std::string_view line) {
  if (closed_ || error_) return;
  if (buffer_.size() - written_ + line.size() > backlog_) {
    ++dropped_;
    return;
  }
  buffer_ += line;
}

Output::Status Output::flush() {
  while (!closed_ && !error_ && !buffer_.empty()) {
    const std::size_t before = written_;
    const Status status = write_some(0);
    if (status != Status::Ok) return status;
    if (!buffer_.empty() && written_ == before) break;  // the reader is slow: later
  }
  if (error_) return Status::Failed;
  return closed_ ? Status::Closed : Status::Ok;
}

Output::Status Output::finish() {
  while (!closed_ && !error_ && !buffer_.empty()) {
    const std::size_t before = written_;
    const Status status = write_some(kPatienceMs);
    if (status != Status::Ok) return status;
    if (!buffer_.empty() && written_ == before) {
      dropped_ += static_cast<std::uint64_t>(
          std::count(buffer_.begin() + static_cast<std::ptrdiff_t>(written_), buffer_.end(), '\n'));
      buffer_.clear();
    }
  }
  if (error_) return Status::Failed;
  return closed_ ? Status::Closed : Status::Ok;
}

Output::Status Output::write_some(int wait_ms) {
  const std::size_t size = std::min(buffer_.size() - written_, block_for(fd()));
  pollfd ready{.fd = fd(), .events = POLLOUT, .revents = 0};
  if (::poll(&ready, 1, wait_ms) == 0) return Status::Ok;
  const ssize_t count = ::write(fd(), buffer_.data() + written_, size);
  if (count < 0) {
    if (errno == EINTR || errno == EAGAIN) return Status::Ok;
    if (errno == EPIPE) {
      closed_ = true;
      return Status::Closed;
    }
    return fail(path_.empty() ? "writing to standard output" : "writing to " + path_);
  }
  written_ += static_cast<std::size_t>(count);
  if (written_ == buffer_.size()) {
    buffer_.clear();
    written_ = 0;
  } else if (written_ >= kBlock) {  // do not move what is left at every block
    buffer_.erase(0, written_);
    written_ = 0;
  }
  return Status::Ok;
}

Output::Status Output::fail(std::string_view doing) {
  error_ = system_error(doing);
  return Status::Failed;
}

bool Output::reopen() {
  if (path_.empty()) return true;
  if (finish() == Status::Failed) return false;
  UniqueFd file = make(path_);
  if (!file) {
    fail("--output: opening " + path_ + " again");
    return false;
  }
  file_ = std::move(file);
  return true;
}

bool Output::is_terminal() const { return ::isatty(fd()) == 1; }

}  // namespace tcpdwell
