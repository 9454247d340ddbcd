// SPDX-License-Identifier: Apache-2.0
// Ends that may be false, because an event was hidden.
#pragma once

#include "support/flag_story.h"

namespace tcpdwell::life_story {

inline constexpr const char* kUpToFinWait2 =
    "CLOSED, SYN_SENT 10ms, ESTABLISHED 100ms, FIN_WAIT_1 1ms, FIN_WAIT_2";
inline constexpr Nanos kAsked = 500ms;   // no longer pending by then
inline constexpr Nanos kPatience = 10s;  // longer than the wait for an answer

// In FIN_WAIT_2 since 101 ms; its process has closed it.
inline Conn orphaned(Story& story, std::uint64_t cookie = 1) {
  return story.client(cookie)
      .establishes(0ms)
      .closes(Established, 100ms)
      .moves(FinWait1, FinWait2, 101ms, orphan());
}
inline constexpr Tally kTally{.bytes_sent = 11, .bytes_received = 22};
// ... and its minisock begins at 102 ms, which is hidden.
inline Conn hidden_minisock(Story& story, std::uint64_t cookie = 1) {
  Facts facts = orphan();
  facts.tally = kTally;
  return orphaned(story, cookie).moves(FinWait2, Closed, 102ms, facts);
}
// ... with the FIN, which is still in its receive queue
inline Conn hidden_time_wait(Story& story) {
  Facts facts = orphan();
  facts.receive_queue = 1;
  return orphaned(story).moves(FinWait2, Closed, 102ms, facts);
}
// Its minisock's timer was restarted at 20 s, which is hidden.
inline Conn hidden_restart(Story& story, State substate = TimeWait,
                           Canceller canceller = Canceller::Segment) {
  return orphaned(story)
      .hands_over(FinWait2, substate, 102ms)
      .minisock_cancelled(TimeWait, 20s, {.left = 40s, .canceller = canceller});
}

inline std::uint64_t ends(const Story& story) {
  return static_cast<std::uint64_t>(std::count_if(
      story.records().begin(), story.records().end(),
      [](const Record& record) { return std::holds_alternative<ConnectionRecord>(record); }));
}
inline void expect_one_end(const Story& story, Conn& conn) {
  EXPECT_EQ(ends(story), 1U);
  EXPECT_EQ(story.life(conn.cookie()).end().socket.flow, conn.flow());
}

}  // namespace tcpdwell::life_story
