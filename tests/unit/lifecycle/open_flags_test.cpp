// SPDX-License-Identifier: Apache-2.0
// The flags that are still raised at the end of a run.
#include "lifecycle/open_flags.h"

#include <gtest/gtest.h>

#include "support/flags.h"

namespace tcpdwell {
namespace {

using namespace samples;

class Kept final : public Sink {
 public:
  void write(const Record& record) noexcept override {
    order += std::to_string(record.index());
    if (const auto* flag = std::get_if<FlagRecord>(&record)) {
      flags.push_back(*flag);
      cgroups.emplace_back(flag->socket.cgroup);
    }
  }
  std::string order;
  std::vector<FlagRecord> flags;
  std::vector<std::string> cgroups;
};

EndRecord end_after(Nanos later) {
  EndRecord end;
  end.when = {kWhen.mono + later, kWhen.unix_time + later};
  return end;
}

TEST(OpenFlags, RaisedOnesComeBeforeTheEndWithTheirAgeOfThen) {
  Kept kept;
  OpenFlags open(kept);
  open.write(StartRecord{});
  std::string cgroup = "/system.slice/web.service";
  FlagRecord flag = stuck_server();
  flag.at_most = 200s;
  flag.socket.cgroup = cgroup;
  open.write(flag);
  cgroup.assign(cgroup.size(), 'x');  // the text of a record is valid during write() only
  open.write(half_closed_client());
  open.write(TransitionRecord{});
  open.write(end_after(60s));
  ASSERT_EQ(kept.flags.size(), 2U);
  EXPECT_EQ(kept.order, "0227") << "start, flags, end";
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(kept.flags[i].dwell.value, 190s);
    EXPECT_EQ(kept.flags[i].when.mono, kWhen.mono + 60s);
    EXPECT_EQ(kept.cgroups[i], "/system.slice/web.service");
    EXPECT_EQ(kept.flags[i].at_most.value_or(260s), 260s);
  }
  EXPECT_EQ(open.flags().size(), 2U);
}

TEST(OpenFlags, ClearedOnesAreGone) {
  Kept kept;
  OpenFlags open(kept);
  const FlagRecord one = stuck_server(Cause::EofRead, 1), two = stuck_server(Cause::EofRead, 2);
  open.write(one);
  open.write(two);
  open.write(cleared(one, 140s));
  open.write(cleared(stuck_server(Cause::EofRead, 3), 140s));  // was raised before the recording
  open.write(end_after(0s));
  ASSERT_EQ(kept.flags.size(), 1U);
  EXPECT_EQ(kept.flags[0].socket.cookie, 2U);
}

TEST(OpenFlags, AClosedDescriptorOutlivesItsState) {
  Kept kept;
  OpenFlags open(kept);
  FlagRecord waits = stuck_server(), dead = waits;
  dead.state = State::Closed;
  open.write(waits);
  open.write(dead);
  open.write(cleared(waits, 140s));
  open.write(end_after(0s));
  ASSERT_EQ(kept.flags.size(), 1U);
  EXPECT_EQ(kept.flags[0].state, State::Closed);
}

TEST(OpenFlags, AQueuedConnectionMayChangeItsState) {
  Kept kept;
  OpenFlags open(kept);
  FlagRecord queued = stuck_server(Cause::NotAccepted);
  queued.kind = FlagKind::Accept;
  queued.state = State::Established;
  queued.socket.cookie = 0;
  FlagRecord other = queued;
  other.socket.flow.remote.port = 1;
  open.write(queued);
  open.write(other);
  queued.state = State::CloseWait;
  open.write(cleared(queued, 20s));
  open.write(end_after(0s));
  ASSERT_EQ(kept.flags.size(), 1U);
  EXPECT_EQ(kept.flags[0].socket.flow.remote.port, 1) << "without a cookie, its addresses name it";
}

TEST(OpenFlags, ASecondLifeHasAFlagOfItsOwn) {
  Kept kept;
  OpenFlags open(kept);
  FlagRecord first = stuck_server(), second = first;
  second.socket.life = 1;
  open.write(first);
  open.write(second);
  open.write(cleared(first, 140s));
  open.write(end_after(0s));
  ASSERT_EQ(kept.flags.size(), 1U);
  EXPECT_EQ(kept.flags[0].socket.life, 1U);
}

}  // namespace
}  // namespace tcpdwell
