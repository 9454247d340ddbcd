// SPDX-License-Identifier: Apache-2.0
// Where text and NDJSON go: stdout, stderr or a file of any kind. A thread writes (BlockWriter);
// the caller never waits for a disk or a reader. What the buffer has no room for is dropped by
// whole lines, and counted.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sinks/block_writer.h"
#include "util/made_file.h"
#include "util/result.h"
#include "util/unique_fd.h"

namespace tcpdwell {

class Output {
 public:
  enum class Status { Ok, Closed, Failed };

  // `path` empty: stdout. A file is made or emptied. `buffer`: bytes that may wait to be written;
  // 0: by the memory of this machine.
  static Result<Output> open(const std::string& path, std::size_t buffer = 0,
                             FilePolicy policy = {});
  // Takes a descriptor that the caller keeps open.
  explicit Output(int borrowed_fd, std::size_t buffer = 0);
  Output(Output&&) = default;
  Output& operator=(Output&&) = delete;  // would close a file that is still written to

  // A whole line, with its '\n'. `must`: takes it even if the buffer is full.
  void write(std::string_view line, bool must = false);
  // Hands over what is to be written. Does not wait. Closed: the reader of a pipe or socket is
  // gone. Failed: error(). Both are known at a later call.
  Status flush();
  // The same, but waits until a file has all of it: its failure is known now. A reader that does
  // not take it is waited for 100 ms.
  Status flush_through();
  // Waits until no more than `left` bytes are to be written. False: not within `most` (of a file:
  // any time).
  bool wait(std::size_t left, std::chrono::milliseconds most);
  // The last of it, with some patience for a reader that stalls, and any for a file.
  Status finish();
  // After a file was renamed away (SIGHUP): makes it anew; one that is still there is continued.
  // What was written before goes to the old one. Not for stdout. False: error(), or a FIFO that
  // nobody reads any more.
  bool reopen();
  bool is_reopened() const { return !path_.empty(); }  // by reopen()

  // Something is still to be written.
  bool pending() const { return writer_->unwritten() > 0; }
  // ... and needs a flush() for it.
  bool unflushed() const { return writer_->unflushed(); }
  std::size_t memory() const { return writer_->memory(); }  // of the buffer
  std::uint64_t dropped_lines() const { return dropped_ + writer_->given_up_lines(); }
  const std::optional<Error>& error() const { return error_; }
  int fd() const { return file_ ? file_.get() : fd_; }
  bool is_terminal() const;

 private:
  void make_writer();
  Status status();
  std::string target() const;

  int fd_ = -1;
  UniqueFd file_;
  std::string path_;
  FilePolicy policy_;
  std::size_t buffer_;
  std::uint64_t dropped_ = 0;
  bool closed_ = false;
  std::optional<Error> error_;
  std::unique_ptr<BlockWriter> writer_;  // the last: it ends before file_ does
};

}  // namespace tcpdwell
