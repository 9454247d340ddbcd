// SPDX-License-Identifier: Apache-2.0
// What is said about connections that nobody accepts.
#include "sinks/explain_accept.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sinks/leak_report.h"
#include "sinks/ndjson_sink.h"
#include "support/sentences.h"

namespace tcpdwell {
namespace {

using namespace samples;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// It waits at 10.0.0.1:8080 for 12 s, in a queue of gunicorn[8] and gunicorn[9], whose master is 7.
FlagRecord queued(std::uint16_t peer_port = 50000, State state = State::Established) {
  FlagRecord flag = stuck_server(Cause::NotAccepted, peer_port);
  flag.kind = FlagKind::Accept;
  flag.state = state;
  flag.threshold = 10s;
  flag.dwell = {12s, 1us};
  flag.socket.owner.reset();
  flag.socket.cgroup = {};
  flag.holders = {holder(7, "gunicorn", 5), holder(8, "gunicorn", 5), holder(9, "gunicorn", 5)};
  flag.queue = AcceptQueue{.listener = 77, .length = 3, .backlog = 2, .should_accept = {8, 9}};
  return flag;
}

TEST(ExplainAccept, OneConnection) {
  EXPECT_EQ(what(queued()),
            "1 connection waits in the accept queue of port 8080, for 12.000s; queue 3 of backlog "
            "2: full; gunicorn[8] and gunicorn[9] have not accepted it: hung, at their connection "
            "limit, or still starting");
  FlagRecord flag = queued();
  flag.queue->should_accept = {8};
  flag.queue->length = 2;
  EXPECT_THAT(what(flag), HasSubstr("queue 2 of backlog 2; gunicorn[8] has not accepted it: hung, "
                                    "at its connection limit, or still starting"));
}

TEST(ExplainAccept, OneOfThoseThatWaitForOtherListenersOfThePort) {
  FlagRecord flag = queued();
  flag.queue->shares_port = true;
  EXPECT_THAT(what(flag), HasSubstr("one of gunicorn[8] and gunicorn[9] has not accepted it: hung, "
                                    "at its connection limit"));
  EXPECT_THAT(explain(group_of(flag)).next,
              AllOf(HasSubstr("which of them waits for this listener"), Not(HasSubstr("strace"))));
  flag.queue->should_accept = {9};
  EXPECT_THAT(what(flag), HasSubstr("; gunicorn[9] has not accepted it"));
  EXPECT_THAT(explain(group_of(flag)).next, HasSubstr("strace -f -p 9"));
}

TEST(ExplainAccept, NamesWorkersNotTheMaster) {
  const LeakGroup group = group_of(queued());
  EXPECT_EQ(holder_text(group), "gunicorn[8] +1");
  EXPECT_THAT(explain(group).what, Not(HasSubstr("[7]")));
  EXPECT_THAT(explain(group).next, HasSubstr("instead of accept()"));
  EXPECT_THAT(explain(group).next, Not(HasSubstr("-p 7")));
}

TEST(ExplainAccept, NeverAdvisesToCloseAListener) {
  for (const bool alive : {true, false}) {
    const Explanation text = explain(group_of(queued()), alive);
    for (const char* wrong : {"must close", "still open", "close()"}) {
      EXPECT_THAT(text.what, Not(HasSubstr(wrong)));
      EXPECT_THAT(text.next, Not(HasSubstr(wrong)));
    }
  }
}

TEST(ExplainAccept, OneQueueIsOneGroup) {
  std::vector<FlagRecord> flags = {queued(50000), queued(50001, State::CloseWait),
                                   queued(50002, State::Closed), queued(50003)};
  flags[3].socket.flow.remote = endpoint(Family::Ipv6, "2001:db8::2", 50003);
  flags[3].socket.flow.family = Family::Ipv6;
  const auto groups = group_leaks(flags);
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].count, 4U);
  EXPECT_EQ(peer_text(groups[0]), "2 addresses");
  EXPECT_THAT(explain(groups[0]).what,
              HasSubstr("4 connections wait in the accept queue of port 8080, the oldest for "
                        "12.000s (1 closed by the peer, 1 reset meanwhile); queue"));
  flags[1].queue->listener = 78;
  EXPECT_EQ(group_leaks(flags).size(), 2U) << "SO_REUSEPORT: a queue each";
}

TEST(ExplainAccept, ConnectionClosedByThePeer) {
  EXPECT_THAT(what(queued(50000, State::CloseWait)),
              HasSubstr("for 12.000s (the peer has closed it meanwhile); "));
  EXPECT_THAT(what(queued(50000, State::Closed)), HasSubstr(" (it was reset meanwhile); "));
}

TEST(ExplainAccept, ShowsDroppedSyns) {
  FlagRecord flag = queued();
  flag.queue->syns_dropped = 7;
  EXPECT_THAT(what(flag), HasSubstr(": full; 7 SYNs dropped at this listener; gunicorn"));
  flag.queue->counters = ListenCounters{.overflows = 12, .cookies_sent = 3};
  EXPECT_THAT(what(flag), HasSubstr("; 7 SYNs dropped at this listener, in the whole network "
                                    "namespace: 12 ListenOverflows, 3 SYN cookies; gunicorn"));
  flag.queue->syns_dropped = 0;
  EXPECT_THAT(what(flag), HasSubstr(": full; in the whole network namespace: 12 ListenOverflows"));
  flag.queue->counters = ListenCounters{};
  EXPECT_THAT(what(flag), Not(HasSubstr("namespace"))) << "nothing to tell";
}

TEST(ExplainAccept, NamesAHiddenListenerHolder) {
  FlagRecord flag = queued();
  flag.holders.clear();
  flag.queue->should_accept.clear();
  EXPECT_THAT(what(flag), HasSubstr("; no process visible here holds its listener"));
  flag.queue->hidden_holder = holder(0, "app\033[2J", 0).process;
  EXPECT_THAT(what(flag), HasSubstr("its listener is held by app"));
  EXPECT_EQ(what(flag).find('\033'), std::string::npos);
}

TEST(ExplainAccept, ManyProcesses) {
  FlagRecord flag = queued();
  for (std::uint32_t pid = 10; pid < 20; ++pid) {
    flag.holders.push_back(holder(pid, "gunicorn", 5));
    flag.queue->should_accept.push_back(pid);
  }
  EXPECT_THAT(what(flag), HasSubstr("gunicorn[8], gunicorn[9], gunicorn[10] and 9 more have"));
}

TEST(ExplainAccept, InThePast) {
  EXPECT_EQ(explain(group_of(queued()), false).what,
            "1 connection waited in the accept queue of port 8080, for 12.000s; gunicorn[8] and "
            "gunicorn[9] did not accept it");
}

TEST(ExplainAccept, NamesTheListenerThatTproxyChose) {
  FlagRecord flag = queued();
  flag.queue->port = 8080;
  EXPECT_THAT(what(flag), HasSubstr("queue of port 8080, for"));
  flag.queue->port = 3128;
  EXPECT_THAT(what(flag), HasSubstr("in the accept queue of port 3128 (TPROXY redirects port "
                                    "8080 to it), for 12.000s"));
}

TEST(ExplainAccept, JsonHasTheQueueAndAllHolders) {
  FlagRecord flag = queued(50000, State::Closed);
  flag.queue->counters = ListenCounters{.overflows = 12, .cookies_sent = 3};
  flag.queue->port = 3128;
  JsonLine line;
  write_json(line, flag);
  EXPECT_THAT(std::string(line.text()),
              HasSubstr(R"("flag":"ACCEPT","state":"CLOSED","threshold_ns":10000000000,)"));
  EXPECT_THAT(std::string(line.text()), HasSubstr(R"("pid":7,)"));
  EXPECT_THAT(
      std::string(line.text()),
      HasSubstr(
          R"("queue":{"length":3,"backlog":2,"syns_dropped":0,"listener":"4d","port":3128,)"
          R"("netns_listen_overflows":12,"netns_syn_cookies_sent":3,"should_accept":[8,9]})"));
  flag.queue->counters.reset();
  write_json(line, flag);
  EXPECT_THAT(std::string(line.text()), HasSubstr(R"("netns_listen_overflows":null,)"));
}

}  // namespace
}  // namespace tcpdwell
