// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/cause.h"

namespace tcpdwell {
namespace {

Cause cause_of_close_wait(const StuckFacts& facts) {
  if (!facts.attached) return Cause::NotAccepted;
  if (facts.receive_queue > 1) return Cause::DataUnread;
  if (facts.send_queue > 0) return Cause::Sending;
  return facts.receive_queue == 1 ? Cause::EofUnread : Cause::EofRead;
}

bool fin_came(State state) {
  return state == State::CloseWait || state == State::LastAck || state == State::Closing;
}

bool fin_was_sent(State state) {
  return state == State::FinWait1 || state == State::LastAck || state == State::Closing;
}

bool syn_was_sent(State state) { return state == State::SynSent || state == State::SynReceived; }

// A SYN or FIN takes one sequence number, like a byte.
std::uint64_t without(bool flag, std::uint32_t queue) {
  return flag && queue > 0 ? queue - 1 : queue;
}

}  // namespace

Cause cause_of(const StuckFacts& facts) {
  if (facts.state == State::CloseWait) return cause_of_close_wait(facts);
  if (facts.state == State::FinWait2) return facts.attached ? Cause::HalfClosed : Cause::Orphaned;
  return Cause::None;
}

std::optional<std::uint64_t> unread_bytes(const StuckFacts& facts) {
  if (facts.state == State::Listen) return std::nullopt;
  return without(fin_came(facts.state), facts.receive_queue);
}

std::optional<std::uint64_t> unsent_bytes(const StuckFacts& facts) {
  if (facts.state == State::Listen) return std::nullopt;
  return without(fin_was_sent(facts.state) || syn_was_sent(facts.state), facts.send_queue);
}

}  // namespace tcpdwell
