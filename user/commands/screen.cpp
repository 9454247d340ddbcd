// SPDX-License-Identifier: Apache-2.0
#include "commands/screen.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <utility>
#include <vector>

#include "options/filter_words.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostHeld = 200;  // messages; the first ones matter most

}  // namespace

class HeldLog::Sink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  struct Message {
    spdlog::level::level_enum level;
    std::string text;
  };
  std::vector<Message> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(messages_, {});
  }
  std::string latest() {
    const std::lock_guard lock(mutex_);
    return latest_;
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    std::string text(message.payload.data(), message.payload.size());
    if (message.level >= spdlog::level::warn) latest_ = text;
    if (messages_.size() < kMostHeld) messages_.push_back({message.level, std::move(text)});
  }
  void flush_() override {}

  std::vector<Message> messages_;
  std::string latest_;
};

HeldLog::HeldLog() : sink_(std::make_shared<Sink>()), before_(spdlog::default_logger()) {
  const auto log = std::make_shared<spdlog::logger>("screen", sink_);
  log->set_level(before_->level());
  spdlog::set_default_logger(log);
}

HeldLog::~HeldLog() {
  spdlog::set_default_logger(before_);
  for (const Sink::Message& message : sink_->take()) before_->log(message.level, message.text);
}

std::string HeldLog::latest() const { return sink_->latest(); }

bool wants_color_on_screen(const Options& options) {
  if (options.color != Color::Auto) return options.color == Color::Always;
  const char* no_color = std::getenv("NO_COLOR");
  return no_color == nullptr || *no_color == '\0';
}

// "lport=80 nginx": words with "=" are filters of the command line, others are free text.
Result<top::Match> parse_match(std::string_view text) {
  Filter filter;
  std::string free;
  bool any = false;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.find('=') == std::string_view::npos && word != "-4" && word != "-6") {
      free.append(word) += ' ';
      continue;
    }
    if (const auto error = add_filter(word, filter)) return *error;
    any = true;
  }
  auto match = top::free_text(free);
  match->filter = std::move(filter);
  match->all = match->all && !any;
  return match;
}

}  // namespace tcpdwell
