// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/connection_rules.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace tcpdwell {
namespace {

template <typename E>
constexpr unsigned bits(std::initializer_list<E> values) {
  unsigned all = 0;
  for (const E value : values) all |= 1U << static_cast<unsigned>(value);
  return all;
}

template <typename E>
bool has(unsigned set, E value) {
  return (set >> static_cast<unsigned>(value) & 1U) != 0;
}

constexpr unsigned kHalfOpen = bits({State::SynReceived});
constexpr unsigned kOpen =
    bits({State::Listen, State::SynSent, State::SynReceived, State::Established, State::FinWait1,
          State::FinWait2, State::CloseWait, State::LastAck, State::Closing});
constexpr unsigned kWithoutSocket = bits({State::FinWait2, State::TimeWait});

// One row for each carrier: its states, pending ends and flag stages.
struct Rule {
  Carrier carrier;
  unsigned states, pending_ends, flags;
};
constexpr unsigned kEveryStage =
    bits({FlagStage::None, FlagStage::Waiting, FlagStage::Asked, FlagStage::Raised});
constexpr std::array<Rule, 4> kRules{{
    {Carrier::Request, kHalfOpen,
     bits({PendingEnd::None, PendingEnd::Cancelled, PendingEnd::Expired}), kEveryStage},
    {Carrier::Newborn, kHalfOpen, bits({PendingEnd::None}), bits({FlagStage::None})},
    {Carrier::Full, kOpen, bits({PendingEnd::None, PendingEnd::Closed}), kEveryStage},
    {Carrier::Minisock, kWithoutSocket, bits({PendingEnd::None, PendingEnd::Cancelled}),
     kEveryStage},
}};
static_assert(std::ranges::all_of(kRules, [row = 0U](const Rule& rule) mutable {
  return static_cast<unsigned>(rule.carrier) == row++;
}));

}  // namespace

const char* broken_rule(const Connection& connection) {
  const Rule& rule = kRules[static_cast<std::size_t>(connection.carrier)];
  // A minisock of lost origin keeps the state of its full socket until the next event.
  const bool from_lost = connection.origin_lost && connection.carrier == Carrier::Minisock;
  if (!has(from_lost ? kOpen : rule.states, connection.state)) return "state of another carrier";
  if (!has(rule.pending_ends, connection.pending_end)) return "pending end of another carrier";
  if (!has(rule.flags, connection.flag)) return "flag stage of another carrier";
  if (connection.origin_lost && connection.carrier != Carrier::Minisock)
    return "origin_lost without a minisock";
  if (connection.origin_unknown && connection.carrier != Carrier::Minisock)
    return "origin_unknown without a minisock";
  if (connection.origin_lost && connection.origin_unknown) return "origin both lost and unknown";
  if (connection.flag == FlagStage::Raised && connection.verdict != Verdict::Show)
    return "a flag of a connection that is not shown";
  if ((connection.timer != 0) != (connection.flag == FlagStage::Waiting))
    return "a timer without a waiting flag, or a waiting flag without a timer";
  return nullptr;
}

}  // namespace tcpdwell
