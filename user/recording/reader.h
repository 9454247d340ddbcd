// SPDX-License-Identifier: Apache-2.0
// The frames of one file, in order, each checked. Damage is passed over and told; a file that was
// cut off ends where it was cut. Believes nothing: memory is bounded by what a frame may have,
// whatever the file says.
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
  std::uint64_t events = 0, transitions = 0;  // in it
  std::uint32_t number = 0;                   // of all of the run
  std::span<const std::byte> entries;         // until the next frame is asked for
};

class Reader {
 public:
  // Errors: it cannot be read, is no recording, or one of a kind that this version does not know.
  // `name`: what to call it in an error.
  static Result<Reader> open(std::unique_ptr<Source> source, const std::string& name);

  const FileHeader& header() const { return header_; }
  // nullopt: there is no more. Errors: it cannot be read any more.
  Result<std::optional<Frame>> next();
  // Frames, or rubbish, that were passed over so far.
  std::uint64_t damaged() const { return damaged_; }
  // It ended in the middle of a frame.
  bool cut_off() const { return cut_off_; }
  // The number of the first event after all frames that were seen, whole or not.
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
  std::size_t begin_ = 0, end_ = 0;  // what is read, and not yet worked on
  bool at_end_ = false;              // of the source
  std::vector<std::byte> entries_;   // decompressed
  std::uint64_t damaged_ = 0;
  bool cut_off_ = false;
  std::uint64_t events_known_ = 0, transitions_known_ = 0;
};

}  // namespace tcpdwell::recording
