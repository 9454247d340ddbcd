// SPDX-License-Identifier: Apache-2.0
// Where a recording's bytes come from.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "util/result.h"
#include "util/unique_fd.h"

namespace tcpdwell::recording {

class Source {
 public:
  virtual ~Source() = default;
  // Up to room.size() bytes; 0: no more will come.
  virtual Result<std::size_t> read(std::span<std::byte> room) = 0;
};

// A regular file.
class FileSource final : public Source {
 public:
  static Result<std::unique_ptr<Source>> open(const std::string& path);
  FileSource(UniqueFd file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  Result<std::size_t> read(std::span<std::byte> room) override;

 private:
  UniqueFd file_;
  std::string path_;
};

// Bytes that outlive it.
class MemorySource final : public Source {
 public:
  explicit MemorySource(std::span<const std::byte> bytes) : left_(bytes) {}
  Result<std::size_t> read(std::span<std::byte> room) override;

 private:
  std::span<const std::byte> left_;
};

}  // namespace tcpdwell::recording
