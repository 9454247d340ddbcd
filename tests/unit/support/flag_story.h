// SPDX-License-Identifier: Apache-2.0
// Flags: the table's questions, the kernel's answers, and the flags that follow.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "support/conn.h"

namespace tcpdwell::life_story {

inline LifecycleConfig flagging(State state, Nanos threshold) {
  LifecycleConfig config;
  config.thresholds.set(state, threshold);
  return config;
}
inline LifecycleConfig flagging_by_default() {
  LifecycleConfig config;
  config.thresholds = default_thresholds(60s);
  return config;
}

inline Holder held_by(std::uint32_t pid, std::int32_t fd = 3) { return {process(pid), fd}; }

// The questions of the table until `at`.
inline std::vector<Question> questions(Story& story, Nanos at) {
  story.waits(at);
  return story.lifecycle().take_questions();
}
inline Question question(Story& story, Nanos at) {
  const auto all = questions(story, at);
  EXPECT_EQ(all.size(), 1U) << "questions at " << text(at);
  return all.empty() ? Question{} : all.front();
}

inline InquiryEvent still_in(State state) {
  return {
      .presence = Presence::Present, .state = state, .local = {}, .attached = true, .holders = {}};
}
inline InquiryEvent minisock_in(State substate) {
  InquiryEvent answer = still_in(substate);
  answer.kind = SocketKind::Minisock;
  answer.attached = false;
  return answer;
}
inline InquiryEvent gone() {
  InquiryEvent answer = still_in(Closed);
  answer.presence = Presence::Gone;
  return answer;
}
inline InquiryEvent nobody_knows() {
  InquiryEvent answer = still_in(Closed);
  answer.presence = Presence::Unknown;
  return answer;
}

inline void answers(Story& story, const Question& question, Nanos at, InquiryEvent answer) {
  answer.at = story.clock(at);
  answer.id = question.id;
  answer.generation = question.generation;
  answer.serial = question.serial;
  story.on(answer);
}
// Asked and answered at `at`.
inline void is_answered(Story& story, Nanos at, InquiryEvent answer) {
  answers(story, question(story, at), at, std::move(answer));
}

inline std::vector<FlagRecord> flag_records(const Story& story) {
  std::vector<FlagRecord> flags;
  for (const Record& record : story.records())
    if (const auto* flag = std::get_if<FlagRecord>(&record)) flags.push_back(*flag);
  return flags;
}
// The only one.
inline FlagRecord flag(const Story& story) {
  const auto all = flag_records(story);
  EXPECT_EQ(all.size(), 1U) << "flags";
  return all.empty() ? FlagRecord{} : all.front();
}

// "CLOSE_WAIT raised 61000ms, CLOSE_WAIT cleared 70000ms"
inline std::string flags(const Story& story) {
  std::string all;
  for (const FlagRecord& flag : flag_records(story))
    all += (all.empty() ? "" : ", ") + std::string(name(flag.state)) +
           (flag.by_exit  ? " by exit "
            : flag.slow   ? " slow "
            : flag.raised ? " raised "
                          : " cleared ") +
           text(flag.dwell);
  return all;
}

}  // namespace tcpdwell::life_story
