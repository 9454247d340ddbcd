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
    const bool passes = std::visit(
        Overloaded{[this](const FlagRecord& flag) {
                     leaked_ |= flag.raised && is_leak(flag);
                     return flag.raised;
                   },
                   [](const TransitionRecord&) { return false; },
                   [](const ConnectionRecord&) { return false; },
                   [](const FailedConnectsRecord&) { return false; },
                   [](const StartRecord&) { return true; }, [](const LostRecord&) { return true; },
                   [](const ClockRecord&) { return true; }, [](const EndRecord&) { return true; }},
        record);
    if (passes) sink_.write(record);
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
    const auto pass_on = [&] { next_.write(record); };
    std::visit(
        Overloaded{[this](const FlagRecord& flag) { report_.add(flag); },
                   [&](const EndRecord&) {
                     report_.write_flags(next_);
                     pass_on();
                   },
                   [&](const TransitionRecord&) { pass_on(); },
                   [&](const ConnectionRecord&) { pass_on(); },
                   [&](const FailedConnectsRecord&) { pass_on(); },
                   [&](const StartRecord&) { pass_on(); }, [&](const LostRecord&) { pass_on(); },
                   [&](const ClockRecord&) { pass_on(); }},
        record);
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
    std::visit(
        Overloaded{[this](const FlagRecord& flag) { report_.add(flag); },
                   [](const TransitionRecord&) {}, [](const ConnectionRecord&) {},
                   [](const FailedConnectsRecord&) {}, [](const StartRecord&) {},
                   [](const LostRecord&) {}, [](const ClockRecord&) {}, [](const EndRecord&) {}},
        record);
  }

 private:
  Report& report_;
};

}  // namespace tcpdwell
