// SPDX-License-Identifier: Apache-2.0
// Between a session and what `leaks` and `run` print: which flags are leaks.
#pragma once

#include "core/record.h"

namespace tcpdwell {

// Passes on what `leaks` and `run` have as JSON: start, raised flags, loss, end.
class RaisedOnly final : public Sink {
 public:
  explicit RaisedOnly(Sink& sink) : sink_(sink) {}
  void write(const Record& record) noexcept override {
    const auto* flag = std::get_if<FlagRecord>(&record);
    const bool moves = std::holds_alternative<TransitionRecord>(record) ||
                       std::holds_alternative<ConnectionRecord>(record) ||
                       std::holds_alternative<FailedConnectsRecord>(record);
    if (moves || (flag && !flag->raised)) return;
    if (flag && is_leak(*flag)) leaked_ = true;
    sink_.write(record);
  }
  // Since the last begin_round().
  bool leaked() const { return leaked_; }
  void begin_round() { leaked_ = false; }

 private:
  Sink& sink_;
  bool leaked_ = false;
};

// Hands all flags to a report (LeakReport, RunReport).
template <typename Report>
class FlagsTo final : public Sink {
 public:
  explicit FlagsTo(Report& report) : report_(report) {}
  void write(const Record& record) noexcept override {
    if (const auto* flag = std::get_if<FlagRecord>(&record)) report_.add(*flag);
  }

 private:
  Report& report_;
};

}  // namespace tcpdwell
