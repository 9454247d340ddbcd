// SPDX-License-Identifier: Apache-2.0
// Text output: a line for each transition, aligned at absolute columns. A long endpoint first uses
// the space before the next column, and shifts it only if that is not enough.
//
//   12:34:56.789 10.0.0.1:54321     10.0.0.2:80         FIN_WAIT_2 → TIME_WAIT     4.507s curl[42]
// The dwell is the time in the left state: `~` marks an inexact one, `≥` a lower bound. A flag has
// a line with the same columns, and two lines below: the explanation and the next step. Flags that
// are raised together with one cause form one entry ("×24"), printed at the next tick or before the
// next line. Connections are printed only with --only connection.
#pragma once

#include <optional>
#include <string>

#include "leaks/leak_groups.h"
#include "lifecycle/owned_flags.h"
#include "model/observer.h"
#include "model/record.h"
#include "sinks/kinds.h"
#include "sinks/output.h"
#include "sinks/text_format.h"

namespace tcpdwell {

class TextSink final : public Sink, public Observer {
 public:
  TextSink(Output& output, const Kinds& kinds, const TextStyle& style)
      : output_(output), kinds_(kinds), style_(style) {}
  void write(const Record& record) noexcept override;
  void ticked(Nanos now, const Lifecycle& lifecycle) noexcept override;
  void finished(Nanos now, const Lifecycle& lifecycle) noexcept override;
  std::optional<Nanos> due() const noexcept override { return std::nullopt; }
  Needs needs() const noexcept override {
    return {.transitions = kinds_.transitions, .connections = kinds_.connections};
  }

 private:
  void append(const StartRecord& record);
  void append(const TransitionRecord& record);
  void append(const FlagRecord& record);  // a cleared flag
  void append_raised(const LeakGroup& group, const FlagRecord& oldest);
  void print_raised();
  void append(const ConnectionRecord& record);
  void append(const FailedConnectsRecord& record);
  void append(const LostRecord& record);
  void append(const ClockRecord& record);
  void append(const EndRecord& record);

  void begin_line();
  void end_line();
  void put(std::string_view text, std::size_t width);  // `width`: of `text` on the screen
  void put(std::string_view ascii) { put(ascii, ascii.size()); }
  void go_to(std::size_t column);
  void put_time(const When& when);
  void put_flow(const SocketInfo& socket);
  void put_ends(const LeakGroup& group);
  void put_states(const TransitionRecord& record);
  void put_dwell(const Dwell& dwell);
  void put_owner(const std::optional<Owner>& owner);
  void put_note(std::string_view text);
  void color(std::string_view code);

  Output& output_;
  Kinds kinds_;
  TextStyle style_;
  std::string line_;  // reused
  std::size_t column_ = 0;
  LocalClock clock_;
  OwnedFlags raised_;  // raised together, not printed yet
};

}  // namespace tcpdwell
