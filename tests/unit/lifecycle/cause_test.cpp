// SPDX-License-Identifier: Apache-2.0
// The cause of a stuck socket: the first matching one in the contract's order. In a queue, a FIN
// counts as 1.
#include "lifecycle/cause.h"

#include <gtest/gtest.h>

namespace tcpdwell {

void PrintTo(Cause cause, std::ostream* out) { *out << name(cause); }

namespace {

Cause of_close_wait(bool attached, std::uint32_t receive_queue, std::uint32_t send_queue) {
  return cause_of({State::CloseWait, attached, receive_queue, send_queue});
}

TEST(CauseOfCloseWait, IsTheFirstThatMatches) {
  EXPECT_EQ(of_close_wait(false, 6, 9), Cause::NotAccepted);
  EXPECT_EQ(of_close_wait(false, 0, 0), Cause::NotAccepted);
  EXPECT_EQ(of_close_wait(true, 6, 9), Cause::DataUnread);
  EXPECT_EQ(of_close_wait(true, 1, 9), Cause::Sending);
  EXPECT_EQ(of_close_wait(true, 0, 9), Cause::Sending);
  EXPECT_EQ(of_close_wait(true, 1, 0), Cause::EofUnread);
  EXPECT_EQ(of_close_wait(true, 0, 0), Cause::EofRead);
}

TEST(CauseOfCloseWait, FinAloneIsNotData) {
  EXPECT_EQ(of_close_wait(true, 1, 0), Cause::EofUnread);
  EXPECT_EQ(of_close_wait(true, 2, 0), Cause::DataUnread) << "one byte, and the FIN";
  EXPECT_EQ(of_close_wait(true, 1, 1), Cause::Sending) << "no FIN was sent: it is a byte";
}

TEST(CauseOfFinWait2, DependsOnWhetherAProcessHoldsIt) {
  EXPECT_EQ(cause_of({State::FinWait2, true, 0, 0}), Cause::HalfClosed);
  EXPECT_EQ(cause_of({State::FinWait2, false, 0, 0}), Cause::Orphaned);
  EXPECT_EQ(cause_of({State::FinWait2, true, 9, 9}), Cause::HalfClosed) << "whatever is queued";
}

TEST(CauseOfOtherStates, IsNone) {
  for (const State state :
       {State::Established, State::SynSent, State::SynReceived, State::FinWait1, State::TimeWait,
        State::Closed, State::LastAck, State::Listen, State::Closing})
    for (const bool attached : {true, false})
      EXPECT_EQ(cause_of({state, attached, 6, 6}), Cause::None) << name(state);
}

TEST(StuckBytes, DoNotCountAReceivedFin) {
  for (const State state : {State::CloseWait, State::LastAck, State::Closing}) {
    EXPECT_EQ(unread_bytes({state, true, 6, 0}), 5U) << name(state);
    EXPECT_EQ(unread_bytes({state, true, 1, 0}), 0U) << name(state);
    EXPECT_EQ(unread_bytes({state, true, 0, 0}), 0U) << name(state) << ": it was read";
  }
  for (const State state : {State::Established, State::FinWait1, State::FinWait2})
    EXPECT_EQ(unread_bytes({state, true, 6, 0}), 6U) << name(state);
}

TEST(StuckBytes, DoNotCountASentFin) {
  for (const State state : {State::FinWait1, State::LastAck, State::Closing}) {
    EXPECT_EQ(unsent_bytes({state, true, 0, 6}), 5U) << name(state);
    EXPECT_EQ(unsent_bytes({state, true, 0, 0}), 0U) << name(state) << ": acknowledged";
  }
  for (const State state : {State::Established, State::CloseWait})
    EXPECT_EQ(unsent_bytes({state, true, 0, 6}), 6U) << name(state);
}

TEST(StuckBytes, AreNotReportedForAListener) {
  EXPECT_EQ(unread_bytes({State::Listen, true, 6, 128}), std::nullopt);
  EXPECT_EQ(unsent_bytes({State::Listen, true, 6, 128}), std::nullopt);
}

}  // namespace
}  // namespace tcpdwell
