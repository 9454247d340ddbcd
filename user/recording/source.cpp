// SPDX-License-Identifier: Apache-2.0
#include "recording/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace tcpdwell::recording {

// O_NONBLOCK: otherwise open() of a FIFO without a writer blocks.
Result<std::unique_ptr<FileSource>> FileSource::open(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) return system_error("opening " + path);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return system_error("fstat() of " + path);
  if (!S_ISREG(info.st_mode))
    return Error{path + " is not a regular file", {}, "Name a file that tcpdwell recorded"};
  return std::make_unique<FileSource>(std::move(file), path);
}

Result<std::size_t> FileSource::read(std::span<std::byte> room) {
  ssize_t count = 0;
  while ((count = ::pread(file_.get(), room.data(), room.size(), offset_)) < 0 && errno == EINTR)
    continue;
  if (count < 0) return system_error("reading " + path_);
  offset_ += count;
  return static_cast<std::size_t>(count);
}

Result<std::size_t> InterruptibleSource::read(std::span<std::byte> room) {
  if (over_()) return std::size_t{0};
  return source_->read(room);
}

Result<std::size_t> MemorySource::read(std::span<std::byte> room) {
  const auto taken = left_.first(std::min(room.size(), left_.size()));
  std::copy(taken.begin(), taken.end(), room.begin());
  left_ = left_.subspan(taken.size());
  return taken.size();
}

}  // namespace tcpdwell::recording
