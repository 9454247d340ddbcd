// SPDX-License-Identifier: Apache-2.0
#include "recording/reader.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "tcpdwell/wire.h"

namespace tcpdwell::recording {
namespace {

constexpr std::size_t kBuffer = 1U << 20U;
static_assert(kBuffer > kMostStored + sizeof(FrameHeader));

template <typename Header>
Header load(std::span<const std::byte> bytes) {
  Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  return header;
}

bool is_plausible(const FrameHeader& header) {
  return header.magic == kFrameMagic && header.stored_size <= kMostStored &&
         header.size <= kMostFrame && header.codec <= Codec::Zstd &&
         (header.codec != Codec::None || header.stored_size == header.size) &&
         (!kVerify || header.checksum == checksum_of(header));
}

std::optional<Error> refuse(const FileHeader& header, const std::string& name) {
  if (header.magic != kMagic) return Error{name + " is not a recording of tcpdwell", {}, {}};
  if (header.order != kOrder)
    return Error{name + " was recorded on a machine of the other byte order",
                 {},
                 "Replay it on such a machine"};
  if (kVerify && header.checksum != checksum_of(header))
    return Error{name + " has a damaged file header: it cannot be replayed", {}, {}};
  const bool known = header.version >= 1 && header.version <= kVersion &&
                     header.wire_version >= 1 && header.wire_version <= TCPDWELL_WIRE_VERSION;
  if (!known)
    return Error{name + " was recorded by a newer version of tcpdwell, with the unknown format " +
                     std::to_string(header.version) + '.' + std::to_string(header.wire_version),
                 {},
                 "Replay it with the version that recorded it"};
  return std::nullopt;
}

}  // namespace

Reader::Reader(std::unique_ptr<Source> source, std::string name)
    : source_(std::move(source)), name_(std::move(name)), buffer_(sizeof(FileHeader)) {}

Result<Reader> Reader::open(std::unique_ptr<Source> source, const std::string& name) {
  Reader reader(std::move(source), name);
  if (const auto error = reader.fill(sizeof(FileHeader))) return *error;
  if (!reader.has(sizeof(FileHeader)))
    return Error{name + " is too short to be a recording of tcpdwell", {}, {}};
  reader.header_ = load<FileHeader>(reader.bytes(sizeof(FileHeader)));
  if (const auto error = refuse(reader.header_, name)) return *error;
  reader.begin_ += sizeof(FileHeader);
  return reader;
}

// Reads until `wanted` bytes are in the buffer, or to the end of the source.
std::optional<Error> Reader::fill(std::size_t wanted) {
  if (has(wanted) || at_end_) return std::nullopt;
  if (buffer_.size() - begin_ < wanted) {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
  }
  while (!has(wanted) && !at_end_) {
    auto count = source_->read(std::span(buffer_).subspan(end_));
    if (!count) return count.error();
    at_end_ = *count == 0;
    end_ += *count;
  }
  return std::nullopt;
}

std::optional<FrameHeader> Reader::header_at(std::size_t offset) const {
  const auto header = load<FrameHeader>(std::span(buffer_).subspan(begin_ + offset));
  if (!is_plausible(header)) return std::nullopt;
  return header;
}

// After damage: skips to the next frame, or to the end.
std::optional<Error> Reader::find_header() {
  while (true) {
    if (auto error = fill(sizeof(FrameHeader))) return error;
    if (!has(sizeof(FrameHeader))) {
      begin_ = end_;
      return std::nullopt;
    }
    if (header_at(0)) return std::nullopt;
    ++begin_;
  }
}

std::optional<Frame> Reader::unpack(const FrameHeader& header) {
  const auto stored = bytes(header.stored_size);
  if (kVerify && header.data_checksum != checksum(stored)) return std::nullopt;
  Frame frame{.events_before = header.events_before,
              .transitions_before = header.transitions_before,
              .events = header.events,
              .transitions = header.transitions,
              .number = header.number,
              .entries = stored};
  if (header.codec == Codec::Zstd) {
    const std::size_t size =
        ZSTD_decompress(entries_.data(), entries_.size(), stored.data(), stored.size());
    if (ZSTD_isError(size) != 0 || size != header.size) return std::nullopt;
    frame.entries = std::span(entries_).first(size);
  }
  return frame;
}

// Allocates the buffers only now: a rotated run has many parts, read one at a time.
void Reader::take_room() {
  if (buffer_.size() >= kBuffer) return;
  buffer_.resize(kBuffer);
  entries_.resize(kMostFrame);
}

void Reader::finish() {
  begin_ = end_ = 0;
  at_end_ = true;
  buffer_ = entries_ = {};
  source_.reset();
}

Result<std::optional<Frame>> Reader::next() {
  if (!source_) return std::optional<Frame>{};
  take_room();
  while (true) {
    if (const auto error = fill(sizeof(FrameHeader))) return *error;
    if (!has(sizeof(FrameHeader))) {
      cut_off_ = begin_ != end_;
      finish();
      return std::optional<Frame>{};
    }
    const auto header = header_at(0);
    if (!header) {
      ++damaged_;
      ++begin_;
      if (const auto error = find_header()) return *error;
      continue;
    }
    if (const auto error = fill(sizeof(FrameHeader) + header->stored_size)) return *error;
    if (!has(sizeof(FrameHeader) + header->stored_size)) {
      cut_off_ = true;
      finish();
      return std::optional<Frame>{};
    }
    begin_ += sizeof(FrameHeader);
    const auto frame = unpack(*header);
    begin_ += header->stored_size;
    events_known_ = header->events_before + header->events;
    transitions_known_ = header->transitions_before + header->transitions;
    if (frame) return frame;
    ++damaged_;
  }
}

}  // namespace tcpdwell::recording
