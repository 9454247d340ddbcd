// SPDX-License-Identifier: Apache-2.0
// Where text and NDJSON go: stdout or a file. Lines collect in a buffer that is written in large
// blocks. A pipe, a FIFO, a terminal: in the caller's thread, as much as it takes at once (a pipe
// of ours is made to take 1 MiB, if that is allowed); a reader that stalls never blocks the caller:
// what does not fit in the backlog is dropped by whole lines, and counted. A regular file: by a
// helper thread (FileWriter); nothing is dropped, and write() waits only where 64 to 256 MB wait
// for the disk already.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sinks/file_writer.h"
#include "util/result.h"
#include "util/unique_fd.h"

namespace tcpdwell {

class Output {
 public:
  enum class Status { Ok, Closed, Failed };
  static constexpr std::size_t kBacklog = 64U << 20U;  // a regular file has another

  // `path` empty: stdout. A file is made or emptied (mode 0666 less the umask).
  static Result<Output> open(const std::string& path, std::size_t backlog = kBacklog);
  // Takes a descriptor that the caller keeps open.
  explicit Output(int borrowed_fd, std::size_t backlog = kBacklog);
  Output(Output&&) = default;
  Output& operator=(Output&&) = delete;  // would close a file that is still written to

  // A whole line, with its '\n'. `must`: takes it even if the backlog is full.
  void write(std::string_view line, bool must = false);
  // Writes what the descriptor takes now, for some milliseconds at the most: the rest is pending().
  // Closed: the reader of a pipe is gone. Failed: error(). What is for a file is handed over: that
  // it cannot be written is known at a later call.
  Status flush();
  // The same, but waits until a file has all of it: its failure is known now.
  Status flush_through();
  // The last of it, with some patience for a reader that stalls, and any for a file.
  Status finish();
  // After a file was renamed away (SIGHUP): makes it anew; one that is still there is continued.
  // What was written before goes to the old one. Not for stdout. False: error(), or a FIFO that
  // nobody reads any more.
  bool reopen();
  bool is_reopened() const { return !path_.empty(); }  // by reopen()

  bool pending() const { return writer_ ? writer_->pending() : !buffer_.empty(); }
  // Nobody needs to wait until the descriptor takes more: write() does, if it must.
  bool written_by_helper() const { return writer_ != nullptr; }
  // What waits takes so much; up to 8 MiB are kept when nothing does.
  std::size_t memory() const { return writer_ ? writer_->memory() : buffer_.capacity(); }
  std::uint64_t dropped_lines() const { return dropped_; }
  const std::optional<Error>& error() const { return error_; }
  int fd() const { return file_ ? file_.get() : fd_; }
  bool is_terminal() const;

 private:
  void begin();
  Status status();
  std::string target() const;
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
  std::unique_ptr<FileWriter> writer_;  // of a regular file; the last: it ends before file_ does
};

}  // namespace tcpdwell
