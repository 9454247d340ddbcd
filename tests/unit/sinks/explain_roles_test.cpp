// SPDX-License-Identifier: Apache-2.0
// Sentences and steps by the role of a socket and the program that holds it: workers, relays,
// inherited descriptors, stopped processes, closed windows, runtimes, other namespaces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/sentences.h"

namespace tcpdwell {
namespace {

using namespace samples;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

ProcessFacts facts(std::uint32_t pid, char state = 'S', Runtime runtime = Runtime::Native) {
  return {.pid = pid, .state = state, .parent = 100, .live_thread = pid, .runtime = runtime};
}

FlagRecord held_by(const ProcessFacts& process, Cause cause = Cause::EofRead) {
  FlagRecord flag = stuck_server(cause);
  flag.processes = {process};
  return flag;
}

TEST(Roles, WorkersAreOneEntry) {
  std::vector<FlagRecord> flags;
  for (std::uint32_t pid = 101; pid < 125; ++pid) {
    flags.push_back(stuck_server());
    flags.back().socket.owner = owner_of(pid, "php-fpm8.2", Via::Accept);
    flags.back().holders = {holder(pid, "php-fpm8.2", 4)};
    flags.back().processes = {facts(pid)};
  }
  const auto groups = group_leaks(flags);
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(holder_text(groups[0]), "24× php-fpm8.2");
  EXPECT_EQ(explain(groups[0]).what,
            "the peer closed 24 connections, the oldest 2m10s ago; nothing is left to read, and 24 "
            "descriptors of 24 processes of php-fpm8.2 (fd 4 of 101, fd 4 of 102, fd 4 of 103, …) "
            "in web.service are still open");
  EXPECT_THAT(explain(groups[0]).next, HasSubstr("strace -f -p 101 "));
  EXPECT_EQ(explain(groups[0], false).what,
            "24 sockets in CLOSE_WAIT, the oldest for 2m10s; nothing was left to read; held by 24 "
            "descriptors of 24 processes of php-fpm8.2 (fd 4 of 101, fd 4 of 102, fd 4 of 103, …) "
            "in web.service");
}

TEST(Roles, TheWorkerIsLookedAtAndNotItsMaster) {
  FlagRecord flag = stuck_server();
  flag.socket.owner.reset();
  flag.holders = {holder(100, "master", 9), holder(101, "worker", 9)};
  flag.processes = {facts(100), facts(101)};
  flag.processes[0].parent = 1;
  EXPECT_THAT(next(flag), AllOf(HasSubstr("find where worker is done"), HasSubstr("-p 101 ")));
  flag.socket.owner = owner_of(100, "master", Via::Accept);
  EXPECT_THAT(next(flag), HasSubstr("-p 100 ")) << "unless that one accepted it";
}

TEST(Roles, ANameThatIsCutOffIsToldInFull) {
  FlagRecord flag = held_by(facts(4711));
  flag.processes[0].program = "python3 app.py";
  EXPECT_THAT(what(flag), HasSubstr("fd 9 of python3 app.py[4711] in web.service"));
  EXPECT_THAT(next(flag), HasSubstr("find where python3 app.py is done"));
  EXPECT_EQ(holder_text(group_of(flag)), "python3 app.py[4711]");
}

// HAProxy, socat.
struct Relay {
  FlagRecord flags[2] = {stuck_server(), half_closed_client()};
  LeakGroup group(State state) const {
    for (const LeakGroup& group : group_leaks(flags))
      if (group.state == state) return group;
    return {};
  }
};

TEST(Roles, OfARelayTheOtherPeerMustClose) {
  const LeakGroup ended = Relay().group(State::CloseWait);
  EXPECT_EQ(
      explain(ended).what,
      "the peer closed 2m10s ago; python3[4711] in web.service seems to relay: it forwarded "
      "the close to 10.0.0.9:5432 and waits for that peer to close, too; fd 9 of python3[4711] in "
      "web.service is still open");
  EXPECT_EQ(explain(ended).next,
            "find out why the application at 10.0.0.9:5432 does not close its side; a timeout for "
            "half-closed connections in python3 limits how long this lasts");
  const LeakGroup shut = Relay().group(State::FinWait2);
  EXPECT_EQ(explain(shut).what,
            "this side was shut down 2m10s ago and the peer has not closed since; python3[4711] in "
            "web.service seems to relay: its peer 10.0.0.2:50000 had closed right before");
  EXPECT_THAT(explain(shut).next,
              HasSubstr("find out why the application at 10.0.0.9:5432 does not close its side"));
}

TEST(Roles, AFilterCanHideTheOtherSideOfARelay) {
  const Relay relay;
  EXPECT_THAT(explain(group_leaks(relay.flags, 1)[0]).what, HasSubstr("seems to relay"))
      << "the other side is known, but not shown";
  ASSERT_EQ(group_leaks(relay.flags, 1).size(), 1U);
  LeakGroup alone = group_of(relay.flags[0]);
  alone.filtered = true;
  EXPECT_THAT(explain(alone).next,
              StartsWith("find where python3 is done with a connection but does not close() it "
                         "(look without the filter if it relays): strace"));
}

TEST(Roles, WhoWaitsForARelayIsSentToTheFarSide) {
  FlagRecord flags[] = {stuck_server(), half_closed_client(), half_closed_client()};
  FlagRecord& client = flags[2];
  client.socket.flow.local = flags[0].socket.flow.remote;
  client.socket.flow.remote = flags[0].socket.flow.local;
  client.holders = {holder(1, "client", 3)};
  client.other_end = OtherEnd{.process = {.pid = 4711}, .state = State::CloseWait};
  for (const LeakGroup& group : group_leaks(flags)) {
    if (group.holders.front().process.pid == 1) {
      EXPECT_THAT(explain(group).next,
                  AllOf(HasSubstr("seems to relay"),
                        HasSubstr("the application at 10.0.0.9:5432 does not close"),
                        Not(HasSubstr("strace"))));
    }
  }
}

TEST(Roles, OfAnInheritedDescriptorTheMakerIsToBlame) {
  FlagRecord flag = stuck_server();
  flag.socket.owner = owner_of(12, "uploader", Via::Accept);
  flag.holders = {holder(13, "sleep", 6)};
  flag.processes = {{.pid = 13, .state = 'S', .parent = 12}};
  EXPECT_THAT(what(flag), EndsWith("fd 6 of sleep[13] in web.service is still open; uploader[12] "
                                   "accepted it and started sleep[13], which inherited the "
                                   "descriptor"));
  EXPECT_THAT(next(flag),
              AllOf(HasSubstr("make uploader open its sockets with SOCK_CLOEXEC"),
                    HasSubstr("until sleep ends, this one stays open"), Not(HasSubstr("strace"))));
  flag.socket.owner->via = Via::Connect;
  EXPECT_THAT(what(flag), HasSubstr("; uploader[12] connected it and started"));
}

TEST(Roles, ListenerProbablyAcceptedAnOlderSocket) {
  FlagRecord flag = stuck_server();
  flag.socket.owner = owner_of(13, "sleep", Via::Fd);
  flag.holders = {holder(13, "sleep", 6)};
  flag.inherited_from = owner_of(12, "uploader").process;
  EXPECT_THAT(what(flag), HasSubstr("; uploader[12], which listens on port 8080, most likely "
                                    "accepted it and started sleep[13], which inherited"));
  EXPECT_THAT(next(flag), HasSubstr("make uploader open its sockets with SOCK_CLOEXEC"));
}

TEST(Roles, ReceiverOfAPassedSocketMustCloseIt) {
  FlagRecord flag = stuck_server();
  flag.socket.owner = owner_of(12, "sshd", Via::Accept);
  flag.holders = {holder(13, "sshd", 5)};
  flag.processes = {{.pid = 13, .state = 'S', .parent = 12, .live_thread = 13}};
  EXPECT_THAT(what(flag),
              HasSubstr("; sshd[12] accepted it and forked sshd[13], which still has it"));
  EXPECT_THAT(
      next(flag),
      AllOf(HasSubstr("does not close() it, unless this child does some work of its own and "
                      "only inherited it by fork(): then it stays until it ends"),
            HasSubstr("strace -f -p 13 ")));
  flag.holders = {holder(13, "sshd-session", 5)};
  EXPECT_THAT(what(flag), HasSubstr("; sshd[12] accepted it and forked sshd-session[13]"));
  flag.holders = {holder(13, "in.ftpd", 0)};
  EXPECT_THAT(what(flag), HasSubstr("; sshd[12] accepted it and left it to in.ftpd[13]"))
      << "as its stdin, as inetd does";
}

// Dovecot: imap-login accepts, and passes the connection to a process that dovecot started.
TEST(Roles, SocketOfAnotherFamilyWasPassed) {
  FlagRecord flag = stuck_server();
  flag.socket.owner = owner_of(12, "imap-login", Via::Accept);
  flag.holders = {holder(13, "imap", 6)};
  flag.processes = {{.pid = 13, .state = 'S', .parent = 11, .live_thread = 13}};
  EXPECT_THAT(what(flag), HasSubstr("; imap-login[12] accepted it and left it to imap[13]"));
  EXPECT_THAT(next(flag), AllOf(HasSubstr("find where imap is done"), HasSubstr("strace -f -p 13"),
                                Not(HasSubstr("CLOEXEC"))));
  flag.processes[0].parent = 12;
  EXPECT_THAT(what(flag), HasSubstr("started imap[13], which inherited"));
  flag.processes[0].parent = 1;
  EXPECT_THAT(what(flag),
              HasSubstr("; imap-login[12] accepted it, and imap[13] inherited it or got "
                        "it over a unix socket"))
      << "its parent has ended, or it is a service of its own";
  EXPECT_THAT(next(flag), AllOf(HasSubstr("find where imap is done"),
                                HasSubstr("unless it only inherited it: then make imap-login open "
                                          "its sockets with SOCK_CLOEXEC")));
  flag.holders = {holder(13, "imap", 6), holder(14, "sh", 6)};
  flag.processes = {{.pid = 13, .state = 'S', .parent = 14},
                    {.pid = 14, .state = 'S', .parent = 12}};
  EXPECT_THAT(next(flag), HasSubstr("CLOEXEC")) << "a grandchild";
}

TEST(Roles, FrozenProcessIsToBeThawed) {
  EXPECT_THAT(what(held_by(facts(4711, kFrozen))), HasSubstr("is frozen by its cgroup"));
  EXPECT_THAT(next(held_by(facts(4711, kFrozen))),
              AllOf(HasSubstr("thaw it: cat /proc/4711/cgroup"), Not(HasSubstr("strace"))));
}

TEST(Roles, StoppedProcessIsToBeResumed) {
  EXPECT_THAT(what(held_by(facts(4711, 'T'))),
              HasSubstr("; python3[4711] is stopped by a signal (state T) and does nothing until "
                        "it gets SIGCONT"));
  EXPECT_EQ(next(held_by(facts(4711, 'T'))),
            "find out what stopped python3[4711], then resume it: kill -CONT 4711");
  EXPECT_THAT(next(held_by(facts(4711, 't'))), HasSubstr("grep TracerPid /proc/4711/status"));
  EXPECT_THAT(next(held_by(facts(4711, 'D'))), HasSubstr("cat /proc/4711/stack"));
}

TEST(Roles, ReachedDescriptorLimitIsReported) {
  FlagRecord flag = held_by(facts(4711));
  flag.processes[0].descriptors = 1024;
  flag.processes[0].descriptor_limit = 1024;
  EXPECT_THAT(what(flag), HasSubstr("; python3[4711] has 1,024 of at most 1,024 descriptors open "
                                    "(RLIMIT_NOFILE): accept(), socket() and open() fail"));
  flag.processes[0].descriptors = 950;
  EXPECT_THAT(what(flag), EndsWith("has 950 of at most 1,024 descriptors open (RLIMIT_NOFILE)"));
  flag.processes[0].descriptors = 400;
  EXPECT_THAT(what(flag), Not(HasSubstr("RLIMIT_NOFILE")));
}

FlagRecord closed_window(State state) {
  FlagRecord flag = stuck_server(state == State::CloseWait ? Cause::Sending : Cause::None);
  flag.state = state;
  flag.unsent_bytes = 2'543'616;
  flag.send_wait = SendWait::WindowProbe;
  return flag;
}

TEST(Roles, BehindAClosedWindowThePeerDoesNotRead) {
  EXPECT_THAT(what(closed_window(State::CloseWait)),
              HasSubstr("the peer closed 2m10s ago, but 2,543,616 bytes are unsent: the peer "
                        "answers, but accepts no more data (its window is closed); fd 9 of"));
  EXPECT_THAT(next(closed_window(State::CloseWait)),
              HasSubstr("find out why the application at 10.0.0.2 does not read: ss -tinoe dst"));
  FlagRecord orphaned = closed_window(State::FinWait1);
  orphaned.holders.clear();
  orphaned.attached = false;
  EXPECT_EQ(what(orphaned),
            "in FIN_WAIT_1 for 2m10s; 2,543,616 bytes are unsent: the peer answers, but accepts no "
            "more data (its window is closed); no process holds it, and the kernel gives up "
            "after some minutes");
  EXPECT_THAT(next(orphaned), AllOf(Not(HasSubstr("FIN is lost")), Not(HasSubstr("loses")),
                                    Not(HasSubstr("gone")), HasSubstr("does not read")));
}

TEST(Roles, RetransmitsPointToTheNetwork) {
  FlagRecord flag = closed_window(State::LastAck);
  flag.send_wait = SendWait::Retransmit;
  EXPECT_THAT(what(flag), HasSubstr("are retransmitted repeatedly: the peer does not acknowledge"));
  EXPECT_THAT(next(flag),
              HasSubstr("check whether the peer reads data and the network delivers it"));
  flag.unsent_bytes = 0;
  EXPECT_THAT(next(flag), HasSubstr("check whether the network loses the FIN or the peer is gone"));
}

TEST(Roles, LocalOtherEndIsNamedWithACommand) {
  FlagRecord flag = half_closed_client();
  flag.other_end =
      OtherEnd{.process = owner_of(123, "server").process, .fd = 5, .state = State::CloseWait};
  flag.processes = {facts(123), facts(4711)};
  EXPECT_THAT(what(flag), EndsWith("; the other end is fd 5 of server[123] in CLOSE_WAIT"));
  EXPECT_EQ(next(flag),
            "find out why server[123] does not close its side: strace -f -p 123 -e "
            "trace=read,readv,recvfrom,recvmsg,shutdown,close");
  flag.processes[0].state = 'T';
  EXPECT_THAT(what(flag), EndsWith(", which is stopped (state T)"));
  EXPECT_THAT(next(flag), HasSubstr("kill -CONT 123"));
  flag.other_end = OtherEnd{.process = {}, .state = State::FinWait2};
  EXPECT_THAT(what(flag), EndsWith("; the other end is on this host too, held by no process, in "
                                   "FIN_WAIT_2"));
}

TEST(Roles, LocalPeerThatDoesNotReadIsNamedWithItsUnreadBytes) {
  FlagRecord flag = closed_window(State::FinWait1);
  flag.other_end = OtherEnd{.process = owner_of(123, "client").process,
                            .fd = 4,
                            .state = State::Established,
                            .receive_queue = 6'291'456};
  EXPECT_THAT(what(flag), EndsWith("; the other end is fd 4 of client[123] in ESTABLISHED with "
                                   "6,291,456 bytes unread"));
  EXPECT_EQ(next(flag), "find out why client[123] does not read: strace -f -p 123");
}

TEST(Roles, CommandFitsTheRuntime) {
  const auto step = [](Runtime runtime, const Surroundings* here = nullptr) {
    return next(held_by(facts(4711, 'S', runtime), Cause::DataUnread), here);
  };
  EXPECT_THAT(step(Runtime::Native), EndsWith(": strace -f -p 4711"));
  EXPECT_THAT(step(Runtime::Jvm), HasSubstr("jcmd 4711 Thread.print (or jstack 4711)"));
  EXPECT_THAT(step(Runtime::Go), AllOf(HasSubstr("strace -f -p 4711"), HasSubstr("net/http/pprof"),
                                       HasSubstr("kill -QUIT 4711 prints them too, but ENDS")));
  EXPECT_THAT(step(Runtime::Python), EndsWith(": strace -f -p 4711"));
  const Surroundings here{.netns = 0, .named = {}, .py_spy = true};
  EXPECT_THAT(step(Runtime::Python, &here), EndsWith(": py-spy dump --pid 4711"));
  EXPECT_THAT(step(Runtime::Node, &here), EndsWith(": strace -f -p 4711"));
}

TEST(Roles, StraceUsesALivingThread) {
  FlagRecord flag = held_by(facts(4711));
  flag.processes[0].live_thread = 4790;
  EXPECT_THAT(next(flag), HasSubstr("strace -f -p 4790 "));
  flag.processes[0].live_thread = 0;
  EXPECT_THAT(next(flag), Not(HasSubstr("strace"))) << "none of them is left";
}

TEST(Roles, CommandsEnterTheNetworkNamespace) {
  FlagRecord flag = stuck_server(Cause::Sending);
  const std::uint32_t other = flag.socket.flow.netns;
  Surroundings here{.netns = other, .named = {}, .py_spy = false};
  EXPECT_THAT(next(flag, &here), HasSubstr(": ss -tino dst 10.0.0.2"));
  here.netns = other + 1;
  EXPECT_THAT(next(flag, &here), HasSubstr(": nsenter -t 4711 -n ss -tino dst 10.0.0.2"));
  EXPECT_THAT(explain(group_of(flag), true, &here).what,
              EndsWith(" (network namespace " + std::to_string(other) + ')'));
  here.named[other] = "/run/netns/blue";
  EXPECT_THAT(next(flag, &here), HasSubstr(": nsenter --net=/run/netns/blue ss -tino dst"));
  EXPECT_THAT(explain(group_of(flag), true, &here).what, EndsWith(" (network namespace blue)"));
  here.named[other] = "/run/netns/a; rm -rf";
  EXPECT_THAT(next(flag, &here), HasSubstr(": nsenter -t 4711 -n ss")) << "no shell reads it";
  flag.holders.clear();
  EXPECT_THAT(next(flag, &here), Not(HasSubstr("ss -t"))) << "no command leads there";
}

TEST(Roles, HostileNamesAreHarmless) {
  for (const std::string_view name : kHostile)
    for (const Cause cause : kCauses)
      for (const char state : {'S', 'T', 't', 'D'}) {
        FlagRecord flag = stuck_server(cause);
        flag.socket.owner = owner_of(1, name, Via::Accept);
        flag.socket.cgroup = kept("/" + std::string(name) + ".service");
        flag.holders = {holder(2, name, 3), holder(3, "b", 3)};
        flag.processes = {facts(2, state), facts(3, state)};
        for (ProcessFacts& process : flag.processes) {
          process.program = std::string(name);
          process.descriptors = process.descriptor_limit = 9;
        }
        flag.other_end = OtherEnd{.process = owner_of(3, name).process, .state = State::CloseWait};
        flag.inherited_from = owner_of(4, name).process;
        const Explanation said = explain(group_of(flag));
        EXPECT_EQ(hostile_byte(said.what + said.next + holder_text(group_of(flag))), "")
            << said.what;
      }
}

}  // namespace
}  // namespace tcpdwell
