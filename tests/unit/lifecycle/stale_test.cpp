// SPDX-License-Identifier: Apache-2.0
// Connections whose end was neither seen nor counted as lost: the kernel is asked, and they count
// as unseen.
#include <gtest/gtest.h>

#include "support/flag_story.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;
using namespace life_story;

Question only_question(Story& story, Nanos at) {
  const auto all = questions(story, at);
  EXPECT_EQ(all.size(), 1U);
  return all.empty() ? Question{} : all.front();
}

TEST(Stale, ShortLivedStateIsAskedAboutAndEnded) {
  Story story;
  story.client(7).connects(0s).moves(SynSent, Established, 0s).moves(Established, FinWait1, 1s);
  EXPECT_TRUE(questions(story, 5s).empty()) << "a peer may take some seconds";
  const Question asked = only_question(story, 60s);
  EXPECT_FALSE(asked.for_flag);
  answers(story, asked, 60s, gone());
  EXPECT_EQ(story.lifecycle().open(), 0U);
  EXPECT_EQ(story.lifecycle().unseen(), 2U) << "FIN_WAIT_1 to FIN_WAIT_2, and to CLOSE";
}

TEST(Stale, PresentSocketStaysAndIsAskedAboutAgain) {
  Story story;
  story.client(7).connects(0s).moves(SynSent, Established, 0s).moves(Established, FinWait1, 1s);
  EXPECT_TRUE(questions(story, 5s).empty());
  answers(story, only_question(story, 60s), 60s, still_in(FinWait1));
  EXPECT_EQ(story.lifecycle().open(), 1U);
  EXPECT_EQ(story.lifecycle().unseen(), 0U);
  EXPECT_EQ(questions(story, 120s).size(), 1U);
}

TEST(Stale, LongLivedStateIsNotAskedAbout) {
  Story story;
  story.client(7).connects(0s).moves(SynSent, Established, 0s);
  EXPECT_TRUE(questions(story, 1s).empty());
  EXPECT_TRUE(questions(story, 1h).empty());
}

TEST(Stale, ClockThatGoesBackStartsNoScan) {
  Story story;
  for (std::uint64_t cookie = 1; cookie <= 5000; ++cookie) story.client(cookie).connects(1s);
  story.lifecycle().tick(kBegan + 10s);
  story.lifecycle().tick(kBegan + 9s);  // the last record is older than the last tick
  EXPECT_EQ(story.lifecycle().open(), 5000U);
}

TEST(Stale, LossCountedLaterIsNotUnseen) {
  Story story;
  Conn socket = story.client(7).connects(0s).moves(SynSent, Established, 0s);
  socket.moves(FinWait1, FinWait2, 1s);  // to FIN_WAIT_1 is missing
  EXPECT_EQ(story.lifecycle().unseen(), 1U);
  story.lifecycle().on(LossEvent{
      .at = kBegan + 1500ms, .cause = LossCause::Recursion, .events = 1, .transitions = 1});
  EXPECT_EQ(story.lifecycle().unseen(), 0U);
}

}  // namespace
}  // namespace tcpdwell
