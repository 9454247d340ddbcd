// SPDX-License-Identifier: Apache-2.0
#include "options/options.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "options/command_line.h"
#include "options/option_values.h"
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
  for (const std::string& option : command.options->refused(texts))
    if (is_given(app, option))
      throw CLI::ValidationError(option,
                                 "does not go with " + std::string(command.subcommand->name));
  if (texts.json && !texts.histogram.empty())
    throw CLI::ValidationError("--histogram",
                               "is drawn for a terminal: it does not go with --json");
  check_recording(texts);
}

Options options_of(const OptionTexts& texts, const CommandLine::Entry& command) {
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

// CLI11's text, made clear where it is not, and escaped.
std::string usage_error(std::string_view text) {
  constexpr std::string_view kUnknownKey = "INI was not able to parse ";
  std::string line;
  if (text.starts_with(kUnknownKey)) {
    line = "--config: not an option: ";
    text.remove_prefix(kUnknownKey.size());
  }
  append_printable(line, text);  // one line, whatever the argument was
  return line + " (see tcpdwell --help)";
}

// The help of a command: its own options, then those that all commands share.
std::string help_of(CLI::App& app, const CommandLine& commands, const OptionTexts& texts) {
  const CommandLine::Entry& command = commands.chosen();
  if (&command == &commands.first())
    return app.get_formatter()->make_help(&app, app.get_name(), CLI::AppFormatMode::Normal);
  const CLI::App* described = command.options->described(*command.app);
  for (const std::string& option : command.options->refused(texts))
    app.get_option(option)->group("");
  const CLI::Formatter format;
  return described->get_description() + "\n" + format.make_positionals(described) +
         format.make_groups(described, CLI::AppFormatMode::Normal) +
         "\nOptions of all commands:\n" + format.make_groups(&app, CLI::AppFormatMode::Normal);
}

}  // namespace

std::variant<Options, Show, UsageError> parse_options(int argc, const char* const* argv,
                                                      std::span<const Subcommand> table) {
  CLI::App app(
      "Traces every TCP connection of this host through its states, and how long it stayed in "
      "each.",
      "tcpdwell");
  app.set_version_flag("--version", std::string("tcpdwell ") + version());
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.get_formatter()->column_width(34);
  OptionTexts texts;
  const CommandLine commands(app, texts, table);
  const int all = argc;
  std::vector<std::string> command = split_command(argc, argv);
  try {
    app.parse(argc, argv);
    const CommandLine::Entry& chosen = commands.chosen();
    refuse_pointless(app, chosen, texts);
    Options options = options_of(texts, chosen);
    if (app.get_config_ptr()->count() != 0)
      keep_safe(app.get_config_ptr()->as<std::string>(), options.files);
    options.command = std::move(command);
    chosen.options->read(app, texts, options);
    check_command(options, argc != all);
    return options;
  } catch (const CLI::CallForHelp&) {
    return Show{help_of(app, commands, texts)};
  } catch (const CLI::CallForVersion& version) {
    return Show{std::string(version.what()) + '\n'};
  } catch (const CLI::ParseError& error) {
    return UsageError{usage_error(error.what()), commands.chosen().options->rules().failure_status};
  }
}

}  // namespace tcpdwell
