// SPDX-License-Identifier: Apache-2.0
#include "options/command_rules.h"

#include "options/command_line.h"

namespace tcpdwell::command_rules {
namespace {

// A connection in an accept queue is in one of these states, or soon will be.
bool may_be_flagged(const Thresholds& thresholds, State state) {
  const bool queued = thresholds.accept && (state == State::Established ||
                                            state == State::CloseWait || state == State::Closed);
  return queued || thresholds.of[index(state)];
}

}  // namespace

Names with(Names names, const Names& more) {
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

void add_ascii_option(CLI::App& own, OptionTexts& texts) {
  own.add_flag("--ascii", texts.ascii, "Draw with ASCII characters only");
}

Names recording_options() { return {"--record", "--max-size", "--rotate", "--zstd"}; }

void require_a_flag(const Options& options) {
  bool any = false, any_asked = false;
  for (std::size_t i = 1; i < kStates; ++i) {
    const bool may_be = may_be_flagged(options.thresholds, static_cast<State>(i));
    any = any || may_be;
    any_asked = any_asked || (may_be && options.filter.states.test(i));
  }
  if (!any) throw CLI::ValidationError("--only", "flag prints nothing with --no-flags");
  if (options.filter.states.any() && !any_asked)
    throw CLI::ValidationError("--state", "none of these has a threshold: add --flag STATE=D");
}

}  // namespace tcpdwell::command_rules
