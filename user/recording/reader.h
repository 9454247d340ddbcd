// SPDX-License-Identifier: Apache-2.0
// Reads and checks the frames of one file, in order. Skips and counts damaged parts. A truncated
// file ends at its last complete frame. The file is untrusted: memory is bounded by the maximum
// size of a frame.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "recording/format.h"
#include "recording/source.h"
#include "util/result.h"

namespace tcpdwell::recording {

struct Frame {
  std::uint64_t events_before = 0, transitions_before = 0;
  std::uint64_t events = 0, transitions = 0;  // in this frame
  std::uint32_t number = 0;                   // counts all frames of the run from 0
  std::span<const std::byte> entries;         // valid until the next call of next()
};

class Reader {
 public:
  // Errors: the source cannot be read, is no recording, or has an unknown version. `name` is the
  // name of the source in error messages.
  static Result<Reader> open(std::unique_ptr<Source> source, const std::string& name);

  const FileHeader& header() const { return header_; }
  // nullopt: no more frames. Errors: the source cannot be read.
  Result<std::optional<Frame>> next();
  // How many damaged frames, or stretches of other bytes, were skipped so far.
  std::uint64_t damaged() const { return damaged_; }
  // The file ends in the middle of a frame.
  bool cut_off() const { return cut_off_; }
  // The number of events up to the end of the last frame seen, damaged or not.
  std::uint64_t events_known() const { return events_known_; }
  std::uint64_t transitions_known() const { return transitions_known_; }

 private:
  Reader(std::unique_ptr<Source> source, std::string name);
  void take_room();
  void finish();
  std::optional<Error> fill(std::size_t wanted);
  bool has(std::size_t size) const { return end_ - begin_ >= size; }
  std::span<const std::byte> bytes(std::size_t size) const {
    return std::span(buffer_).subspan(begin_, size);
  }
  std::optional<FrameHeader> header_at(std::size_t offset) const;
  std::optional<Error> find_header();
  std::optional<Frame> unpack(const FrameHeader& header);

  std::unique_ptr<Source> source_;
  std::string name_;
  FileHeader header_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // the bytes of buffer_ that are read but not used yet
  bool at_end_ = false;              // of the source
  std::vector<std::byte> entries_;   // decompressed
  std::uint64_t damaged_ = 0;
  bool cut_off_ = false;
  std::uint64_t events_known_ = 0, transitions_known_ = 0;
};

}  // namespace tcpdwell::recording
