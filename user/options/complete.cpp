// SPDX-License-Identifier: Apache-2.0
#include "options/complete.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "model/dwell_order.h"
#include "model/thresholds.h"
#include "options/command_line.h"
#include "options/help.h"
#include "sinks/escape.h"
#include "stats/stats_record.h"

namespace tcpdwell {
namespace {

constexpr std::string_view kFiles = ":files", kCommands = ":commands";

struct Candidate {
  std::string word, what;
};
using Candidates = std::vector<Candidate>;

void add_states(Candidates& found, std::string_view suffix = "") {
  for (const State state : kDwellOrder)
    found.push_back({std::string(name(state)).append(suffix), {}});
  found.push_back({std::string(name(State::Closed)).append(suffix), {}});
}

void add_network_namespaces(Candidates& found) {
  found.push_back({"self", "that of this shell"});
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/run/netns", error)) {
    std::string clean;
    append_printable(clean, entry.path().filename().string());
    found.push_back({std::move(clean), "ip netns"});
  }
}

// The values of an option.
Candidates values_of(const CLI::Option& option) {
  const auto& names = option.get_lnames();
  const std::string own = names.empty() ? "" : names.front();
  Candidates found;
  if (own == "state" || own == "histogram") {
    add_states(found);
  } else if (own == "flag") {
    add_states(found, "=");
    found.push_back({std::string(kAcceptFlag) + '=', {}});
  } else if (own == "only") {
    for (const char* kind : {"transition", "connection", "flag"}) found.push_back({kind, {}});
  } else if (own == "color") {
    for (const char* when : {"auto", "always", "never"}) found.push_back({when, {}});
  } else if (own == "time") {
    for (const char* format : {"local", "iso", "mono"}) found.push_back({format, {}});
  } else if (own == "by") {
    for (const std::string& group : group_names()) found.push_back({group, {}});
  } else if (own == "netns") {
    add_network_namespaces(found);
  } else if (own == "cgroup" || option.get_type_name() == "FILE" ||
             option.get_type_name() == "DIR") {
    found.push_back({std::string(kFiles), {}});
  }
  return found;
}

bool takes_value(const CLI::Option& option) { return option.get_expected_min() > 0; }

// The command that a line names, and what its words mean.
class Line {
 public:
  Line(const CLI::App& app, const CommandLine& commands) : app_(app), commands_(commands) {}

  // Reads a word that is complete.
  void read(const std::string& word) {
    if (std::exchange(value_of_, nullptr) != nullptr) return;
    if (word == "--") {
      dashes_ = true;
    } else if (word.starts_with("-")) {
      const CLI::Option* option = find(word);
      if (option != nullptr && takes_value(*option) && word.find('=') == std::string::npos)
        value_of_ = option;
    } else if (entry_ == nullptr && !help_) {
      help_ = word == "help";
      for (const auto& entry : commands_.entries())
        if (entry.subcommand->name == word) entry_ = &entry;
    } else if (entry_ != nullptr) {
      ++positionals_;
      for (const CLI::App* below : entry_->app->get_subcommands({}))
        if (below->get_name() == word) below_ = below;
    }
  }

  Candidates what_follows(const std::string& word) const {
    if (dashes_) return {{std::string(kCommands), {}}};
    if (value_of_ != nullptr) return values_of(*value_of_);
    if (const std::size_t equals = word.find('='); word.starts_with("--") && equals != word.npos) {
      const CLI::Option* option = find(word);
      Candidates found = option != nullptr ? values_of(*option) : Candidates{};
      for (Candidate& one : found)
        if (one.word[0] != ':') one.word.insert(0, word.substr(0, equals + 1));
      return found;
    }
    return word.starts_with("-") ? options() : words();
  }

 private:
  std::vector<const CLI::App*> apps() const {
    std::vector<const CLI::App*> all;
    if (below_ != nullptr) all.push_back(below_);
    if (entry_ != nullptr) all.push_back(entry_->app);
    all.push_back(&app_);
    return all;
  }

  const CLI::Option* find(const std::string& word) const {
    const std::string option = word.substr(0, word.find('='));
    for (const CLI::App* app : apps())
      if (const CLI::Option* found = app->get_option_no_throw(option)) return found;
    return nullptr;
  }

  Candidates options() const {
    const auto& command = entry_ != nullptr ? *entry_ : commands_.first();
    const auto refused = command.options->refused(OptionTexts{});
    Candidates found;
    std::vector<const CLI::App*> all = apps();
    if (entry_ == nullptr) all.insert(all.begin(), command.app);
    for (const CLI::App* app : all)
      for (const CLI::Option* option : app->get_options()) {
        if (option->get_group().empty() || option->get_positional()) continue;
        for (const std::string& each : option->get_lnames()) {
          const std::string word = "--" + each;
          const bool is_known =
              std::any_of(found.begin(), found.end(),
                          [&](const Candidate& other) { return other.word == word; });
          if (!is_known && std::find(refused.begin(), refused.end(), word) == refused.end())
            found.push_back({word, option->get_description()});
        }
        if (option->get_lnames().empty())
          for (const std::string& each : option->get_snames())
            found.push_back({"-" + each, option->get_description()});
      }
    return found;
  }

  Candidates words() const {
    Candidates found;
    if (entry_ == nullptr) {
      for (const auto& entry : commands_.entries())
        found.push_back({entry.subcommand->name, entry.options->help()});
      if (help_)
        for (const std::string& topic : help_topics()) found.push_back({topic, {}});
      else
        found.push_back({"help", "Help about a command"});
      return found;
    }
    const bool wants_file = entry_->options->rules().reads_recording && positionals_ == 0;
    if (wants_file) found.push_back({std::string(kFiles), {}});
    if (!wants_file && below_ == nullptr)
      for (const CLI::App* below : entry_->app->get_subcommands({}))
        found.push_back({below->get_name(), below->get_description()});
    return found;
  }

  const CLI::App& app_;
  const CommandLine& commands_;
  const CommandLine::Entry* entry_ = nullptr;
  const CLI::App* below_ = nullptr;        // replay FILE stats
  const CLI::Option* value_of_ = nullptr;  // the next word is its value
  std::size_t positionals_ = 0;
  bool dashes_ = false, help_ = false;
};

// Of a list ("a,b"), only the last value is completed. A comma within a path or an address belongs
// to it, but those are not completed here.
std::string before_last_value(const std::string& word) {
  const std::size_t comma = word.rfind(',');
  return comma == std::string::npos ? "" : word.substr(0, comma + 1);
}

}  // namespace

std::string completions(const std::vector<std::string>& words, std::span<const Subcommand> table) {
  CLI::App app;
  OptionTexts texts;
  const CommandLine commands(app, texts, table);
  Line line(app, commands);
  for (std::size_t i = 0; i + 1 < words.size(); ++i) line.read(words[i]);
  const std::string last = words.empty() ? "" : words.back();
  const std::string list = before_last_value(last);
  const auto equals = last.find('=');
  std::string text;
  for (Candidate& one : line.what_follows(last)) {
    if (one.word[0] != ':') {
      if (!list.empty())
        one.word = list + (last.starts_with("--") && equals != last.npos
                               ? one.word.substr(std::min(equals + 1, one.word.size()))
                               : one.word);
      if (!one.word.starts_with(last)) continue;
    }
    text += one.word + (one.what.empty() ? "" : '\t' + one.what) + '\n';
  }
  return text;
}

}  // namespace tcpdwell
