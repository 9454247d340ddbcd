// SPDX-License-Identifier: Apache-2.0
#include "options/options.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "options/command_line.h"
#include "options/defaults_options.h"
#include "options/help.h"
#include "options/option_values.h"
#include "options/suggest.h"
#include "sinks/escape.h"
#include "util/version.h"

namespace tcpdwell {
namespace {

Thresholds thresholds_of(const OptionTexts& texts, const CommandLine::Entry& command) {
  if (texts.no_flags && !texts.flags.empty()) throw CLI::ExcludesError("--flag", "--no-flags");
  if (texts.no_flags) return {};
  const CommandRules& rules = command.options->rules();
  Thresholds thresholds = default_thresholds(rules.flag_after);
  if (!rules.flags_accept) thresholds.accept.reset();
  for (const std::string& text : texts.flags) set_flag(text, thresholds);
  if (!rules.flags_accept && thresholds.accept)
    throw CLI::ValidationError("--flag", std::string(command.subcommand->name) +
                                             " counts by state: it has no row for ACCEPT");
  return thresholds;
}

void check_recording(const OptionTexts& texts) {
  std::error_code absent;
  if (!texts.record.empty() && (texts.record == texts.output ||
                                std::filesystem::equivalent(texts.record, texts.output, absent)))
    throw CLI::ValidationError("--record", "is the same file as --output");
  if (!texts.rotate.empty() && texts.max_size.empty())
    throw CLI::RequiresError("--rotate", "--max-size BYTES");
}

// Commands repeat some shared options as their own (-4, -6).
bool is_given(const CLI::App& app, const std::string& option) {
  const auto commands = app.get_subcommands();
  return app.count(option) != 0 ||
         std::any_of(commands.begin(), commands.end(), [&](const CLI::App* command) {
           const CLI::Option* own = command->get_option_no_throw(option);
           return own && own->count() != 0;
         });
}

// An option without effect is refused: it is a mistake, and the user should know.
void refuse_pointless(const CLI::App& app, const CommandLine::Entry& command,
                      const OptionTexts& texts) {
  if (!texts.mode.empty() && texts.output.empty() && texts.record.empty() &&
      texts.ready_file.empty())
    throw CLI::RequiresError("--mode", "a file to be made: --output, --record or --ready-file");
  const std::string name = command.subcommand->name;
  for (const std::string& option : command.options->refused(texts)) {
    if (!is_given(app, option)) continue;
    std::string why = "does not go with " + name;
    // Both choose by a dwell; this one is of lines.
    if (option == "--min-dwell" && (name == "leaks" || name == "run" || name == "top"))
      why += ": --flag STATE=D says from which dwell on a socket is stuck";
    throw CLI::ValidationError(option, why);
  }
  check_recording(texts);
}

Options options_of(const OptionTexts& texts, const CommandLine::Entry& command) {
  if (texts.json && !texts.histogram.empty())
    throw CLI::ValidationError("--histogram",
                               "is drawn for a terminal: it does not go with --json");
  if (texts.json && texts.time != "local")
    throw CLI::ValidationError("--time", "is for text: each JSON object has `time` and `mono_ns`");
  Options options{.subcommand = command.subcommand,
                  .own = command.options,
                  .json = texts.json,
                  .quiet = texts.quiet,
                  .verbose = texts.verbose,
                  .strict = texts.strict,
                  .accept = !texts.no_accept,
                  .duration = std::nullopt,
                  .output = texts.output,
                  .output_buffer = 0,
                  .ready_file = texts.ready_file,
                  .only = std::nullopt,
                  .filter = filter_of(texts.filters, command.options->rules().reads_recording)};
  if (const auto& netns = texts.filters.of("netns"); !netns.empty())
    options.netns_path = netns_path(netns.front());
  if (!texts.mode.empty()) options.files.mode = mode_value(texts.mode);
  options.thresholds = thresholds_of(texts, command);
  if (texts.color == "always") options.color = Color::Always;
  if (texts.color == "never") options.color = Color::Never;
  if (texts.time == "iso") options.time = TimeFormat::Iso;
  if (texts.time == "mono") options.time = TimeFormat::Mono;
  if (!texts.duration.empty()) options.duration = duration_value("--duration", texts.duration);
  if (!texts.only.empty()) options.only = kind_set(texts.only);
  if (!texts.output_buffer.empty())
    options.output_buffer = output_buffer_value(texts.output_buffer);
  if (!texts.ring_size.empty()) options.ring_bytes = size_value("--ring-size", texts.ring_size);
  if (!texts.max_connections.empty())
    options.max_connections = count_value("--max-connections", texts.max_connections);
  options.compress = texts.zstd;
  if (!texts.max_size.empty()) options.max_size = recording_size_value(texts.max_size);
  if (!texts.rotate.empty()) options.rotate = rotate_value(texts.rotate);
  options.thresholds_given = texts.no_flags || !texts.flags.empty();
  options.max_connections_given = !texts.max_connections.empty();
  return options;
}

// Cuts what follows "--", the command of run, from the line.
std::vector<std::string> split_command(int& argc, const char* const* argv) {
  const auto* const end = argv + argc;
  const auto* const dashes =
      std::find_if(argv, end, [](const char* word) { return std::string_view(word) == "--"; });
  if (dashes == end) return {};
  argc = static_cast<int>(dashes - argv);
  return {dashes + 1, end};
}

void check_command(const Options& options, bool dashes) {
  const bool runs_command = options.own->rules().runs_command;
  if (runs_command && options.command.empty())
    throw CLI::ValidationError("run", "needs a command: tcpdwell run [OPTIONS] -- CMD [ARG...]");
  if (!runs_command && dashes) throw CLI::ValidationError("--", "a command goes with run only");
}

// No option may write to the file that the options were read from.
void keep_safe(const std::string& path, FilePolicy& files) {
  struct stat info {};
  if (!path.empty() && ::stat(path.c_str(), &info) == 0) files.in_use.push_back(id_of(info));
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::vector<std::string> command_names(std::span<const Subcommand> table) {
  std::vector<std::string> names{"help"};
  for (const Subcommand& each : table) names.emplace_back(each.name);
  return names;
}

// What to type instead of an option that does not exist here.
std::string option_hint(const std::string& typed, const CLI::App& app,
                        const CommandLine& commands) {
  const std::string option = typed.substr(0, typed.find('='));
  if (const auto instead = other_name(option); !instead.empty())
    return ". Use " + std::string(instead);
  for (const CommandLine::Entry& entry : commands.entries())
    if (option.starts_with("--") && entry.app->get_option_no_throw(option) != nullptr)
      return ". It is an option of " + std::string(entry.subcommand->name);
  std::vector<std::string> names = option_names(app);
  const auto own = option_names(*commands.chosen().app);
  names.insert(names.end(), own.begin(), own.end());
  return did_you_mean(option, names);
}

// `words`: those that nothing took, in their order.
std::string not_expected(const std::vector<std::string>& words, const CLI::App& app,
                         const CommandLine& commands, std::span<const Subcommand> table) {
  std::string text = words.size() == 1 ? "The following argument was not expected:"
                                       : "The following arguments were not expected:";
  for (const std::string& word : words) text += ' ' + word;
  const auto is_option = [](const std::string& word) { return word.starts_with('-'); };
  const auto option = std::find_if(words.begin(), words.end(), is_option);
  if (commands.chosen().options->rules().runs_command && !is_option(words.front()))
    return text + ". Put -- before the command: tcpdwell run [OPTIONS] -- " + words.front();
  if (option != words.end()) return text + option_hint(*option, app, commands);
  std::vector<std::string> names;
  for (const CLI::App* below : commands.chosen().app->get_subcommands({}))
    names.push_back(below->get_name());
  if (names.empty()) names = command_names(table);
  return text + did_you_mean(words.front(), names);
}

// CLI11's text, made clear where it is not, and escaped.
std::string usage_error(std::string_view text, const CLI::App& app) {
  constexpr std::string_view kUnknownKey = "INI was not able to parse ";
  std::string line, hint;
  if (text.starts_with(kUnknownKey)) {
    line = "--config: not an option: ";
    text.remove_prefix(kUnknownKey.size());
    hint = did_you_mean("--" + std::string(text), option_names(app));
  }
  append_printable(line, std::string(text) + hint);  // one line, whatever the argument was
  return line + " (see tcpdwell --help)";
}

// "help", "help states", "help CMD": as "CMD --help".
std::variant<Options, Show, UsageError> help(std::vector<const char*> words,
                                             std::span<const Subcommand> table) {
  if (!words.empty()) {
    if (const auto text = help_topic(words.front())) return Show{*text};
    std::vector<std::string> known = command_names(table);
    const std::string topic = words.front();
    if (std::find(known.begin() + 1, known.end(), topic) == known.end()) {
      for (const std::string& each : help_topics()) known.push_back(each);
      std::string line;
      append_printable(line,
                       "help: there is no command or topic " + topic + did_you_mean(topic, known));
      return UsageError{line + " (see tcpdwell --help)"};
    }
  }
  words.insert(words.begin(), "tcpdwell");
  words.push_back("--help");
  return parse_options(static_cast<int>(words.size()), words.data(), table);
}

}  // namespace

std::variant<Options, Show, UsageError> parse_options(int argc, const char* const* argv,
                                                      std::span<const Subcommand> table,
                                                      const Defaults& defaults) {
  if (argc > 1 && std::string_view(argv[1]) == "help") return help({argv + 2, argv + argc}, table);
  CLI::App app(
      "Traces every TCP connection of this host through its states, and how long it stayed in "
      "each.",
      "tcpdwell");
  OptionTexts texts;
  const CommandLine commands(app, texts, table);
  const int all = argc;
  std::vector<std::string> command = split_command(argc, argv);
  DefaultOptions given(app, commands, texts);
  const auto failed = [&](const std::string& text) {
    return UsageError{usage_error(text, app), commands.chosen().options->rules().failure_status};
  };
  try {
    const auto words = commands.with_command(argc, argv);
    app.parse(static_cast<int>(words.size()), words.data());
    const CommandLine::Entry& chosen = commands.chosen();
    refuse_pointless(app, chosen, texts);
    const bool has_config = app.get_config_ptr()->count() != 0;
    // A replay says what the recorded run said, whatever this host's defaults are.
    if (!chosen.options->rules().reads_recording)
      given.apply(defaults, !has_config && !texts.no_config);
    Options options = options_of(texts, chosen);
    if (has_config) keep_safe(app.get_config_ptr()->as<std::string>(), options.files);
    for (const DefaultsFile& file : given.files()) keep_safe(file.path, options.files);
    options.default_files = given.files();
    options.command = std::move(command);
    chosen.options->read(app, texts, options);
    check_command(options, argc != all);
    return options;
  } catch (const CLI::CallForHelp&) {
    return Show{help_of(app, commands, texts)};
  } catch (const CLI::CallForVersion& version) {
    return Show{std::string(version.what()) + '\n'};
  } catch (const CLI::ExtrasError&) {
    return failed(not_expected(app.remaining(true), app, commands, table));
  } catch (const CLI::ParseError& error) {
    return failed(error.what() + given.source_in(error.what()));
  }
}

}  // namespace tcpdwell
