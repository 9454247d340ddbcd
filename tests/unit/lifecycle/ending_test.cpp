// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/ending.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace tcpdwell {
namespace {

struct Case {
  const char* what;
  TransitionEvent event;
  ResetFacts resets;
  Ended ended;
  Side closed_by;
};

TransitionEvent ended(State from, std::uint16_t err = 0, std::uint8_t shutdown = 0) {
  return {.from = from, .to = State::Closed, .err = err, .shutdown = shutdown, .attached = true};
}
TransitionEvent closed(State from) {
  auto event = ended(from, 0, 3);
  event.closing = true;
  return event;
}
TransitionEvent orphan(State from, std::uint16_t err = 0) {
  auto event = ended(from, err, 3);
  event.dead = true;
  event.attached = false;
  return event;
}

constexpr ResetFacts kNoReset{}, kSent{.sent = true}, kMemory{.sent = true, .memory = true},
    kBlind{.watched = false};

const Case kCases[] = {
    {"SO_LINGER 0", closed(State::Established), kSent, Ended::ResetSent, Side::Local},
    {"close with data unread", closed(State::CloseWait), kSent, Ended::ResetSent, Side::Local},
    {"AF_UNSPEC", ended(State::Established), kSent, Ended::ResetSent, Side::Local},
    {"RST", ended(State::Established, ECONNRESET), kNoReset, Ended::ResetReceived, Side::Remote},
    {"RST in CLOSE_WAIT", ended(State::CloseWait, EPIPE), kNoReset, Ended::ResetReceived,
     Side::Remote},
    {"RST to SYN", ended(State::SynSent, ECONNREFUSED), kNoReset, Ended::Refused, Side::Remote},
    {"ICMP to SYN", ended(State::SynSent, EHOSTUNREACH), kNoReset, Ended::Unreachable, Side::None},
    {"no route", ended(State::SynSent, ENETUNREACH), kNoReset, Ended::Unreachable, Side::None},
    {"prohibited, IPv6", ended(State::SynSent, EACCES), kNoReset, Ended::Unreachable, Side::None},
    {"no such protocol", ended(State::SynSent, ENOPROTOOPT), kNoReset, Ended::Unreachable,
     Side::None},
    {"no error of the network", ended(State::SynSent, EBADMSG), kNoReset, Ended::Unknown,
     Side::None},
    {"retries, and ICMP meanwhile", ended(State::Established, EHOSTUNREACH), kNoReset,
     Ended::Unreachable, Side::None},
    {"... that says port", ended(State::Established, ECONNREFUSED), kNoReset, Ended::Unreachable,
     Side::None},
    {"SYN timeout", ended(State::SynSent, ETIMEDOUT), kNoReset, Ended::Timeout, Side::None},
    {"close in SYN_SENT", closed(State::SynSent), kNoReset, Ended::Closed, Side::None},
    {"data to an orphan", orphan(State::FinWait1, ECONNRESET), kSent, Ended::ResetSent,
     Side::Local},
    {"ss -K", ended(State::Established, ECONNABORTED), kSent, Ended::Killed, Side::Local},
    {"keepalive", ended(State::Established, ETIMEDOUT), kSent, Ended::Timeout, Side::Local},
    {"user timeout", ended(State::Established, ETIMEDOUT), kNoReset, Ended::Timeout, Side::None},
    {"retries of an orphan", orphan(State::LastAck, ETIMEDOUT), kNoReset, Ended::Timeout,
     Side::None},
    {"ordinary end", orphan(State::LastAck), kNoReset, Ended::Fin, Side::Remote},
    {"tcp_max_orphans", orphan(State::FinWait1), kMemory, Ended::Overflow, Side::Local},
    {"tcp_max_tw_buckets", orphan(State::FinWait2), kNoReset, Ended::Overflow, Side::Local},
    {"TCP_LINGER2 < 0", orphan(State::FinWait2), kSent, Ended::ResetSent, Side::Local},
    {"resets not watched", orphan(State::FinWait2), kBlind, Ended::Unknown, Side::Local},
    {"listener closed", closed(State::Listen), kNoReset, Ended::Closed, Side::None},
    {"unrelated error", ended(State::Established, EBADMSG), kNoReset, Ended::Unknown,
     Side::Unknown},
};

TEST(Ending, OfASocket) {
  for (const Case& c : kCases) {
    const Ending ending = end_of_socket(c.event, c.resets);
    EXPECT_EQ(name(ending.ended), name(c.ended)) << c.what;
    EXPECT_EQ(name(ending.closed_by), name(c.closed_by)) << c.what;
  }
}

TEST(Ending, CloseAndShutdownDiffer) {
  TransitionEvent event{.from = State::Established, .to = State::FinWait1, .shutdown = 3};
  EXPECT_EQ(why_of(event), Why::Shutdown) << "shutdown(SHUT_RDWR) sets both bits too";
  event.closing = true;
  EXPECT_EQ(why_of(event), Why::Close);
  event.mptcp = true;
  EXPECT_EQ(why_of(event), Why::Unknown) << "a kernel thread closes a subflow";
}

TEST(Ending, NeedsResetEventOnlyIfItChangesTheResult) {
  EXPECT_TRUE(needs_reset_facts(ended(State::Established, ECONNRESET)));
  EXPECT_TRUE(needs_reset_facts(orphan(State::FinWait2)));
  EXPECT_FALSE(needs_reset_facts(orphan(State::LastAck)));
  EXPECT_FALSE(needs_reset_facts(ended(State::SynSent, ECONNREFUSED)));
  EXPECT_FALSE(needs_reset_facts(closed(State::Established)));
}

}  // namespace
}  // namespace tcpdwell
