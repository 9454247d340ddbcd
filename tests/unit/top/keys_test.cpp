// SPDX-License-Identifier: Apache-2.0
// Keys from the bytes that terminals send.
#include "top/keys.h"

#include <gtest/gtest.h>

namespace tcpdwell::top {
namespace {

using namespace std::chrono_literals;

std::string names(const std::vector<Key>& keys) {
  static constexpr const char* kNames[] = {
      "",      "Up",     "Down", "Left",      "Right",     "PageUp",  "PageDown", "Home", "End",
      "Enter", "Escape", "Tab",  "Backspace", "Interrupt", "Suspend", "Redraw",   "Clear"};
  std::string text;
  for (const Key& key : keys)
    text += (text.empty() ? "" : " ") + (key.code == Key::Text ? key.text : kNames[key.code]);
  return text;
}

TEST(Keys, SequencesOfTerminals) {
  Keys keys;
  EXPECT_EQ(names(keys.add("\033[A\033OB\033[C\033[D", 0ms)), "Up Down Right Left");
  EXPECT_EQ(names(keys.add("\033[5~\033[6~\033[H\033OF\033[1~\033[8~", 0ms)),
            "PageUp PageDown Home End Home End");
  EXPECT_EQ(names(keys.add("\r\t\x7f\x03\x1a\x0c\x15", 0ms)),
            "Enter Tab Backspace Interrupt Suspend Redraw Clear");
  EXPECT_EQ(names(keys.add("q/é日", 0ms)), "q / é 日");
}

TEST(Keys, UnknownSequencesAreNoLetters) {
  Keys keys;
  EXPECT_EQ(names(keys.add("\033[1;5Aq\033[24~q\033OZq", 0ms)), "q q q");
}

TEST(Keys, SequencesInParts) {
  Keys keys;
  EXPECT_EQ(names(keys.add("\033", 0ms)), "");
  EXPECT_EQ(names(keys.add("[", 10ms)), "");
  EXPECT_EQ(names(keys.wait(20ms)), "");
  EXPECT_EQ(names(keys.add("A", 30ms)), "Up");
  EXPECT_EQ(names(keys.add("\xc3", 40ms)), "");
  EXPECT_EQ(names(keys.add("\xa9", 40ms)), "é");
  EXPECT_EQ(keys.due(), std::nullopt);
}

TEST(Keys, EscapeAlone) {
  Keys keys;
  EXPECT_EQ(names(keys.add("\033", 100ms)), "");
  ASSERT_EQ(keys.due(), 100ms + Keys::kPatience);
  EXPECT_EQ(names(keys.wait(*keys.due() - 1ns)), "");
  EXPECT_EQ(names(keys.wait(*keys.due())), "Escape");
  EXPECT_EQ(keys.due(), std::nullopt);
  EXPECT_EQ(names(keys.add("\033q", 0ms)), "Escape q");
}

}  // namespace
}  // namespace tcpdwell::top
