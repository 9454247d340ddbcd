// SPDX-License-Identifier: Apache-2.0
// Input of a recording.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "util/result.h"
#include "util/unique_fd.h"

namespace tcpdwell::recording {

class Source {
 public:
  virtual ~Source() = default;
  // Reads up to room.size() bytes; 0: end of input.
  virtual Result<std::size_t> read(std::span<std::byte> room) = 0;
};

// A regular file.
class FileSource final : public Source {
 public:
  static Result<std::unique_ptr<FileSource>> open(const std::string& path);
  FileSource(UniqueFd file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  Result<std::size_t> read(std::span<std::byte> room) override;
  int fd() const { return file_.get(); }

 private:
  UniqueFd file_;
  std::string path_;
  // Not that of the open file, which forked processes share.
  off_t offset_ = 0;
};

// Wraps a source; input ends as soon as `over` returns true. A file that is no recording can be of
// any length.
class InterruptibleSource final : public Source {
 public:
  InterruptibleSource(std::unique_ptr<Source> source, std::function<bool()> over)
      : source_(std::move(source)), over_(std::move(over)) {}
  Result<std::size_t> read(std::span<std::byte> room) override;

 private:
  std::unique_ptr<Source> source_;
  std::function<bool()> over_;
};

// Reads from memory. The bytes must outlive the source.
class MemorySource final : public Source {
 public:
  explicit MemorySource(std::span<const std::byte> bytes) : left_(bytes) {}
  Result<std::size_t> read(std::span<std::byte> room) override;

 private:
  std::span<const std::byte> left_;
};

}  // namespace tcpdwell::recording
