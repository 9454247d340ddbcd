// SPDX-License-Identifier: Apache-2.0
// Sinks between a session and the output of `leaks` and `run`: they decide which flags are leaks.
#pragma once

#include "model/record.h"
#include "sinks/run_report.h"

namespace tcpdwell {

// Passes the records that `leaks` and `run` print as JSON: start, raised flags, loss, end.
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

// `run`: passes flags to the report, which knows their outcome at the end, and all other records to
// `next`.
class RunSink final : public Sink {
 public:
  // Before the end record, `next` gets the flags from the report. Both must outlive it.
  RunSink(RunReport& report, Sink& next) : report_(report), next_(next) {}
  void write(const Record& record) noexcept override {
    if (const auto* flag = std::get_if<FlagRecord>(&record)) return report_.add(*flag);
    if (std::holds_alternative<EndRecord>(record)) report_.write_flags(next_);
    next_.write(record);
  }
  Needs needs() const noexcept override {
    return {.transitions = false, .connections = false, .whose = false};
  }

 private:
  RunReport& report_;
  Sink& next_;
};

// Prints nothing.
class NullSink final : public Sink {
 public:
  void write(const Record&) noexcept override {}
};

// Passes all flags to a report.
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
