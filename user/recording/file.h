// SPDX-License-Identifier: Apache-2.0
// The file that a recording is written to, frame by frame, on a helper thread: a disk that stalls
// does not stall the trace. A frame is in the file whole, or not at all.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "recording/format.h"
#include "util/made_file.h"
#include "util/result.h"
#include "util/unique_fd.h"
#include "util/worker.h"

namespace tcpdwell::recording {

class File {
 public:
  // Makes or empties `path`, with the mode of the policy also if it was there: never through a
  // symbolic link, never anything but a regular file, and never what another recorder writes to.
  // `compress`: frames, by zstd.
  static Result<std::unique_ptr<File>> open(const std::string& path, bool compress,
                                            const FilePolicy& policy);
  // What was given and not written yet is dropped: call finish().
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void on_helper(std::function<void()> job);
  void begin(const FileHeader& header);
  // False: the disk is behind by more than there is room for; the frame is dropped, unless it
  // `must` be there.
  bool write(const FrameHeader& header, std::vector<std::byte> entries, bool must);
  // What comes next goes to a new file, `path` again; this one becomes path.1, and that path.2, up
  // to path.`keep`. 0: it was renamed by somebody else, and is left alone.
  void rotate(unsigned keep);
  // All that was given is written, or has failed.
  void finish();

  // Of the present file, when all is written: no more than this.
  std::uint64_t size() const { return given_ - *saved_; }
  bool failed() const { return failed_; }
  std::optional<Error> error() const;
  // True: `path` is not the file that is written to, or was until what was given is written.
  bool was_renamed() const;
  FileId id() const;  // of the file that is written to

 private:
  File(std::string path, bool compress, FilePolicy policy, UniqueFd fd);
  void append(std::span<const std::byte> head, std::span<const std::byte> data);
  // Returns what compression saved.
  std::size_t compress_and_append(FrameHeader header, std::span<const std::byte> entries);
  void make_anew(unsigned keep);
  void identify();
  void fail(Error error);

  const std::string path_;
  const FilePolicy policy_;
  const bool compress_;
  UniqueFd fd_;
  std::vector<std::byte> compressed_;
  struct Compressor;
  std::unique_ptr<Compressor> compressor_;
  // Of the present file: what it would have without compression, and what that saved so far.
  using Saved = std::shared_ptr<std::atomic<std::uint64_t>>;
  std::uint64_t given_ = 0;
  Saved saved_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  std::uint64_t size_ = 0;  // on disk; the helper's
  std::atomic<std::uint64_t> queued_ = 0;
  std::atomic<bool> failed_ = false;
  mutable std::mutex mutex_;
  std::optional<Error> error_;
  FileId identity_;  // of the file, under the mutex
  Worker worker_;    // the last: its thread ends before what it uses
};

}  // namespace tcpdwell::recording
