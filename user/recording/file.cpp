// SPDX-License-Identifier: Apache-2.0
#include "recording/file.h"

#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zstd.h>

#include <array>
#include <cstdio>
#include <future>
#include <utility>

namespace tcpdwell::recording {
namespace {

constexpr std::uint64_t kMostQueued = 64U << 20U;
constexpr int kLevel = 1;  // halves the size, in a fifth of the time of the next better levels

}  // namespace

struct File::Compressor {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  Compressor() = default;
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;
  ~Compressor() { ZSTD_freeCCtx(context); }
};

File::File(std::string path, bool compress, FilePolicy policy, UniqueFd fd)
    : path_(std::move(path)),
      policy_(std::move(policy)),
      compress_(compress),
      fd_(std::move(fd)),
      compressed_(compress ? kMostStored : 0),
      compressor_(compress ? std::make_unique<Compressor>() : nullptr) {
  identify();
}

File::~File() = default;

Result<std::unique_ptr<File>> File::open(const std::string& path, bool compress,
                                         const FilePolicy& policy) {
  auto fd = make_file(path, Opening::Exclusive, policy, "recording to " + path);
  if (!fd) return fd.error();
  return std::unique_ptr<File>(new File(path, compress, policy, std::move(*fd)));
}

void File::on_helper(std::function<void()> job) {
  worker_.ask([job = std::move(job)]() -> Worker::Answer {
    job();
    return {};
  });
}

void File::begin(const FileHeader& header) {
  given_ += sizeof header;
  worker_.ask([this, header]() -> Worker::Answer {
    append(std::as_bytes(std::span(&header, 1)), {});
    return {};
  });
}

bool File::write(const FrameHeader& header, std::vector<std::byte> entries, bool must) {
  const std::uint64_t size = sizeof header + entries.size();
  if (!must && queued_ + size > kMostQueued) return false;
  queued_ += size;
  given_ += size;
  // shared_ptr because std::function copies its captures.
  worker_.ask([this, header, size, saved = saved_,
               data = std::make_shared<std::vector<std::byte>>(std::move(entries))] {
    *saved += compress_and_append(header, *data);
    queued_ -= size;
    return Worker::Answer{};
  });
  return true;
}

void File::rotate(unsigned keep) {
  given_ = 0;
  saved_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  worker_.ask([this, keep]() -> Worker::Answer {
    open_next(keep);
    return {};
  });
}

void File::finish() {
  std::promise<void> done;
  worker_.ask([&done]() -> Worker::Answer {
    done.set_value();
    return {};
  });
  done.get_future().wait();
}

std::optional<Error> File::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

bool File::was_renamed() const {
  struct stat named {};
  if (::lstat(path_.c_str(), &named) != 0) return true;
  const std::lock_guard lock(mutex_);
  return identity_ != id_of(named);
}

FileId File::id() const {
  const std::lock_guard lock(mutex_);
  return identity_;
}

void File::identify() {
  const auto id = tcpdwell::id_of(fd_.get());
  const std::lock_guard lock(mutex_);
  identity_ = id.value_or(FileId{});
}

// --- on the helper thread ---------------------------------------------------------------------

void File::fail(Error error) {
  const std::lock_guard lock(mutex_);
  if (!failed_.exchange(true)) error_ = std::move(error);
}

std::size_t File::compress_and_append(FrameHeader header, std::span<const std::byte> entries) {
  std::span<const std::byte> stored = entries;
  if (compress_) {
    const std::size_t size =
        ZSTD_compressCCtx(compressor_->context, compressed_.data(), compressed_.size(),
                          entries.data(), entries.size(), kLevel);
    if (ZSTD_isError(size) == 0 && size < entries.size()) {
      header.codec = Codec::Zstd;
      stored = std::span(compressed_).first(size);
    }
  }
  header.size = static_cast<std::uint32_t>(entries.size());
  header.stored_size = static_cast<std::uint32_t>(stored.size());
  header.data_checksum = checksum(stored);
  header.checksum = checksum_of(header);
  append(std::as_bytes(std::span(&header, 1)), stored);
  return entries.size() - stored.size();
}

// After a partial write, truncates the file to its last complete frame.
void File::append(std::span<const std::byte> head, std::span<const std::byte> data) {
  if (failed_) return;
  std::array<std::span<const std::byte>, 2> left = {head, data};
  while (left[0].size() + left[1].size() > 0) {
    std::array<iovec, 2> parts{};
    for (std::size_t i = 0; i < 2; ++i)
      parts[i] = {const_cast<std::byte*>(left[i].data()), left[i].size()};
    const ssize_t count = ::writev(fd_.get(), parts.data(), 2);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      fail(system_error("recording to " + path_, 0, "The part recorded so far can be replayed"));
      if (::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0)
        return;  // harmless: a replay ignores the partial frame
      return;
    }
    auto written = static_cast<std::size_t>(count);
    for (auto& part : left) {
      const std::size_t here = std::min(written, part.size());
      part = part.subspan(here);
      written -= here;
    }
  }
  size_ += head.size() + data.size();
}

void File::open_next(unsigned keep) {
  if (failed_) return;
  for (unsigned i = keep; i > 0; --i) {
    const std::string from = i == 1 ? path_ : path_ + '.' + std::to_string(i - 1);
    const std::string to = path_ + '.' + std::to_string(i);
    if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT)
      return fail(system_error("renaming " + from + " to " + to));
  }
  auto fd = make_file(path_, Opening::Exclusive, policy_, "recording to " + path_);
  if (!fd) return fail(fd.error());
  fd_ = std::move(*fd);
  size_ = 0;
  identify();
}

}  // namespace tcpdwell::recording
