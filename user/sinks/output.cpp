// SPDX-License-Identifier: Apache-2.0
#include "sinks/output.h"

#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace tcpdwell {
namespace {

constexpr std::size_t kBlock = 1U << 20U;
constexpr std::size_t kKept = 8 * kBlock;
constexpr std::chrono::milliseconds kMostFlush{5};  // events are waiting meanwhile
constexpr int kPatienceMs = 1000;                   // for a reader that stalls
constexpr std::chrono::seconds kMostPatience{5};    // for one that trickles

// `flag`: O_TRUNC at first; O_NONBLOCK is for a FIFO or a terminal, but then only once it is open:
// a FIFO waits for its reader. O_NONBLOCK later, when signals are read between two steps only: a
// FIFO without a reader would never let go.
UniqueFd make(const std::string& path, int flag) {
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | flag, 0666));
  if (file) ::fcntl(file.get(), F_SETFL, O_APPEND | O_NONBLOCK);
  return file;
}

// A terminal that poll() calls writable may take but a few bytes before it blocks (^S, a reader of
// the other end that stalls), and a pipe takes no more than PIPE_BUF for sure. O_NONBLOCK would be
// the reader's and the shell's too: it belongs to the open file, not to us. Opened once more, it is
// ours alone.
UniqueFd reopen_nonblocking(int fd) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  return UniqueFd(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

bool is_regular(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

// At full churn some 225 MB come a second. Only a disk that stalls makes it this large.
std::size_t file_backlog() {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto memory = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) * page;
  return std::clamp<std::size_t>(memory / 64, 64U << 20U, 256U << 20U);
}

// A pipe of 64 KiB is full before its reader has had its turn: what it takes is then a matter of
// how often we look. As much as anybody may ask for (/proc/sys/fs/pipe-max-size), if it is granted.
void enlarge_pipe(int fd) {
  if (const int size = ::fcntl(fd, F_GETPIPE_SZ); size > 0 && size < static_cast<int>(kBlock))
    ::fcntl(fd, F_SETPIPE_SZ, static_cast<int>(kBlock));
}

// As much as can be written without a wait, if poll() says that anything can.
std::size_t block_for(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) != 0 ? kBlock : PIPE_BUF;
}

}  // namespace

Output::Output(int borrowed_fd, std::size_t backlog)
    : fd_(borrowed_fd),
      file_(::isatty(borrowed_fd) == 1 ? reopen_nonblocking(borrowed_fd) : UniqueFd{}),
      backlog_(backlog) {
  begin();
}

// With the descriptor that it is now.
void Output::begin() {
  if (file_) enlarge_pipe(file_.get());
  writer_ = is_regular(fd()) ? std::make_unique<FileWriter>(fd(), file_backlog()) : nullptr;
  block_ = block_for(fd());
}

Result<Output> Output::open(const std::string& path, std::size_t backlog) {
  Output output(STDOUT_FILENO, backlog);
  if (path.empty()) {
    // The next descriptor that is made would be taken for it.
    if (::fcntl(STDOUT_FILENO, F_GETFD) < 0)
      return system_error("standard output", 0, "It is closed: use --output FILE");
    struct stat info {};
    if (::fstat(STDOUT_FILENO, &info) == 0 && S_ISFIFO(info.st_mode))
      output.file_ = reopen_nonblocking(STDOUT_FILENO);
    output.begin();
    return output;
  }
  output.path_ = path;
  output.file_ = make(path, O_TRUNC);
  if (!output.file_) return system_error("--output: opening " + path);
  output.begin();
  return output;
}

void Output::write(std::string_view line, bool must) {
  if (closed_ || error_) return;
  if (writer_) return writer_->add(line);
  if (!must && buffer_.size() - written_ + line.size() > backlog_) {
    ++dropped_;
    return;
  }
  buffer_ += line;
}

std::string Output::target() const { return path_.empty() ? "standard output" : path_; }

Output::Status Output::status() {
  const int failure = writer_ ? writer_->failure() : 0;
  if (failure != 0 && !error_) error_ = system_error("writing to " + target(), -failure);
  if (error_) return Status::Failed;
  return closed_ ? Status::Closed : Status::Ok;
}

Output::Status Output::flush() {
  if (writer_) {
    writer_->flush();
    return status();
  }
  const auto deadline = std::chrono::steady_clock::now() + kMostFlush;
  while (pending() && write_some(0))
    if (std::chrono::steady_clock::now() > deadline) break;
  return status();
}

Output::Status Output::flush_through() {
  if (!writer_) return flush();
  writer_->finish();
  return status();
}

Output::Status Output::finish() {
  if (writer_) return flush_through();
  const auto deadline = std::chrono::steady_clock::now() + kMostPatience;
  while (pending() && write_some(kPatienceMs))
    if (std::chrono::steady_clock::now() > deadline) break;
  if (pending() && status() == Status::Ok) {
    const auto rest = buffer_.begin() + static_cast<std::ptrdiff_t>(written_);
    dropped_ += static_cast<std::uint64_t>(std::count(rest, buffer_.end(), '\n'));
    buffer_.clear();
    written_ = 0;
  }
  return status();
}

// True if it got on; false if the reader is slow, or gone.
bool Output::write_some(int wait_ms) {
  if (status() != Status::Ok) return false;
  const std::size_t size = std::min(buffer_.size() - written_, block_);
  pollfd ready{.fd = fd(), .events = POLLOUT, .revents = 0};
  const int polled = ::poll(&ready, 1, wait_ms);
  if (polled <= 0) return polled < 0 && errno == EINTR;
  const ssize_t count = ::write(fd(), buffer_.data() + written_, size);
  if (count < 0) {
    if (errno == EINTR) return true;
    if (errno == EAGAIN) return false;
    if (errno == EPIPE)
      closed_ = true;
    else
      error_ = system_error("writing to " + target());
    return false;
  }
  written_ += static_cast<std::size_t>(count);
  if (written_ == buffer_.size()) {
    buffer_.clear();
    written_ = 0;
    if (buffer_.capacity() > kKept) {  // a reader had stalled: it is over
      std::string().swap(buffer_);     // to assign an empty one would keep the room
      ::malloc_trim(0);                // and so would the heap
    }
  } else if (written_ >= buffer_.size() / 2) {  // what is left is moved once, not at every block
    buffer_.erase(0, written_);
    written_ = 0;
  }
  return true;
}

bool Output::reopen() {
  if (path_.empty()) return true;
  // A disk that is behind is not waited for: the events would be.
  if ((writer_ ? flush() : finish()) == Status::Failed) return false;
  UniqueFd file = make(path_, O_NONBLOCK);  // not renamed, after all: what it has stays
  if (!file && errno == ENXIO) {
    closed_ = true;
    return false;
  }
  if (!file) {
    error_ = system_error("--output: opening " + path_ + " again");
    return false;
  }
  if (writer_ && is_regular(file.get())) {
    UniqueFd old = std::exchange(file_, std::move(file));
    writer_->go_on_in(fd(), std::move(old));
    return true;
  }
  if (finish() == Status::Failed) return false;
  file_ = std::move(file);
  begin();
  return true;
}

bool Output::is_terminal() const { return ::isatty(fd()) == 1; }

}  // namespace tcpdwell
