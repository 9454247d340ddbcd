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
    const bool passes = std::visit(
        Overloaded{[](const FlagRecord& flag) { return flag.raised; },
                   [](const TransitionRecord&) { return false; },
                   [](const ConnectionRecord&) { return false; },
                   [](const FailedConnectsRecord&) { return false; },
                   [](const StartRecord&) { return true; }, [](const LostRecord&) { return true; },
                   [](const ClockRecord&) { return true; }, [](const EndRecord&) { return true; }},
        record);
    if (passes) sink_.write(record);
  }

 private:
  Sink& sink_;
};

// `run`: passes flags to the report, which knows their outcome at the end, and all other records to
// `next`.
class RunSink final : public Sink {
 public:
  // Before the end record, `next` gets the flags from the report. Both must outlive it.
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
