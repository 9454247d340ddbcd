// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/connection_rules.h"

#include <gmock/gmock.h>

namespace tcpdwell {
namespace {

using ::testing::HasSubstr;
using ::testing::IsNull;

Connection connection(Carrier carrier, State state) {
  Connection made;
  made.carrier = carrier;
  made.state = state;
  return made;
}

TEST(ConnectionRules, EachCarrierHasItsStates) {
  EXPECT_THAT(broken_rule(connection(Carrier::Request, State::SynReceived)), IsNull());
  EXPECT_THAT(broken_rule(connection(Carrier::Request, State::Established)), HasSubstr("state"));
  EXPECT_THAT(broken_rule(connection(Carrier::Full, State::CloseWait)), IsNull());
  EXPECT_THAT(broken_rule(connection(Carrier::Full, State::TimeWait)), HasSubstr("state"));
  EXPECT_THAT(broken_rule(connection(Carrier::Minisock, State::TimeWait)), IsNull());
  EXPECT_THAT(broken_rule(connection(Carrier::Minisock, State::Closing)), HasSubstr("state"));
}

TEST(ConnectionRules, MinisockOfLostOriginHasTheStateOfItsSocket) {
  Connection minisock = connection(Carrier::Minisock, State::Closing);
  minisock.origin_lost = true;
  EXPECT_THAT(broken_rule(minisock), IsNull());
  minisock.origin_unknown = true;
  EXPECT_THAT(broken_rule(minisock), HasSubstr("origin"));
  minisock.carrier = Carrier::Full;
  EXPECT_THAT(broken_rule(minisock), HasSubstr("without a minisock"));
}

TEST(ConnectionRules, EachCarrierHasItsPendingEnds) {
  Connection full = connection(Carrier::Full, State::FinWait2);
  full.pending_end = PendingEnd::Closed;
  EXPECT_THAT(broken_rule(full), IsNull());
  full.pending_end = PendingEnd::Expired;
  EXPECT_THAT(broken_rule(full), HasSubstr("pending end"));
  Connection newborn = connection(Carrier::Newborn, State::SynReceived);
  newborn.pending_end = PendingEnd::Cancelled;
  EXPECT_THAT(broken_rule(newborn), HasSubstr("pending end"));
}

TEST(ConnectionRules, WaitingFlagHasATimer) {
  Connection full = connection(Carrier::Full, State::CloseWait);
  full.flag = FlagStage::Waiting;
  EXPECT_THAT(broken_rule(full), HasSubstr("timer"));
  full.timer = 1;
  EXPECT_THAT(broken_rule(full), IsNull());
  full.flag = FlagStage::Asked;
  EXPECT_THAT(broken_rule(full), HasSubstr("timer"));
}

TEST(ConnectionRules, RaisedFlagNeedsAShownConnection) {
  Connection full = connection(Carrier::Full, State::CloseWait);
  full.flag = FlagStage::Raised;
  EXPECT_THAT(broken_rule(full), HasSubstr("not shown"));
  full.verdict = Verdict::Show;
  EXPECT_THAT(broken_rule(full), IsNull());
}

}  // namespace
}  // namespace tcpdwell
