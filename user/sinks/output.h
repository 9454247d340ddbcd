// SPDX-License-Identifier: Apache-2.0
// Output of text and NDJSON: stdout, stderr or a file of any kind. A thread writes (BlockWriter);
// the caller never waits for a disk or a reader. If the buffer is full, whole lines are dropped and
// counted.
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

  // `path` empty: stdout. Makes or truncates a file. `buffer`: limit of pending bytes; 0: by the
  // memory of this machine.
  static Result<Output> open(const std::string& path, std::size_t buffer = 0,
                             FilePolicy policy = {});
  // Keep `fd` open.
  explicit Output(int borrowed_fd, std::size_t buffer = 0);
  Output(Output&&) = default;
  Output& operator=(Output&&) = delete;  // would close a file in use

  // Writes a whole line, with its '\n'. `must`: even if the buffer is full.
  void write(std::string_view line, bool must = false);
  // The same without a copy: the place for a line of at most `size` bytes; null: write() it. Then
  // commit() the bytes that were written there.
  char* place(std::size_t size) { return closed_ || error_ ? nullptr : writer_->place(size); }
  void commit(std::size_t size) {
    if (!writer_->commit(size)) ++dropped_;
  }
  // Hands pending data to the thread without waiting. Closed: the reader of a pipe or socket is
  // gone. Failed: error(). A later call returns either.
  Status flush();
  // The same, but waits until a file has all data, so that a failure is known now. Waits 100 ms for
  // a slow reader.
  Status flush_through();
  // Waits until at most `left` bytes are pending. False: not within `most`; a file has no limit.
  bool wait(std::size_t left, std::chrono::milliseconds most);
  // Writes the rest: waits a limited time for a stalled reader, and without limit for a file.
  Status finish();
  // Call it after a file was renamed (SIGHUP): makes a new one; appends to an existing one. Earlier
  // data goes to the old file. No effect on stdout. False: error(), or a FIFO without a reader.
  bool reopen();
  bool is_reopened() const { return !path_.empty(); }  // reopen() has an effect

  // Data is pending.
  bool pending() const { return writer_->unwritten() > 0; }
  // Data is pending that needs a flush().
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
  std::unique_ptr<BlockWriter> writer_;  // last: must end before file_
};

}  // namespace tcpdwell
