// SPDX-License-Identifier: Apache-2.0
// Text output: a line for each transition, aligned at columns (TextLayout). A long endpoint first
// uses the space before the next column, and shifts it only if that is not enough.
//
//   12:34:56.789 10.0.0.1:54321     10.0.0.2:80         FIN_WAIT_2 → TIME_WAIT     4.507s curl[42]
// The dwell is the time in the left state: `~` marks an inexact one, `≥` a lower bound. A flag has
// a line with the same columns, and two lines below: the explanation and the next step. Flags that
// are raised together with one cause form one entry ("×24"), printed at the next tick or before the
// next line. Connections are printed only with --only connection; alone they have columns of their
// own (ConnectionColumns).
//
// On a terminal, lines fit its width: addresses for which there is no room stand in a line above,
// which is not repeated while they are the same. The header is repeated after a screenful.
// Elsewhere nothing is wrapped, and there is one header.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "leaks/leak_groups.h"
#include "lifecycle/owned_flags.h"
#include "model/observer.h"
#include "model/record.h"
#include "sinks/kinds.h"
#include "sinks/output.h"
#include "sinks/places.h"
#include "sinks/text_connections.h"
#include "sinks/text_format.h"
#include "sinks/text_layout.h"
#include "sinks/text_line.h"

namespace tcpdwell {

class TextSink final : public Sink, public Observer {
 public:
  TextSink(Output& output, const Kinds& kinds, const TextStyle& style);
  void write(const Record& record) noexcept override;
  void ticked(Nanos now, const Lifecycle& lifecycle) noexcept override;
  void finished(Nanos now, const Lifecycle& lifecycle) noexcept override;
  std::optional<Nanos> due() const noexcept override { return std::nullopt; }
  Needs needs() const noexcept override {
    return {.transitions = kinds_.transitions, .connections = kinds_.connections};
  }
  // Prints a line of prose. Printable.
  void note(std::string_view text);

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

  void repeat_header();
  void put_header();
  void begin_line(const When& when, std::string local, std::string remote,
                  const std::string& place);
  void begin_line(const When& when, const SocketInfo& socket);
  void begin_line(const When& when);
  void put_date(const When& when);
  void put_context(const std::string& context);
  void put_states(const TransitionRecord& record);
  void put_dwell(const Dwell& dwell);
  void put_process(const std::optional<Process>& process);
  void put_place();
  void put_remark(const std::string& text);
  void put_note(std::string_view text);
  void write_out();

  Output& output_;
  Kinds kinds_;
  TextStyle style_;
  bool only_connections_;
  TextClock clock_;
  TextLayout layout_;
  TextLine line_;
  Places places_;
  ConnectionColumns connections_;
  std::string context_;           // the last line of addresses and place
  std::string place_;             // to be printed at the end of the present line
  std::size_t since_header_ = 0;  // lines, on a terminal
  OwnedFlags raised_;             // raised together, not printed yet
};

}  // namespace tcpdwell
