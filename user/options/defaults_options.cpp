// SPDX-License-Identifier: Apache-2.0
#include "options/defaults_options.h"

#include <algorithm>
#include <cctype>
#include <sstream>
#include <utility>

#include "options/suggest.h"

namespace tcpdwell {
namespace {

constexpr std::string_view kNoDefault[] = {"help", "version", "config", "no-config"};
// Of each pair, the line's one stands, whatever the defaults say of the other.
constexpr std::pair<std::string_view, std::string_view> kPairs[] = {{"4", "6"},
                                                                    {"flag", "no-flags"}};

std::string variable_of(const std::string& option) {
  std::string name = "TCPDWELL_";
  for (const char letter : option)
    name +=
        letter == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  return name;
}

bool has_default(std::string_view name) {
  return std::find(std::begin(kNoDefault), std::end(kNoDefault), name) == std::end(kNoDefault);
}

std::string with_dashes(const std::string& name) { return (name.size() == 1 ? "-" : "--") + name; }

std::vector<std::string> long_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back(name);
  return names;
}

}  // namespace

CLI::Option* DefaultOptions::find(const std::string& name) const {
  const std::string dashed = with_dashes(name);
  CLI::Option* own = commands_.chosen().app->get_option_no_throw(dashed);
  return own != nullptr && name.size() > 1 ? own : app_.get_option_no_throw(dashed);
}

void DefaultOptions::add_variables(const Defaults& defaults) {
  if (!defaults.variable) return;
  for (const CLI::App* app :
       {static_cast<const CLI::App*>(&app_), static_cast<const CLI::App*>(commands_.chosen().app)})
    for (const std::string& name : long_names(*app)) {
      if (!has_default(name)) continue;
      const std::string variable = variable_of(name);
      const auto value = defaults.variable(variable);
      if (value && !value->empty()) given_.push_back({name, {*value}, variable});
    }
}

// Sections are commands: [stats] has options of stats.
void DefaultOptions::add_file(const std::string& path, const std::string& text) {
  std::istringstream stream(text);
  const auto wrong = [&](const std::string& what, const std::string& hint) {
    return CLI::ConfigError(
        path + ": not an option: " + what + hint + " (--no-config ignores the file)",
        CLI::ExitCodes::ConfigError);
  };
  for (const CLI::ConfigItem& item : app_.get_config_formatter()->from_config(stream)) {
    if (item.name == "++" || item.name == "--") continue;  // the ends of a section
    const CLI::App* section =
        item.parents.size() == 1 ? commands_.find(item.parents.front()) : nullptr;
    if (!item.parents.empty() && section == nullptr) throw wrong(item.fullname(), "");
    const std::string dashed = with_dashes(item.name);
    const bool known = has_default(item.name) &&
                       (app_.get_option_no_throw(dashed) != nullptr ||
                        (section != nullptr && section->get_option_no_throw(dashed) != nullptr));
    if (!known)
      throw wrong(item.fullname(),
                  did_you_mean(item.name, long_names(section != nullptr ? *section : app_)));
    if (section == nullptr || section == commands_.chosen().app)
      given_.push_back({item.name, item.inputs, path});
  }
}

bool DefaultOptions::is_excluded(const std::string& name) const {
  return std::any_of(std::begin(kPairs), std::end(kPairs), [&](const auto& pair) {
    if (name != pair.first && name != pair.second) return false;
    const std::string_view other = name == pair.first ? pair.second : pair.first;
    return std::find(on_line_.begin(), on_line_.end(), other) != on_line_.end();
  });
}

// On the line, an option without effect is an error; a default is meant for other commands then.
bool DefaultOptions::does_nothing(const std::string& name) const {
  const auto refused = commands_.chosen().options->refused(texts_);
  if (std::find(refused.begin(), refused.end(), with_dashes(name)) != refused.end()) return true;
  const bool records =
      !texts_.record.empty() || commands_.chosen().subcommand->name == std::string_view("record");
  if (name == "rotate" && texts_.max_size.empty()) return true;
  if (name == "max-size" || name == "rotate" || name == "zstd") return !records;
  return name == "mode" && !records && texts_.output.empty() && texts_.ready_file.empty();
}

void DefaultOptions::give(const Given& given) {
  CLI::Option* option = find(given.name);
  if (option == nullptr || option->count() != 0 || is_excluded(given.name) ||
      does_nothing(given.name))
    return;
  sources_.emplace(given.name, given.source);
  for (const std::string& value : given.values) option->add_result(value);
  option->run_callback();
}

void DefaultOptions::apply(const Defaults& defaults, bool with_files) {
  for (const CLI::App* app :
       {static_cast<const CLI::App*>(&app_), static_cast<const CLI::App*>(commands_.chosen().app)})
    for (const CLI::Option* option : app->get_options()) {
      if (option->count() == 0) continue;
      for (const auto& names : {option->get_lnames(), option->get_snames()})
        on_line_.insert(on_line_.end(), names.begin(), names.end());
    }
  add_variables(defaults);
  for (const std::string& path : with_files ? defaults.files : std::vector<std::string>{}) {
    auto text = defaults.read(path);
    if (!text)
      files_.push_back({path, text.error().text()});
    else if (*text) {
      files_.push_back({path, {}});
      add_file(path, **text);
    }
  }
  // In this order, since whether the latter do something depends on the former.
  constexpr std::string_view kLast[] = {"max-size", "rotate", "zstd", "mode"};
  const auto is_last = [&](const Given& given) {
    return std::find(std::begin(kLast), std::end(kLast), given.name) != std::end(kLast);
  };
  for (const Given& given : given_)
    if (!is_last(given)) give(given);
  for (const std::string_view last : kLast)
    for (const Given& given : given_)
      if (given.name == last) give(given);
}

std::string DefaultOptions::source_in(const std::string& message) const {
  for (const auto& [name, source] : sources_)
    if (message.starts_with(with_dashes(name) + ':')) return " (from " + source + ')';
  return {};
}

}  // namespace tcpdwell
