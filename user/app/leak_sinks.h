// SPDX-License-Identifier: Apache-2.0
// Between a session and what `leaks` and `run` print: which flags are leaks.
#pragma once

#include "core/record.h"

namespace tcpdwell {

// Passes on what `leaks` and `run` have as JSON: start, raised flags, loss, end.
class RaisedOnly final : public Sink {
 public:
  // What nobody accepted may decide nothing: it is no leak of a command's.
  explicit RaisedOnly(Sink& sink, bool accept_decides = true)
      : sink_(sink), accept_decides_(accept_decides) {}
  void write(const Record& record) noexcept override {
    const auto* flag = std::get_if<FlagRecord>(&record);
    const bool moves = std::holds_alternative<TransitionRecord>(record) ||
                       std::holds_alternative<ConnectionRecord>(record) ||
                       std::holds_alternative<FailedConnectsRecord>(record);
    if (moves || (flag && !flag->raised)) return;
    const bool decides = accept_decides_ || (flag && flag->kind != FlagKind::Accept);
    if (flag && decides && is_leak(*flag)) leaked_ = true;
    sink_.write(record);
  }
  // Since the last begin_round().
  bool leaked() const { return leaked_; }
  void begin_round() { leaked_ = false; }

 private:
  Sink& sink_;
  const bool accept_decides_;
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
