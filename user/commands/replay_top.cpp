// SPDX-License-Identifier: Apache-2.0
#include "commands/replay_top.h"

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>
#include <utility>

#include "commands/common.h"
#include "commands/keyframes.h"
#include "commands/screen.h"
#include "kernel/clock.h"
#include "lifecycle/lifecycle.h"
#include "options/replay_time.h"
#include "pipeline/event_pipeline.h"
#include "sinks/escape.h"
#include "top/display.h"
#include "top/paint.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// Going back costs at most this, plus one step of the player.
constexpr Nanos kApart = 100ms;         // CPU time between two keyframes
constexpr std::size_t kMostKept = 128;  // then every second one is dropped
constexpr Nanos kProgress = 250ms;
constexpr int kPollMs = 100;  // for signals

// Where to go: to a time of CLOCK_MONOTONIC, or to what the user typed.
struct Target {
  Nanos at{};
  std::string text;  // empty: `at` counts
};

// What processes tell each other.
struct Message {
  bool quit = false;
  Target target;
  // A question: how far to go, and the recording's beginning, which a keyframe may precede, and
  // end.
  Nanos limit{}, last{};
  When began;
  std::string screen;
};

using Numbers = std::array<std::int64_t, 7>;

std::string pack(const Message& message) {
  const Numbers numbers = {message.quit,
                           message.target.at.count(),
                           message.limit.count(),
                           message.last.count(),
                           message.began.mono.count(),
                           message.began.unix_time.count(),
                           static_cast<std::int64_t>(message.target.text.size())};
  std::string bytes(sizeof numbers, '\0');
  std::memcpy(bytes.data(), numbers.data(), sizeof numbers);
  return bytes + message.target.text + message.screen;
}

std::optional<Message> unpack(const std::string& bytes) {
  Numbers numbers{};
  if (bytes.size() < sizeof numbers) return std::nullopt;
  std::memcpy(numbers.data(), bytes.data(), sizeof numbers);
  const auto size = static_cast<std::size_t>(numbers[6]);
  if (bytes.size() - sizeof numbers < size) return std::nullopt;
  return Message{.quit = numbers[0] != 0,
                 .target = {Nanos{numbers[1]}, bytes.substr(sizeof numbers, size)},
                 .limit = Nanos{numbers[2]},
                 .last = Nanos{numbers[3]},
                 .began = {Nanos{numbers[4]}, Nanos{numbers[5]}},
                 .screen = bytes.substr(sizeof numbers + size)};
}

void write_to_terminal(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

Nanos cpu_time() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return std::chrono::seconds{time.tv_sec} + Nanos{time.tv_nsec};
}

std::string title_of(const std::string& path) {
  std::string text;
  append_printable(text, std::string_view(path).substr(path.rfind('/') + 1));
  return text;
}

// One process of the replay: the first, which plays to the end and asks the keyframes, or one that
// went on from a keyframe.
class Traveller {
 public:
  Traveller(const Options& options, OpenRecording& recording, top::Terminal& terminal)
      : recording_(recording),
        filter_(options.filter),
        setting_{.ascii = options.ascii, .replay = true, .title = title_of(options.recording)},
        model_(1s, nullptr),
        display_(terminal, model_, setting_, parse_match, wants_color_on_screen(options)),
        terminal_(terminal) {
    filter_.recorded = std::make_shared<Filter>(player().setting().filter);
    lifecycle_.emplace(player().setting().config, filter_, model_);
    pipeline_.emplace(player().setting().start, *lifecycle_, model_, nullptr, &model_);
    setting_.first = setting_.last = player().setting().start.when.mono;
    player().begin(*pipeline_, *lifecycle_,
                   passes_all_of(options.filter, player().setting().filter));
    player().pause_when([this](Nanos) { return reached_ = reached_ || is_reached(model_.when()); });
  }

  // Shows the end of the recording, and then what the user asks for. nullopt: the user quits.
  std::optional<Error> run(const HeldLog& log) {
    log_ = &log;
    model_.rest(true);
    if (!read_all()) return error_;
    began_ = model_.began();
    arrive();
    Message next = show();
    while (!next.quit && !error_) next = travel(std::move(next));
    keyframes_.clear();
    return error_;
  }

 private:
  recording::Player& player() { return *recording_.player; }

  bool is_reached(const When& when) const {
    if (moment_) return moment_->is_reached(when);
    return target_ && when.mono >= *target_;
  }

  // False: what was typed is no time.
  bool aim(const Target& target) {
    reached_ = false;
    moment_.reset();
    target_ = target.at;
    if (target.text.empty()) return true;
    const auto time = parse_replay_time(target.text);
    if (!time) return false;
    moment_.emplace(*time, began_);
    return true;
  }

  // Plays until the target or the end. False: an error, or the user does not wait for it.
  bool play(const std::function<bool()>& go_on) {
    while (!reached_ && !player().ended()) {
      auto more = player().step();
      if (!more) error_ = more.error();
      if (error_ || !go_on()) return false;
      if (!*more) break;
    }
    return true;
  }

  bool read_all() {
    Nanos shown = monotonic_now(), kept = cpu_time(), apart = kApart;
    keep();
    target_.reset();
    return play([&] {
      if (const Nanos now = cpu_time(); now - kept >= apart) {
        if (!keep()) apart *= 2;
        if (keyframes_.size() > kMostKept) {
          keyframes_.thin_out();
          apart *= 2;
        }
        kept = cpu_time();
      }
      if (const Nanos now = monotonic_now(); now - shown >= kProgress) {
        shown = now;
        display_.screen().say(fmt::format("reading: {} events", format_number(player().events())));
        display_.touch();
        draw();
        if (display_.take_input(now).quit) return false;
      }
      return !recording_.interrupt->came();
    });
  }

  bool keep() {
    return keyframes_.keep(model_.when(), [this](const std::string& question, int asker) {
      return pack(go_on(question, asker));
    });
  }

  // At the time that the user wanted to see.
  void arrive() {
    if (player().ended()) setting_.last = model_.now();
    model_.rest(false);
    display_.screen().message.clear();
    display_.ask();
    display_.touch();
  }

  void draw() {
    setting_.warning = log_ != nullptr ? log_->latest() : "";
    write_to_terminal(display_.frame());
  }

  // Until the user wants to see another time, or quits. `asker`: see Keyframes; -1: none.
  Message show(int asker = -1) {
    while (true) {
      draw();
      std::array<pollfd, 3> news{pollfd{terminal_.input(), POLLIN, 0},
                                 pollfd{terminal_.changes(), POLLIN, 0}, pollfd{asker, POLLIN, 0}};
      ::poll(news.data(), news.size(), display_.due() ? 20 : kPollMs);
      if (news[2].revents != 0 || recording_.interrupt->came()) return quit();
      const top::Wish wish = display_.take_input(monotonic_now());
      if (wish.quit) return quit();
      if (!wish.copy.empty()) write_to_terminal(top::copy_sequence(wish.copy));
      if (wish.step) return message({model_.now() + *wish.step, {}});
      if (wish.time && !parse_replay_time(*wish.time))
        display_.screen().say('"' + *wish.time + "\" is not a time (03:12, 03:12:05, +90s)", true);
      else if (wish.time)
        return message({Nanos{}, *wish.time});
    }
  }

  Message quit() const { return {.quit = true, .target = {}, .screen = {}}; }
  Message message(Target target) {
    return {.target = std::move(target), .screen = top::pack(display_.screen())};
  }

  // In the first process, which is at the end of the recording.
  Message travel(Message wish) {
    auto screen = top::unpack(wish.screen);
    aim(wish.target);
    if (!is_reached({setting_.last, model_.when().unix_time}) ||
        (wish.target.text.empty() && wish.target.at >= setting_.last)) {
      if (screen) display_.replace(std::move(*screen));
      display_.screen().say("here the recording ends");
      display_.redraw();
      display_.touch();
      return show();
    }
    std::size_t frame = 0;
    while (frame + 1 < keyframes_.size() && !is_reached(keyframes_.when(frame + 1))) ++frame;
    wish.limit = frame + 1 < keyframes_.size() ? keyframes_.when(frame + 1).mono : setting_.last;
    wish.last = setting_.last;
    wish.began = began_;
    const bool asked = keyframes_.ask(frame, pack(wish));
    pollfd news{keyframes_.fd(frame), POLLIN, 0};
    while (asked && ::poll(&news, 1, kPollMs) <= 0)
      if (recording_.interrupt->came()) return quit();
    const auto answer = asked ? keyframes_.answer(frame) : std::nullopt;
    auto next = answer ? unpack(*answer) : std::nullopt;
    if (next) return std::move(*next);
    error_ = Error{"the process that showed this time has failed", {}, {}};
    return quit();
  }

  // In a process that goes on from a keyframe.
  Message go_on(const std::string& question, int asker) {
    auto wish = unpack(question);
    auto screen = wish ? top::unpack(wish->screen) : std::nullopt;
    if (!screen) return quit();
    setting_.last = wish->last;
    began_ = wish->began;
    const Nanos limit = wish->limit;
    Message next = std::move(*wish);
    display_.replace(std::move(*screen));
    display_.redraw();
    do {
      model_.rest(true);
      aim(next.target);
      pollfd gone{asker, POLLIN, 0};
      if (!play([&] { return ::poll(&gone, 1, 0) == 0 && !recording_.interrupt->came(); }))
        return quit();
      arrive();
      next = show(asker);
    } while (!next.quit && next.target.text.empty() && next.target.at >= model_.now() &&
             next.target.at < limit);
    return next;
  }

  OpenRecording& recording_;
  Filter filter_;
  top::Setting setting_;
  top::Model model_;
  top::Display display_;
  top::Terminal& terminal_;
  std::optional<Lifecycle> lifecycle_;
  std::optional<EventPipeline> pipeline_;
  Keyframes keyframes_;
  When began_;
  std::optional<Nanos> target_;
  std::optional<ReplayMoment> moment_;
  bool reached_ = false;
  const HeldLog* log_ = nullptr;
  std::optional<Error> error_;
};

}  // namespace

int replay_top(const Options& options, OpenRecording& recording, top::Terminal& terminal) {
  recording.interrupt->listen();
  Traveller traveller(options, recording, terminal);
  std::optional<Error> error;
  {
    HeldLog log;
    if (recording.player->begins_late())
      spdlog::warn("{}: older parts are missing; it begins with the sockets that were open then",
                   options.recording);
    terminal.enter();
    error = traveller.run(log);
    terminal.leave();
  }
  return error ? fail(*error) : kDone;
}

}  // namespace tcpdwell
