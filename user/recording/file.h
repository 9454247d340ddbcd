// SPDX-License-Identifier: Apache-2.0
// The output file of a recording. A helper thread writes it, so that a slow disk does not stall the
// trace. A frame is written completely or not at all.
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
  // Creates or truncates `path`, and sets the policy's mode on an existing file, too. Refuses
  // symbolic links, anything but regular files, and a file that another recorder writes to.
  // `compress`: compress frames with zstd.
  static Result<std::unique_ptr<File>> open(const std::string& path, bool compress,
                                            const FilePolicy& policy);
  // Drops what is not written yet: call finish() before.
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void on_helper(std::function<void()> job);
  void begin(const FileHeader& header);
  // Returns false and drops the frame if too much waits for the disk. `must`: never drop it.
  bool write(const FrameHeader& header, std::vector<std::byte> entries, bool must);
  // Continues in a new file `path`. Renames the present file to path.1, path.1 to path.2, and so on
  // up to path.`keep`. 0: renames nothing, since another program has renamed the file.
  void rotate(unsigned keep);
  // Waits until everything is written or has failed.
  void finish();

  // An upper bound of the size of the present file once everything is written.
  std::uint64_t size() const { return given_ - *saved_; }
  bool failed() const { return failed_; }
  std::optional<Error> error() const;
  // True if `path` does not name the present file. Also true between rotate() and the creation of
  // the new file.
  bool was_renamed() const;
  FileId id() const;  // of the present file

 private:
  File(std::string path, bool compress, FilePolicy policy, UniqueFd fd);
  void append(std::span<const std::byte> head, std::span<const std::byte> data);
  // Returns what compression saved.
  std::size_t compress_and_append(FrameHeader header, std::span<const std::byte> entries);
  void open_next(unsigned keep);
  void identify();
  void fail(Error error);

  const std::string path_;
  const FilePolicy policy_;
  const bool compress_;
  UniqueFd fd_;
  std::vector<std::byte> compressed_;
  struct Compressor;
  std::unique_ptr<Compressor> compressor_;
  // The size of the present file without compression, and what compression has saved so far.
  using Saved = std::shared_ptr<std::atomic<std::uint64_t>>;
  std::uint64_t given_ = 0;
  Saved saved_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  std::uint64_t size_ = 0;  // bytes on disk; helper thread only
  std::atomic<std::uint64_t> queued_ = 0;
  std::atomic<bool> failed_ = false;
  mutable std::mutex mutex_;
  std::optional<Error> error_;
  FileId identity_;  // guarded by mutex_
  Worker worker_;    // last member: its thread ends before the members that it uses
};

}  // namespace tcpdwell::recording
