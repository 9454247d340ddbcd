// SPDX-License-Identifier: Apache-2.0
// The sentences: every cause, one socket and several, one holder, many and none.
#include "sinks/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/sentences.h"

namespace tcpdwell {
namespace {

using namespace samples;
using testing::HasSubstr;
using testing::Not;

LeakGroup twelve(FlagRecord flag) {
  std::vector<FlagRecord> flags(12, flag);
  for (std::size_t i = 0; i < flags.size() && !flag.holders.empty(); ++i) {
    flags[i].holders[0].fd = static_cast<std::int32_t>(9 + i);
    flags[i].unread_bytes = 100;
  }
  return group_leaks(flags)[0];
}

TEST(Explain, EofRead) {
  const FlagRecord flag = stuck_server(Cause::EofRead);
  EXPECT_EQ(what(flag),
            "the peer closed 2m10s ago; nothing is left to read, and fd 9 of python3[4711] in "
            "web.service is still open");
  EXPECT_EQ(
      next(flag),
      "find where python3 is done with a connection but does not close() it: strace -f -p 4711 -e "
      "trace=read,readv,recvfrom,recvmsg,shutdown,close");
}

TEST(Explain, DataUnread) {
  FlagRecord flag = stuck_server(Cause::DataUnread);
  flag.unread_bytes = 4096;
  EXPECT_EQ(what(flag),
            "the peer closed 2m10s ago; 4,096 bytes received before that are unread, and fd 9 of "
            "python3[4711] in web.service is still open");
  EXPECT_EQ(next(flag), "see what python3 is doing instead of read(): strace -f -p 4711");
  flag.unread_bytes = 1;
  EXPECT_THAT(what(flag), HasSubstr("; 1 byte received before that is unread"));
  flag.unread_bytes.reset();
  EXPECT_THAT(what(flag), HasSubstr("; data received before that is unread"));
}

TEST(Explain, Sending) {
  FlagRecord flag = stuck_server(Cause::Sending);
  flag.unsent_bytes = 70000;
  EXPECT_EQ(what(flag),
            "the peer closed 2m10s ago, but 70,000 bytes are not acknowledged by the peer; fd 9 of "
            "python3[4711] in web.service is still open");
  EXPECT_EQ(next(flag),
            "check whether the peer reads data and the network delivers it: ss -tino dst 10.0.0.2");
}

TEST(Explain, EofUnread) {
  FlagRecord flag = stuck_server(Cause::EofUnread);
  EXPECT_EQ(what(flag),
            "the peer closed 2m10s ago; all data has been read, but not the end of stream, "
            "and fd 9 of python3[4711] in web.service is still open");
  EXPECT_EQ(next(flag), "see what python3 is doing instead of read(): strace -f -p 4711")
      << "a server waits for its clients to say something";
  flag.socket.role = Role::Client;
  EXPECT_THAT(next(flag), HasSubstr("make python3 poll its idle connections for reading"));
}

TEST(Explain, NotAccepted) {
  FlagRecord flag = stuck_server(Cause::NotAccepted);
  flag.holders = {holder(7, "nginx", 6)};
  EXPECT_EQ(what(flag),
            "the peer closed 2m10s ago, and it is still in the accept queue of port 8080: nginx[7] "
            "in web.service has not accepted it");
  EXPECT_EQ(next(flag), "see what nginx is doing instead of accept(): strace -f -p 7");
  flag.holders.push_back(holder(8, "nginx", 6));
  EXPECT_THAT(what(flag), HasSubstr("nginx[7] and nginx[8] in web.service have not accepted it"));
  EXPECT_THAT(what(flag), Not(HasSubstr("must close"))) << "one of them accepting it is enough";
  flag.holders.clear();
  EXPECT_THAT(
      what(flag),
      HasSubstr(": the listening application (in a pid namespace that is not visible here, or "
                "without a descriptor) has not accepted it"));
}

TEST(Explain, AHalfClosedConnection) {
  const FlagRecord flag = half_closed_client();
  EXPECT_EQ(what(flag),
            "this side was shut down 2m10s ago and the peer has not closed since; fd 9 of "
            "python3[4711] in web.service is still open, so no timeout ends this");
  EXPECT_EQ(next(flag),
            "make python3 wait for the peer with a timeout after shutdown(), then close()");
}

TEST(Explain, AnOrphan) {
  FlagRecord flag = orphan();
  EXPECT_EQ(
      what(flag),
      "this side was shut down 66.000s ago and the peer has not closed since; no process holds "
      "it (owner was python3[4711]), and the kernel will end it "
      "(net.ipv4.tcp_fin_timeout)");
  EXPECT_EQ(next(flag),
            "nothing to do on this host; if there are many, find out why 10.0.0.9:5432 does not "
            "close its side");
  flag.socket.owner.reset();
  EXPECT_THAT(what(flag), HasSubstr("no process holds it, and the kernel"));
}

TEST(Explain, OtherStatesShowDwellAndHolder) {
  FlagRecord flag = stuck_server(Cause::None);
  flag.state = State::Established;
  EXPECT_EQ(what(flag),
            "in ESTABLISHED for 2m10s; fd 9 of python3[4711] in web.service is still open");
  flag.holders.clear();
  EXPECT_EQ(what(flag), "in ESTABLISHED for 2m10s; owner python3[4711] in web.service");
  flag.socket.owner.reset();
  EXPECT_EQ(what(flag), "in ESTABLISHED for 2m10s");
  for (const State state :
       {State::SynSent, State::SynReceived, State::Established, State::FinWait1, State::FinWait2,
        State::CloseWait, State::Closing, State::LastAck, State::TimeWait, State::Listen}) {
    flag.state = state;
    EXPECT_THAT(what(flag), HasSubstr(name(state)));
    EXPECT_FALSE(next(flag).empty()) << name(state);
  }
}

TEST(Explain, InexactAgesAreMarked) {
  FlagRecord flag = stuck_server();
  flag.dwell.error.reset();
  EXPECT_THAT(what(flag), HasSubstr("the peer closed at least 2m10s ago;"));
  flag.dwell.error = 4ms;
  EXPECT_THAT(what(flag), HasSubstr("the peer closed about 2m10s ago;"));
}

TEST(Explain, AllOfSeveralProcessesMustCloseIt) {
  FlagRecord flag = stuck_server();
  flag.holders.push_back(holder(4712, "worker", 9));
  EXPECT_THAT(what(flag), HasSubstr("and fd 9 of python3[4711] and fd 9 of worker[4712] in "
                                    "web.service are still open: both processes must close it"));
  for (std::uint32_t pid = 4713; pid < 4751; ++pid) flag.holders.push_back(holder(pid, "w", 9));
  EXPECT_THAT(what(flag), HasSubstr("fd 9 of python3[4711], fd 9 of worker[4712], fd 9 of w[4713] "
                                    "and 37 more in web.service are still open: all 40 processes "
                                    "must close it (children inherit descriptors)"));
}

TEST(Explain, AProcessMayHoldItTwice) {
  FlagRecord flag = stuck_server();
  flag.holders.push_back(holder(4711, "python3", 12));
  EXPECT_THAT(what(flag), HasSubstr("2 descriptors of python3[4711] (fd 9, 12) in web.service are "
                                    "still open on it: all must be closed"));
}

TEST(Explain, NoVisibleHolder) {
  FlagRecord flag = stuck_server();
  flag.holders.clear();
  EXPECT_THAT(what(flag),
              HasSubstr("no process visible here has it open (it may be in flight "
                        "over a unix socket, registered with io_uring, used by the "
                        "kernel itself, or open in another pid namespace); its owner was "
                        "python3[4711]"));
  EXPECT_EQ(next(flag), "find what still uses it: ss -tnpoe dst 10.0.0.2");
  flag.socket.owner.reset();
  EXPECT_THAT(what(flag), Not(HasSubstr("owner")));
}

TEST(Explain, AHolderInAnotherPidNamespaceHasNoPid) {
  FlagRecord flag = stuck_server();
  flag.holders = {holder(0, "java", -1)};
  EXPECT_THAT(what(flag), HasSubstr("and java in web.service is still open"));
  EXPECT_EQ(next(flag), "find where java is done with a connection but does not close() it");
}

TEST(Explain, OmitsTheServiceOfAnotherCgroup) {
  FlagRecord flag = stuck_server();
  flag.socket.owner->process.cgroup_id = 1;
  flag.holders[0].process.cgroup_id = 1;
  EXPECT_THAT(what(flag), HasSubstr("in web.service"));
  flag.holders[0].process.cgroup_id = 2;
  EXPECT_THAT(what(flag), Not(HasSubstr("web.service")));
}

TEST(Explain, AGroup) {
  EXPECT_EQ(explain(twelve(stuck_server())).what,
            "the peer closed 12 connections, the oldest 2m10s ago; nothing is left to read, and 12 "
            "descriptors of python3[4711] (fd 9, 10, 11, …) in web.service are still open");
  EXPECT_THAT(explain(twelve(stuck_server(Cause::DataUnread))).what,
              HasSubstr("; 1,200 bytes received before that are unread"));
  EXPECT_THAT(explain(twelve(stuck_server(Cause::NotAccepted))).what,
              HasSubstr("and they are still in the accept queue of port 8080: python3[4711] in "
                        "web.service has not accepted them"));
  EXPECT_THAT(explain(twelve(half_closed_client())).what,
              HasSubstr("this side of 12 connections was shut down (the oldest 2m10s ago) and the "
                        "peer has not closed since"));
  EXPECT_THAT(
      explain(twelve(orphan())).what,
      HasSubstr("this side of 12 connections was shut down (the oldest 66.000s ago) and the "
                "peer has not closed since; no process holds them"));
}

TEST(Explain, TheExitOfTheProcess) {
  FlagRecord flag = by_exit(stuck_server(), 3200ms);
  EXPECT_EQ(what(flag),
            "in CLOSE_WAIT for 3.200s until python3[4711] in web.service exited; only the exit "
            "closed it");
  EXPECT_THAT(next(flag), Not(HasSubstr("strace"))) << "there is no process to look at";
  flag.holders.clear();
  EXPECT_THAT(what(flag), HasSubstr("until python3[4711] in web.service exited"));
  flag.socket.owner.reset();
  flag.unread_bytes = 5;
  EXPECT_EQ(what(flag),
            "in CLOSE_WAIT for 3.200s until the process exited; only the exit closed it; 5 bytes "
            "never read");
}

TEST(Explain, UsesThePastTenseAfterTheRun) {
  const auto past = [](const FlagRecord& flag) { return explain(group_of(flag), false); };
  EXPECT_EQ(past(stuck_server()).what,
            "in CLOSE_WAIT for 2m10s; nothing was left to read; held by fd 9 of python3[4711] in "
            "web.service");
  EXPECT_EQ(past(stuck_server()).next,
            "find where python3 is done with a connection but does not close() it");
  FlagRecord unread = stuck_server(Cause::DataUnread);
  unread.unread_bytes = 10;
  EXPECT_THAT(past(unread).what, HasSubstr("; 10 bytes before the end of stream not read; held"));
  EXPECT_THAT(
      past(stuck_server(Cause::NotAccepted)).what,
      HasSubstr("; no process accepted it from the queue of port 8080; listener python3[4711]"));
  EXPECT_EQ(explain(twelve(half_closed_client()), false).what,
            "12 sockets in FIN_WAIT_2, the oldest for 2m10s; this side was shut down, and the peer "
            "did not close; held by 12 descriptors of python3[4711] (fd 9, 10, 11, …) in "
            "web.service");
  for (const Cause cause : kCauses)
    EXPECT_THAT(past(stuck_server(cause)).what, Not(HasSubstr("is still"))) << name(cause);
}

TEST(Explain, CommandEntersTheContainersNetns) {
  FlagRecord flag = stuck_server(Cause::Sending);
  flag.socket.cgroup = kept("/docker/" + std::string(64, 'a'));
  EXPECT_THAT(next(flag), HasSubstr(": nsenter -t 4711 -n ss -tino dst 10.0.0.2"));
  EXPECT_THAT(what(flag), HasSubstr("fd 9 of python3[4711] in docker aaaaaaaaaaaa is still open"));
  flag.holders.clear();
  EXPECT_THAT(next(flag), HasSubstr(": ss -tino dst")) << "its owner may be gone";
}

TEST(Explain, Ipv6InACommandIsInBrackets) {
  FlagRecord flag = half_closed_client();
  flag.cause = Cause::Sending;
  flag.socket.flow.family = Family::Ipv6;
  flag.socket.flow.remote = endpoint(Family::Ipv6, "2001:db8::2", 443);
  EXPECT_THAT(next(flag), HasSubstr("ss -tino dst [2001:db8::2]:443"));
  EXPECT_EQ(peer_text(group_of(flag)), "[2001:db8::2]:443");
  flag.socket.role = Role::Server;
  EXPECT_THAT(next(flag), HasSubstr("ss -tino dst [2001:db8::2]"));
  EXPECT_EQ(peer_text(group_of(flag)), "2001:db8::2");
}

TEST(Explain, EveryCauseHasASentenceAndAStep) {
  for (const Cause cause : kCauses)
    for (const bool alive : {true, false})
      for (const bool held : {true, false}) {
        FlagRecord flag = stuck_server(cause);
        if (!held) flag.holders.clear();
        for (const LeakGroup& group : {group_of(flag), twelve(flag)}) {
          const Explanation said = explain(group, alive);
          EXPECT_FALSE(said.what.empty()) << name(cause);
          EXPECT_FALSE(said.next.empty()) << name(cause);
          EXPECT_EQ((said.what + said.next).find("  "), std::string::npos) << said.what;
        }
      }
}

TEST(Explain, HostileNamesAreHarmless) {
  for (const std::string_view comm : kHostile)
    for (const Cause cause : kCauses) {
      FlagRecord flag = stuck_server(cause);
      flag.socket.owner = owner_of(1, comm);
      flag.socket.cgroup = kept("/" + std::string(comm) + ".service");
      flag.holders = {holder(2, comm, 3), holder(3, comm, 3)};
      EXPECT_EQ(hostile_byte(what(flag) + next(flag)), "") << what(flag);
      flag.holders.clear();
      EXPECT_EQ(hostile_byte(what(flag) + next(flag)), "") << what(flag);
      EXPECT_EQ(hostile_byte(what(by_exit(flag, 1s))), "");
    }
}

}  // namespace
}  // namespace tcpdwell
