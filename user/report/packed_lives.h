// SPDX-License-Identifier: Apache-2.0
// Connections as bytes, for the script of the page (page/data.js reads them): a third of what JSON
// takes in the file and in the browser's memory.
//
// All numbers are LEB128; those that can be negative are zigzag-encoded. Times are microseconds.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "report/report_data.h"

namespace tcpdwell::reporting {

class PackedLives {
 public:
  explicit PackedLives(const ReportData& data) : data_(data) {}

  // False: with this one, `most` bytes of the page would be exceeded; it was not added.
  bool add(const Life& life, std::size_t most);
  // Base64. Each has whole lives, so that the script can drop one before it reads the next.
  std::vector<std::string> take_chunks();
  std::string texts_json() const;  // that lives refer to by number

  std::size_t lives() const { return lives_; }
  std::size_t spans() const { return spans_; }

 private:
  std::size_t text(const std::string& text);
  void number(std::uint64_t value);
  void signed_number(std::int64_t value);
  template <typename Enum>
  void value(Enum one) {
    number(static_cast<std::uint64_t>(one));
  }
  std::int64_t micros(Nanos at) const {
    return std::chrono::floor<std::chrono::microseconds>(at - data_.begin.mono).count();
  }
  void write_spans(const Life& life);
  void write_marks(const Life& life);

  const ReportData& data_;
  absl::flat_hash_map<std::string, std::size_t> places_;  // of texts_
  std::vector<std::string> texts_;                        // each once
  std::size_t text_bytes_ = 0, chunk_bytes_ = 0;          // as in the page
  std::vector<std::string> chunks_;
  std::string bytes_;  // of the last chunk
  std::size_t lives_ = 0, spans_ = 0;
};

}  // namespace tcpdwell::reporting
