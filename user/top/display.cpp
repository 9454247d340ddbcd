// SPDX-License-Identifier: Apache-2.0
#include "top/display.h"

#include <utility>

#include "top/paint.h"
#include "top/view.h"

namespace tcpdwell::top {

void Display::change(const Terminal::Change& change) {
  if (change.suspend) terminal_.suspend();
  // The shell may have changed the modes meanwhile.
  if (change.resumed) terminal_.enter();
  if (change.size || change.suspend || change.resumed) redraw();
  changed_ = changed_ || change.size || change.suspend || change.resumed;
}

Wish Display::take_input(Nanos now) {
  change(terminal_.take_changes());
  Wish all;
  const auto bytes = terminal_.read();
  if (!bytes) {
    all.quit = true;
    return all;
  }
  std::vector<Key> keys = keys_.add(*bytes, now);
  for (Key& key : keys_.wait(now)) keys.push_back(std::move(key));
  for (const Key& key : keys) {
    changed_ = true;
    const Size size = terminal_.size();
    Wish wish = controls_.press(key, size);
    if (wish.suspend) {
      terminal_.suspend();
      redraw();
    }
    if (wish.redraw) redraw();
    all.quit = all.quit || wish.quit;
    if (!wish.copy.empty()) all.copy = std::move(wish.copy);
    if (wish.step) all.step = all.step.value_or(Nanos{0}) + *wish.step;
    if (wish.time) all.time = std::move(wish.time);
    settle(model_.look(), setting_, size, screen_);
  }
  return all;
}

std::string Display::frame() {
  if (!changed_ && drawn_ && drawn_look_ == model_.looks()) return {};
  const Size size = terminal_.size();
  settle(model_.look(), setting_, size, screen_);
  Grid grid = view(model_.look(), screen_, setting_, size);
  std::string bytes = paint(grid, drawn_ ? &*drawn_ : nullptr, color_);
  drawn_ = std::move(grid);
  drawn_look_ = model_.looks();
  changed_ = false;
  return bytes;
}

void Display::replace(Screen screen) {
  screen_ = std::move(screen);
  changed_ = true;
  controls_.ask();
}

}  // namespace tcpdwell::top
