// SPDX-License-Identifier: Apache-2.0
// `top`: a live screen. Its keys are read in the loop of the session, its frames are written by the
// thread of Output, so that a terminal that stalls costs frames and no events.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include "commands/common.h"
#include "commands/screen.h"
#include "commands/table.h"
#include "kernel/clock.h"
#include "session/limits.h"
#include "session/surroundings.h"
#include "sinks/escape.h"
#include "sinks/output.h"
#include "top/display.h"
#include "top/paint.h"
#include "top/terminal.h"
#include "util/cpu_time.h"

namespace tcpdwell {
namespace {

std::string host_title() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "this host";
  std::string text;
  append_printable(text, name.data());
  return text;
}

class LiveScreen final : public Observer {
 public:
  LiveScreen(const Options& options, const Surroundings& here, top::Terminal& terminal,
             Output& output)
      : terminal_(terminal),
        output_(output),
        setting_{.ascii = options.ascii, .title = host_title()},
        model_(options.delay, &here, thread_cpu_time),
        display_(terminal, model_, setting_, parse_match, wants_color_on_screen(options)) {}

  Sink& sink() { return model_; }

  // Called at every turn of the session's loop. True: the user quits.
  bool turn() {
    // Not before the programs are attached: what fails until then belongs on the normal screen.
    if (!log_) {
      log_.emplace();
      terminal_.enter();
    }
    const top::Wish wish = display_.take_input(monotonic_now());
    if (wish.quit) {
      end();
      return true;
    }
    if (!wish.copy.empty()) output_.write(top::copy_sequence(wish.copy), true);
    setting_.warning = log_->latest();
    // One frame at a time: a slow terminal gets fewer, and never an old one.
    if (output_.pending()) return false;
    if (const std::string bytes = display_.frame(); !bytes.empty()) {
      output_.write(bytes, true);
      output_.flush();
    }
    return false;
  }

  void end() {
    terminal_.leave();
    log_.reset();
  }

  void ticked(Nanos now, const Lifecycle& lifecycle) noexcept override {
    model_.ticked(now, lifecycle);
  }
  void finished(Nanos, const Lifecycle&) noexcept override {}
  std::optional<Nanos> due() const noexcept override {
    const auto model = model_.due(), keys = display_.due();
    return model && keys ? std::min(model, keys) : model ? model : keys;
  }

 private:
  top::Terminal& terminal_;
  Output& output_;
  top::Setting setting_;
  top::Model model_;
  top::Display display_;
  std::optional<HeldLog> log_;
};

}  // namespace

int run_top(const Options& options) {
  auto terminal = top::Terminal::open();
  if (!terminal) return fail(terminal.error());
  if (const auto error = settle_limits(kDescriptorsOfATrace)) return fail(*error);
  const Surroundings here = read_surroundings();
  Output output(STDOUT_FILENO);
  LiveScreen screen(options, here, *terminal, output);
  TracerConfig config = tracer_config(options);
  config.session.observer = &screen;
  config.session.last_snapshot = false;
  config.enough = [&] { return screen.turn(); };
  config.wake_on = {terminal->input(), terminal->changes()};
  auto end = trace(config, screen.sink(), output);
  screen.end();
  if (!end) return fail(end.error());
  return lost_status(options, *end, output);
}

}  // namespace tcpdwell
