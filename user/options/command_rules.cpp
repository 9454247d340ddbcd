// SPDX-License-Identifier: Apache-2.0
#include "options/command_rules.h"

#include "options/command_line.h"
#include "options/option_values.h"

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

void add_window_options(CLI::App& own, OptionTexts& texts, const std::string& since,
                        const std::string& until) {
  own.add_option("--since", texts.since,
                 since + ": 03:12, 2026-11-21T03:12:05Z, or +90s from its beginning")
      ->type_name("T");
  own.add_option("--until", texts.until, until)->type_name("T");
}

void read_window(const OptionTexts& texts, Options& options) {
  if (!texts.since.empty()) options.since = replay_time_value("--since", texts.since);
  if (!texts.until.empty()) options.until = replay_time_value("--until", texts.until);
  const bool comparable = options.since && options.until &&
                          options.since->kind == options.until->kind &&
                          options.since->kind != ReplayTime::Kind::OfDay;
  if (comparable && options.since->value >= options.until->value)
    throw CLI::ValidationError("--until", "is not later than --since");
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
