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

constexpr auto kFirstPatience = 100ms;  // events wait meanwhile

// Full churn makes some 225 MB a second: at least a quarter of a second, at most five.
std::size_t default_buffer() {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto memory = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) * page;
  return std::clamp<std::size_t>(memory / 64, 64U << 20U, 1U << 30U);
}

// A pipe of 64 KiB is full before its reader runs. Ask for the unprivileged maximum
// (/proc/sys/fs/pipe-max-size).
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

Result<Output> Output::open(const std::string& path, std::size_t buffer, FilePolicy policy) {
  Output output(STDOUT_FILENO, buffer);
  if (path.empty()) {
    const auto id = id_of(STDOUT_FILENO);
    // Otherwise the next new descriptor would get its number.
    if (!id) return system_error("standard output", 0, "It is closed: use --output FILE");
    if (std::find(policy.in_use.begin(), policy.in_use.end(), *id) != policy.in_use.end())
      return Error{
          "standard output is a file that another option reads. Redirect it to another file",
          {},
          {}};
    enlarge_pipe(STDOUT_FILENO);
    return output;
  }
  auto file = make_file(path, Opening::Emptied, policy, "--output: opening " + path);
  if (!file) return file.error();
  output.path_ = path;
  output.policy_ = std::move(policy);
  output.file_ = std::move(*file);
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
  // If the file was not renamed, keep its contents. Signals are read only between two steps, so
  // open() of a FIFO without a reader must not block.
  auto file =
      make_file(path_, Opening::Continued, policy_, "--output: opening " + path_ + " again");
  if (!file && file.error().code == std::errc::no_such_device_or_address) {
    closed_ = true;
    return false;
  }
  if (!file) {
    error_ = file.error();
    return false;
  }
  enlarge_pipe(file->get());
  UniqueFd old = std::exchange(file_, std::move(*file));
  writer_->go_on_in(fd(), std::move(old));
  return true;
}

bool Output::is_terminal() const { return ::isatty(fd()) == 1; }

}  // namespace tcpdwell
