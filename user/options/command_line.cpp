// SPDX-License-Identifier: Apache-2.0
#include "options/command_line.h"

#include <stdexcept>

#include "util/version.h"

namespace tcpdwell {
namespace {

// Puts all options that are added after it into this group.
void begin_group(CLI::App& app, const char* group) { app.option_defaults()->group(group); }

void add_output_options(CLI::App& app, OptionTexts& texts) {
  begin_group(app, "Output");
  app.add_flag("-j,--json", texts.json, "Print JSON, one object per line (NDJSON)");
  app.add_option("-o,--output", texts.output, "Write to FILE; reopened on SIGHUP")
      ->type_name("FILE");
  app.add_option("--mode", texts.mode,
                 "Permissions of new files: -o, --record, --ready-file (default 0600)")
      ->type_name("OCTAL");
  app.add_option("--output-buffer", texts.output_buffer,
                 "Buffer for a slow disk or reader. If it is full, tcpdwell drops whole lines and "
                 "counts them (64K to 1G; default: 1/64 of the memory)")
      ->type_name("BYTES");
  app.add_option("--only", texts.only, "Print only these kinds: transition, connection, flag")
      ->delimiter(',')
      ->type_name("KIND,...");
  app.add_option("--color", texts.color,
                 "Use color: auto (the default), always or never. NO_COLOR is honoured")
      ->check(CLI::IsMember({"auto", "always", "never"}).description(""))
      ->type_name("WHEN");
  app.add_option("--time", texts.time,
                 "Times in text: local (the default), iso (UTC with the date) or mono (seconds of "
                 "the kernel's monotonic clock)")
      ->check(CLI::IsMember({"local", "iso", "mono"}).description(""))
      ->type_name("FORMAT");
  app.add_flag("-q,--quiet", texts.quiet, "Print no header and no summary");
  app.add_flag("-v,--verbose", texts.verbose,
               "Log what this kernel shows, how exactly, and each query to it");
}

void add_run_options(CLI::App& app, OptionTexts& texts) {
  begin_group(app, "Tracing");
  app.add_option("-d,--duration", texts.duration, "End after D (30s, 2m30s)")->type_name("D");
  app.add_option("--ready-file", texts.ready_file, "Create FILE once everything is attached")
      ->type_name("FILE");
  app.add_flag("--strict", texts.strict, "Exit with 3 if any event was lost");
  app.add_flag("--no-accept", texts.no_accept,
               "Do not trace accept(). Owners of accepted sockets stay unknown. Saves each system "
               "call of this host some 30 ns if the kernel cannot trace functions");
  app.add_option("--ring-size", texts.ring_size,
                 "Size of each event ring, rounded up to a power of two")
      ->type_name("BYTES");
  app.add_option(
         "--max-connections", texts.max_connections,
         "Track at most N connections; beyond that, drop those idle the longest (default 4000000)")
      ->type_name("N");
}

void add_config_options(CLI::App& app, OptionTexts& texts) {
  begin_group(app, "Defaults and help");
  app.set_config("--config", "",
                 "Read options from FILE (TOML, with the long option names), and not from the "
                 "files below")
      ->type_name("FILE");
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.set_help_flag("-h,--help", "Print the help (of a command: COMMAND --help)");
  app.set_version_flag("-V,--version", std::string("tcpdwell ") + version(), "Print the version");
  app.add_flag("--no-config", texts.no_config,
               "Do not read ~/.config/tcpdwell.toml and /etc/tcpdwell.toml. The environment "
               "(TCPDWELL_JSON=1, TCPDWELL_FLAG=...) overrides them; replay reads neither");
}

void add_filters(CLI::App& app, FilterTexts& texts) {
  begin_group(app, "Filters");
  app.add_flag("-4", texts.ipv4, "IPv4 only (v4-mapped too)");
  app.add_flag("-6", texts.ipv6, "IPv6 only");
  std::vector<std::string>* values = texts.values.data();
  for (const FilterWord& word : filter_words()) {
    CLI::Option* option = app.add_option(std::string("--") + word.name, *values++, word.help);
    option->type_name(word.type)->take_all();
    if (word.is_list)
      option->delimiter(',');
    else
      option->expected(1);
  }
}

void add_flags(CLI::App& app, OptionTexts& texts) {
  begin_group(app, "Flags");
  app.add_option(
         "--flag", texts.flags,
         "Flag sockets that stay longer than D in STATE, in an accept queue (ACCEPT), or open "
         "after their connection ended (CLOSED). Repeatable. Default: CLOSE_WAIT, FIN_WAIT_2 and "
         "CLOSED 60s, ACCEPT 10s; run: 1s for all")
      ->type_name("STATE=D");
  app.add_flag("--no-flags", texts.no_flags, "Flag nothing");
}

void add_record_options(CLI::App& app, OptionTexts& texts) {
  begin_group(app, "Recording");
  const auto add = [&](const char* name, std::string& into, const char* help, const char* type) {
    app.add_option(name, into, help)->type_name(type);
  };
  add("--record", texts.record, "trace: also write the raw events to FILE, for replay", "FILE");
  add("--max-size", texts.max_size, "End or rotate the recording at this size", "BYTES");
  add("--rotate", texts.rotate,
      "At --max-size, begin a new file and keep N older ones (FILE.1, ...)", "N");
  app.add_flag("--zstd", texts.zstd, "Compress the recording");
}

// `--port 80 5s` is a port and an interval: a list has commas, or its option is repeated.
void take_one_word_each(CLI::App& app) {
  for (CLI::Option* option : app.get_options())
    if (option->get_allow_extra_args()) option->allow_extra_args(false);
}

}  // namespace

CommandLine::CommandLine(CLI::App& app, OptionTexts& texts, std::span<const Subcommand> table)
    : app_(app) {
  add_filters(app, texts.filters);
  add_flags(app, texts);
  add_output_options(app, texts);
  add_run_options(app, texts);
  add_record_options(app, texts);
  add_config_options(app, texts);
  take_one_word_each(app);
  app.option_defaults()->group("Options");  // of the commands
  refuse_empty_values(app);
  for (const Subcommand& subcommand : table) {
    std::shared_ptr<CommandOptions> options = subcommand.make_options();
    CLI::App* own = add_command(app, texts, subcommand.name, options->help());
    options->add_to(*own, texts);
    refuse_empty_values(*own);
    entries_.push_back({&subcommand, std::move(options), own});
  }
  app.require_subcommand(0, 1);
}

const CommandLine::Entry& CommandLine::chosen() const {
  const auto parsed = app_.get_subcommands();
  if (parsed.empty()) return entries_.front();
  for (const Entry& entry : entries_)
    if (entry.app == parsed.front()) return entry;
  throw std::logic_error("the command " + parsed.front()->get_name() + " is not in the table");
}

std::vector<const char*> CommandLine::with_command(int argc, const char* const* argv) const {
  std::vector<const char*> words(argv, argv + argc);
  bool needs_command = false;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string word = words[i];
    if (find(word) != nullptr) return words;
    const std::string name = word.substr(0, word.find('='));
    needs_command = needs_command || (name.starts_with("--") && name.size() > 2 &&
                                      app_.get_option_no_throw(name) == nullptr &&
                                      entries_.front().app->get_option_no_throw(name) != nullptr);
  }
  if (needs_command) words.insert(words.begin() + 1, entries_.front().subcommand->name);
  return words;
}

CLI::App* CommandLine::find(const std::string& name) const {
  for (const Entry& entry : entries_)
    if (name == entry.subcommand->name) return entry.app;
  return nullptr;
}

CLI::App* add_command(CLI::App& app, OptionTexts& texts, const std::string& name,
                      const std::string& help) {
  CLI::App* command = app.add_subcommand(name, help);
  command->fallthrough();
  // CLI11 takes "-4" for a number and does not look for it in `app` unless the command has it, too.
  command->add_flag("-4", texts.filters.ipv4)->group("");
  command->add_flag("-6", texts.filters.ipv6)->group("");
  return command;
}

void refuse_empty_values(CLI::App& app) {
  const CLI::Validator not_empty(
      [](const std::string& text) { return text.empty() ? "must not be empty" : std::string(); },
      "");
  for (CLI::Option* option : app.get_options())
    if (option->get_expected_min() > 0) option->check(not_empty);
}

}  // namespace tcpdwell
