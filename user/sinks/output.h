// SPDX-License-Identifier: Apache-2.0
// Where text and NDJSON go: stdout or a file. Lines collect in a buffer that is written in large
// blocks. A reader that stalls never blocks the caller: what does not fit in the backlog is dropped
// by whole lines, and counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "util/result.h"
#include "util/unique_fd.h"

namespace tcpdwell {

class Output {
 public:
  enum class Status { Ok, Closed, Failed };
  static constexpr std::size_t kBacklog = 64U << 20U;

  // `path` empty: stdout. A file is made or emptied (mode 0666 less the umask).
  static Result<Output> open(const std::string& path, std::size_t backlog = kBacklog);
  // Takes a descriptor that the caller keeps open.
  explicit Output(int borrowed_fd, std::size_t backlog = kBacklog);

  // A whole line, with its '\n'. `must`: takes it even if the backlog is full.
  void write(std::string_view line, bool must = false);
  // Writes what the descriptor takes now, for some milliseconds at the most: the rest is pending().
  // Closed: the reader of a pipe is gone. Failed: error().
  Status flush();
  // The last of it, with some patience for a reader that stalls.
  Status finish();
  // After a file was renamed away (SIGHUP): makes it anew; one that is still there is continued.
  // Not for stdout. False: error(), or a FIFO that nobody reads any more.
  bool reopen();
  bool is_reopened() const { return !path_.empty(); }  // by reopen()

  bool pending() const { return !buffer_.empty(); }
  std::uint64_t dropped_lines() const { return dropped_; }
  const std::optional<Error>& error() const { return error_; }
  int fd() const { return file_ ? file_.get() : fd_; }
  bool is_terminal() const;

 private:
  Status status() const;
  bool write_some(int wait_ms);

  int fd_ = -1;
  UniqueFd file_;
  std::string path_;
  std::size_t backlog_;
  std::size_t block_ = 0;  // what one write may have
  std::string buffer_;
  std::size_t written_ = 0;  // of buffer_
  std::uint64_t dropped_ = 0;
  bool closed_ = false;
  std::optional<Error> error_;
};

}  // namespace tcpdwell
