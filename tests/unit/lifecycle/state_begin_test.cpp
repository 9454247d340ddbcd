// SPDX-License-Identifier: Apache-2.0
// The begin of an older socket's state from the kernel's stamps: the true time must be
// between both bounds, at every HZ, and after the 32-bit stamps have wrapped.
#include "lifecycle/state_begin.h"

#include <gtest/gtest.h>

#include <string>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kEveryHz[] = {100, 250, 300, 1000};

// A socket read at a given uptime.
class StampedSocket {
 public:
  StampedSocket(State state, Nanos up, unsigned hz = 250) : hz_(hz) {
    event_.at = up;
    event_.state = state;
    event_.stamps.known = true;
    event_.stamps.all_sent = true;
  }
  // Ages at the time of the read.
  StampedSocket& received(Nanos ago) { return set(event_.received_ago, ago); }
  StampedSocket& acked(Nanos ago) { return set(event_.acked_ago, ago); }
  StampedSocket& sent(Nanos ago) { return set(event_.sent_ago, ago); }
  StampedSocket& ack_was_due(Nanos ago) {
    event_.stamps.delack_ago = ago / jiffy();
    return *this;
  }
  StampedSocket& delivered(Nanos ago) {
    event_.stamps.delivered = event_.at - ago;
    return *this;
  }
  StampedSocket& first_sent(Nanos ago) {
    event_.stamps.first_sent = event_.at - ago;
    return *this;
  }
  StampedSocket& unacked(std::uint32_t count, bool all_sent = true) {
    event_.stamps.unacked = count;
    event_.stamps.all_sent = all_sent;
    return *this;
  }
  StampedSocket& syn(Nanos ago, Nanos unit = 1ms) {
    event_.stamps.retrans_stamp = static_cast<std::uint32_t>((event_.at - ago) / unit);
    event_.stamps.usec_ts = unit == Nanos{1us};
    return *this;
  }
  StampedSocket& quickack() {
    event_.stamps.quickack_route = true;
    return *this;
  }
  StampedSocket& deferred() {
    event_.stamps.deferred_syn = true;
    return *this;
  }
  StampedSocket& from_an_old_recording() {
    event_.stamps = {};
    return *this;
  }

  // Bounds of the age.
  Nanos at_least() const { return event_.at - begin().latest; }
  std::optional<Nanos> at_most() const {
    const auto earliest = begin().earliest;
    return earliest ? std::optional(event_.at - *earliest) : std::nullopt;
  }
  StateBegin begin() const { return begin_of_socket(event_, hz_); }
  Nanos jiffy() const { return Nanos{1'000'000'000 / hz_}; }

 private:
  StampedSocket& set(std::optional<std::uint32_t>& stamp, Nanos ago) {
    stamp = static_cast<std::uint32_t>(ago / jiffy());  // 32 bits of jiffies: they wrap
    return *this;
  }
  SnapshotEvent event_;
  unsigned hz_;
};

// `slack`: how far each bound may be from the true age.
void expect_age(const StampedSocket& stamped, Nanos age, Nanos below, Nanos above) {
  EXPECT_LE(stamped.at_least(), age);
  EXPECT_GE(stamped.at_least(), age - below);
  ASSERT_TRUE(stamped.at_most());
  EXPECT_GE(*stamped.at_most(), age);
  EXPECT_LE(*stamped.at_most(), age + above);
}

TEST(CloseWaitBegin, IsTheDelayedAckOfTheFinDespiteKeepalive) {
  for (const unsigned hz : kEveryHz) {
    SCOPED_TRACE(hz);
    expect_age(StampedSocket(State::CloseWait, 1h, hz)
                   .received(20min)
                   .sent(20min)
                   .acked(2s)
                   .ack_was_due(10min - 40ms),
               10min, 60ms, 500ms);
  }
}

TEST(CloseWaitBegin, IsTheLastAckIfNotRenewed) {
  expect_age(
      StampedSocket(State::CloseWait, 1h).received(20min).acked(10min).ack_was_due(10min - 40ms),
      10min, 4ms, 500ms);
}

TEST(CloseWaitBegin, OfFinRightAfterDataIsTheTimeOfTheData) {
  const auto stamped = [] {
    return StampedSocket(State::CloseWait, 1h).received(10min).sent(10min);
  };
  expect_age(stamped().acked(2s).ack_was_due(10min - 40ms), 10min, 510ms, 50ms);
  expect_age(stamped().acked(2s), 10min, 510ms, 50ms);  // no ACK of it was ever delayed
  expect_age(stamped().acked(2s).ack_was_due(30min), 10min, 510ms, 50ms);
  expect_age(stamped().acked(10min).ack_was_due(10min - 40ms), 10min, 10ms, 50ms);
}

TEST(CloseWaitBegin, MayBeLaterThanTheDataIfTheAckWasPiggybacked) {
  // A download of five minutes; the FIN came in the middle of it.
  const StampedSocket stamped = StampedSocket(State::CloseWait, 1h)
                                    .received(10min)
                                    .sent(5min)
                                    .acked(1s)
                                    .ack_was_due(10min - 40ms);
  EXPECT_LE(stamped.at_least(), 5min);
  EXPECT_GE(stamped.at_least(), 5min - 10ms);
  EXPECT_GE(stamped.at_most(), 10min);
}

TEST(CloseWaitBegin, IsBetweenDataAndAckWithQuickAckRoute) {
  const StampedSocket stamped =
      StampedSocket(State::CloseWait, 1h).received(10min).sent(10min).acked(2s).quickack();
  EXPECT_LE(stamped.at_least(), 2s);
  EXPECT_GE(stamped.at_most(), 10min);
}

TEST(CloseWaitBegin, OfPendingTimerIsNow) {
  const StampedSocket stamped =
      StampedSocket(State::CloseWait, 1h).received(20min).acked(0s).ack_was_due(-40ms);
  EXPECT_EQ(stamped.at_least(), 0s);
  EXPECT_EQ(stamped.at_most(), 460ms);
}

// 2^32 jiffies are 49.7 days at HZ=1000, 198.8 at 250, 497 at 100: the stamp of data has wrapped,
// the timer's 64 bits have not.
TEST(CloseWaitBegin, AfterThe32BitStampsWrapped) {
  for (const unsigned hz : kEveryHz) {
    SCOPED_TRACE(hz);
    const Nanos turn{(std::int64_t{1} << 32U) * (1'000'000'000 / hz)};
    expect_age(StampedSocket(State::CloseWait, 3 * turn, hz)
                   .received(40min)
                   .acked(1s)
                   .ack_was_due(10min - 40ms),
               10min, 60ms, 500ms);
    // Older than a wrap: the stamp looks younger.
    const StampedSocket old = StampedSocket(State::CloseWait, 3 * turn, hz)
                                  .received(turn + 40min)
                                  .acked(1s)
                                  .ack_was_due(turn + 30min);
    EXPECT_LE(old.at_least(), turn + 30min);
    EXPECT_EQ(old.at_most(), std::nullopt) << "never a wrong bound";
    const StampedSocket quick =
        StampedSocket(State::CloseWait, 3 * turn, hz).received(40min).acked(1s).quickack();
    EXPECT_EQ(quick.at_most(), std::nullopt);
    EXPECT_LE(quick.at_least(), 1s);
  }
}

TEST(CloseWaitBegin, BeforeThe32BitStampsWrapped) {
  for (const unsigned hz : kEveryHz) {
    SCOPED_TRACE(hz);
    const Nanos turn{(std::int64_t{1} << 32U) * (1'000'000'000 / hz)};
    expect_age(StampedSocket(State::CloseWait, turn - 1s, hz)
                   .received(turn - 1h)
                   .sent(turn - 1h)
                   .acked(1s),
               turn - 1h, 520ms, 50ms);
  }
}

TEST(FinWait2Begin, IsWhenOurFinWasAcknowledged) {
  const StampedSocket stamped =
      StampedSocket(State::FinWait2, 1h).acked(1s).received(1s).delivered(10min);
  expect_age(stamped, 10min, 4ms, 0ms);
  EXPECT_TRUE(stamped.begin().is_exact());
}

TEST(FinWait2Begin, IsExactAfterAHundredDays) {
  expect_age(StampedSocket(State::FinWait2, 24h * 1000, 1000).acked(1s).delivered(24h * 100),
             24h * 100, 4ms, 0ms);
}

TEST(LastAckBegin, IsWhenTheFinWasSentOnAnIdleConnection) {
  for (const State state : {State::LastAck, State::FinWait1}) {
    const StampedSocket stamped = StampedSocket(state, 1h)
                                      .received(20min)
                                      .acked(15min)
                                      .delivered(10min)
                                      .first_sent(10min)
                                      .unacked(1);
    expect_age(stamped, 10min, 4ms, 4ms);
    EXPECT_TRUE(stamped.begin().is_exact());
  }
}

TEST(LastAckBegin, IsALowerBoundWithDataInFlight) {
  const StampedSocket stamped = StampedSocket(State::LastAck, 1h)
                                    .received(20min)
                                    .acked(10min)
                                    .delivered(10min)
                                    .first_sent(11min)
                                    .unacked(1);
  EXPECT_EQ(stamped.at_least(), 10min - 4ms);
  EXPECT_GE(stamped.at_most(), 20min) << "CLOSE_WAIT was before it, and data before that";
}

TEST(LastAckBegin, OfFinThatWaitedForAWindowIsALowerBound) {
  // The ACK that opens the window lets the FIN out: both at the same time.
  const StampedSocket stamped =
      StampedSocket(State::FinWait1, 1h).acked(10min).delivered(10min).first_sent(10min).unacked(1);
  EXPECT_EQ(stamped.at_least(), 10min - 4ms);
  EXPECT_EQ(stamped.at_most(), std::nullopt);
}

TEST(LastAckBegin, BehindAClosedWindowHasNoLowerBound) {
  const auto stamped = [] {
    return StampedSocket(State::LastAck, 1h)
        .received(20min)
        .acked(1s)
        .delivered(15min)
        .first_sent(15min);
  };
  EXPECT_EQ(stamped().unacked(1000).at_least(), 0s) << "data, too";
  EXPECT_EQ(stamped().unacked(1, false).at_least(), 0s) << "the FIN was never sent";
  EXPECT_GE(stamped().unacked(1, false).at_most(), 20min);
}

TEST(ClosingBegin, IsBetweenDataAndAck) {
  const StampedSocket stamped = StampedSocket(State::Closing, 1h).received(10min).acked(1min);
  EXPECT_LE(stamped.at_least(), 1min);
  EXPECT_GE(stamped.at_least(), 1min - 4ms);
  EXPECT_GE(stamped.at_most(), 10min);
}

TEST(SynSentBegin, IsTheFirstSyn) {
  for (const Nanos unit : {Nanos{1ms}, Nanos{1us}}) {
    const StampedSocket stamped = StampedSocket(State::SynSent, 1h).syn(20s, unit);
    expect_age(stamped, 20s, 2ms, 25ms);
    EXPECT_TRUE(stamped.begin().is_exact());
  }
}

TEST(SynSentBegin, WithWrappedStampIsALowerBound) {
  constexpr Nanos kTurnMs{(std::int64_t{1} << 32U) * 1'000'000};
  expect_age(StampedSocket(State::SynSent, kTurnMs - 1s).syn(20s), 20s, 2ms, 25ms);
  for (const StampedSocket& stamped : {StampedSocket(State::SynSent, kTurnMs + 10s).syn(20s),
                                       StampedSocket(State::SynSent, 3 * kTurnMs).syn(20s),
                                       StampedSocket(State::SynSent, 72min).syn(20s, 1us)}) {
    EXPECT_LE(stamped.at_least(), 20s);
    EXPECT_GE(stamped.at_least(), 20s - 2ms);
    EXPECT_EQ(stamped.at_most(), std::nullopt);
  }
}

TEST(SynSentBegin, OfDeferredSynIsALowerBound) {
  const StampedSocket stamped = StampedSocket(State::SynSent, 1h).syn(20s).deferred();
  EXPECT_GE(stamped.at_least(), 20s - 2ms);
  EXPECT_EQ(stamped.at_most(), std::nullopt);
  EXPECT_EQ(StampedSocket(State::SynSent, 1h).deferred().at_least(), 0s) << "not sent yet";
}

TEST(EstablishedBegin, IsBeforeAllActivity) {
  const StampedSocket stamped =
      StampedSocket(State::Established, 1h).received(10min).sent(20min).acked(1s);
  EXPECT_EQ(stamped.at_least(), 20min - stamped.jiffy());
  EXPECT_EQ(stamped.at_most(), std::nullopt);
}

TEST(ListenBegin, IsNotStoredByTheKernel) {
  for (const State state : {State::Listen, State::SynReceived}) {
    const StampedSocket stamped =
        StampedSocket(state, 1h).received(10min).acked(10min).delivered(10min);
    EXPECT_EQ(stamped.at_least(), 0s);
    EXPECT_EQ(stamped.at_most(), std::nullopt);
  }
}

TEST(StateBegin, OfOldRecordingHasNoUpperBound) {
  for (const State state : {State::CloseWait, State::FinWait2, State::Closing}) {
    const StampedSocket stamped =
        StampedSocket(state, 1h).received(10min).sent(10min).acked(1min).from_an_old_recording();
    EXPECT_EQ(stamped.at_least(), 1min - stamped.jiffy());
    EXPECT_EQ(stamped.at_most(), std::nullopt);
  }
}

TEST(StateBegin, IsNeitherBeforeTheBootNorAfterNow) {
  const StateBegin early = StampedSocket(State::CloseWait, 1s).received(10min).acked(10min).begin();
  EXPECT_EQ(early, (StateBegin{0s, 0s}));
  const StampedSocket late = StampedSocket(State::FinWait2, 1s).delivered(-1s);
  EXPECT_EQ(late.begin().latest, 1s);
}

TEST(StateBegin, IsNarrowedByOtherBounds) {
  const StateBegin wide{100s, 10s};
  EXPECT_EQ(wide.narrowed_by({90s, std::nullopt}), (StateBegin{90s, 10s}));
  EXPECT_EQ(wide.narrowed_by({200s, 20s}), (StateBegin{100s, 20s}));
  EXPECT_EQ((StateBegin{100s, std::nullopt}).narrowed_by(wide), wide);
  EXPECT_EQ(wide.narrowed_by({5s, std::nullopt}), wide)
      << "a contradicting bound belongs to another state";
  EXPECT_EQ(wide.narrowed_by({200s, 150s}), wide);
}

}  // namespace
}  // namespace tcpdwell
