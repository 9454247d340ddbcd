// SPDX-License-Identifier: Apache-2.0
// Between a session and what `leaks` and `run` print: which flags are leaks.
#pragma once

#include "model/record.h"
#include "sinks/run_report.h"

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

// `run`: flags go to the report, which knows at the end what became of each; all else goes on.
class RunSink final : public Sink {
 public:
  // `next` gets the flags, too, before the end. Both must outlive it.
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

// Of what it is given nothing is printed.
class NullSink final : public Sink {
 public:
  void write(const Record&) noexcept override {}
};

// Hands all flags to a report.
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
