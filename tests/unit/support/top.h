// SPDX-License-Identifier: Apache-2.0
// For the tests of `top`: a lifecycle table that a Model observes, and keys that are pressed.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <string>

#include "lifecycle/lifecycle.h"
#include "support/events.h"
#include "top/controls.h"
#include "top/model.h"
#include "top/view.h"

namespace tcpdwell::top_story {

using namespace test;
using top::Item;
using top::Key;
using top::Page;

inline Key text(std::string letters) { return {Key::Text, std::move(letters)}; }

// Keys act on a screen of 80 columns and 24 lines.
class Watched {
 public:
  explicit Watched(const top::ParseMatch& parse = top::free_text)
      : model(1s, nullptr),
        table(LifecycleConfig{.hz = kHz, .began = kBegan, .thresholds = default_thresholds(60s)},
              filter_, model),
        controls(model, screen, setting, parse) {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
    model.write(StartRecord{.when = {kBegan, {}}});
    table.on(ClockEvent{.at = kBegan, .offset = 1'767'323'045s - kBegan});  // 03:04:05
  }

  void wait(Nanos at) {
    table.tick(kBegan + at);
    model.ticked(kBegan + at, table);
  }
  // 10.0.0.1:PORT, a client of 10.0.0.2:80. `cookie` tells them apart.
  TransitionEvent moves(State from, State to, Nanos at, std::uint64_t cookie,
                        const char* comm = "app") const {
    TransitionEvent event{.at = kBegan + at, .object = 0x1000 + cookie, .cookie = cookie};
    event.flow = make_flow(static_cast<std::uint16_t>(20000 + cookie % 40000));
    event.flow.remote.addr[3] = static_cast<std::uint8_t>(2 + cookie / 40000);
    event.from = from;
    event.to = to;
    event.attached = true;
    if (from == State::Closed) event.task = make_process(42, comm);
    return event;
  }
  void connects(std::uint64_t cookie, Nanos at, const char* comm = "app") {
    auto syn = moves(State::Closed, State::SynSent, at, cookie, comm);
    syn.flow.local.port = 0;
    table.on(syn);
    table.on(moves(State::SynSent, State::Established, at + 1ms, cookie));
  }
  void peer_closes(std::uint64_t cookie, Nanos at) {
    table.on(moves(State::Established, State::CloseWait, at, cookie));
  }
  void closes(std::uint64_t cookie, Nanos at) {
    table.on(moves(State::CloseWait, State::LastAck, at, cookie));
    auto gone = moves(State::LastAck, State::Closed, at + 1ms, cookie);
    gone.dead = true;
    table.on(gone);
  }

  void raise(FlagRecord flag, Nanos at) {
    flag.when = table.when(kBegan + at);
    model.write(flag);
  }

  top::Wish press(const Key& key) {
    const top::Wish wish = controls.press(key, kSize);
    top::settle(model.look(), setting, kSize, screen);
    return wish;
  }
  top::Wish press(Key::Code code) { return press(Key{code, {}}); }
  void type(const std::string& letters) {
    for (const char letter : letters) press(text(std::string(1, letter)));
  }
  std::string shown() {
    top::settle(model.look(), setting, kSize, screen);
    return top::view(model.look(), screen, setting, kSize).text();
  }
  const Item& selected() const { return screen.page().selected; }

  static constexpr top::Size kSize{80, 24};
  top::Setting setting{.title = "web-1"};
  top::Screen screen;
  top::Model model;

 private:
  Filter filter_;

 public:
  Lifecycle table;
  top::Controls controls;
};

}  // namespace tcpdwell::top_story
