// SPDX-License-Identifier: Apache-2.0
// Writes flags to systemd's journal: one entry each, with fields to select by
// (journalctl TCPDWELL_FLAG=CLOSE_WAIT). Never blocks: an entry that the journal does not take at
// once is dropped.
#pragma once

#include <optional>
#include <string>

#include "model/record.h"
#include "util/unique_fd.h"

namespace tcpdwell {

class JournalSink final : public Sink {
 public:
  static constexpr std::size_t kMostPerMinute = 200;  // beyond that, only their number is written

  // nullopt: our stderr is not the journal's, so we do not run as a service.
  static std::optional<JournalSink> of_this_service();
  // `path`: of the journal's socket.
  static std::optional<JournalSink> open(const std::string& path);

  void write(const Record& record) noexcept override;
  Needs needs() const noexcept override {
    return {.transitions = false, .connections = false, .whose = false};
  }

 private:
  explicit JournalSink(UniqueFd socket) : socket_(std::move(socket)) {}
  void write(const FlagRecord& flag);
  bool has_room(Nanos now);
  void send(const std::string& entry) const;

  UniqueFd socket_;
  Nanos minute_{};        // when the present minute began
  std::size_t sent_ = 0;  // in this minute
  std::size_t left_out_ = 0;
};

}  // namespace tcpdwell
