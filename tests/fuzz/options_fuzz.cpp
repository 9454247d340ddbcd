// SPDX-License-Identifier: Apache-2.0
// Input: a command line, with or without a configuration file or a file of defaults. Parsing must
// succeed with values within their bounds, or fail with a message of one line.
//
// Arguments are separated by NUL bytes. Byte 1 and a byte N stand for the Nth word: a
// real option, command or value. The bytes after a 2 are the configuration file; those after a 3
// are the file of defaults, and the value of each variable of the environment.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "options/command_line.h"
#include "options/options.h"
#include "util/unique_fd.h"

namespace {

using namespace tcpdwell;

// Without the run functions, which need BPF.
constexpr Subcommand kCommands[] = {
    {"trace", trace_options, nullptr},   {"stats", stats_options, nullptr},
    {"leaks", leaks_options, nullptr},   {"run", run_options, nullptr},
    {"check", check_options, nullptr},   {"record", record_options, nullptr},
    {"replay", replay_options, nullptr}, {"top", top_options, nullptr}};

constexpr char kWord = 1, kConfig = 2, kDefaults = 3;

constexpr std::string_view kValues[] = {"",
                                        "0",
                                        "1",
                                        "-1",
                                        "80,443",
                                        "65535",
                                        "65536",
                                        "1.5s",
                                        "30s",
                                        "2m30s",
                                        "100y",
                                        "999999999h",
                                        "64K",
                                        "1G",
                                        "256K",
                                        "0600",
                                        "4755",
                                        "255",
                                        "256",
                                        "self",
                                        "4294967295",
                                        "4294967296",
                                        "::1/128",
                                        "10.0.0.0/8",
                                        "/",
                                        "/dev/null",
                                        "/proc/self",
                                        "CLOSE_WAIT",
                                        "accept=1s",
                                        "FIN_WAIT_2=1",
                                        "CLOSED=",
                                        "=1s",
                                        "flag",
                                        "always",
                                        "transition",
                                        "18446744073709551616",
                                        "\xff\xfe",
                                        "\xc0\x80",
                                        "%s%n",
                                        "--",
                                        "true",
                                        "[trace]",
                                        "+90s",
                                        "03:12",
                                        "2026-11-21T03:12:05Z",
                                        "5/min",
                                        "80-90",
                                        "http",
                                        "10.0.0.1:80",
                                        "[::1]:80-90",
                                        "*:http",
                                        "closed_by",
                                        "age",
                                        "help",
                                        "states",
                                        "--lprt",
                                        "CLOSE_WIAT",
                                        "info",
                                        "=",
                                        "\n",
                                        "\"",
                                        "[",
                                        "]",
                                        "'''"};

void add_names(const CLI::App& app, std::vector<std::string>& words) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      words.push_back("--" + name);
      words.push_back("--" + name + '=');
      words.push_back(name);  // as in a configuration file
    }
    for (const std::string& name : option->get_snames()) words.push_back('-' + name);
  }
  for (const CLI::App* command : app.get_subcommands({})) {
    words.push_back(command->get_name());
    add_names(*command, words);
  }
}

std::vector<std::string> all_words() {
  CLI::App app;
  OptionTexts texts;
  const CommandLine commands(app, texts, kCommands);
  std::vector<std::string> words(std::begin(kValues), std::end(kValues));
  add_names(app, words);
  words.emplace_back("--help");
  words.emplace_back("--version");
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  words.emplace_back(5000, 'x');
  return words;
}

std::string with_words(std::string_view bytes) {
  static const std::vector<std::string> words = all_words();
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == kWord && i + 1 < bytes.size())
      text += words[static_cast<unsigned char>(bytes[++i]) % words.size()];
    else
      text += bytes[i];
  }
  return text;
}

std::vector<std::string> arguments_in(std::string_view bytes) {
  std::vector<std::string> arguments = {"tcpdwell"};
  while (!bytes.empty()) {
    const auto end = std::min(bytes.find('\0'), bytes.size());
    arguments.push_back(with_words(bytes.substr(0, end)));
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
  }
  return arguments;
}

UniqueFd file_with(std::string_view text) {
  UniqueFd file(::memfd_create("config", MFD_CLOEXEC));
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    std::abort();
  return file;
}

void require(bool is_true) {
  if (!is_true) std::abort();
}

void check(const UsageError& error) {
  require(!error.line.empty());
  // The text is escaped: it is one line without control sequences.
  require(std::none_of(error.line.begin(), error.line.end(),
                       [](unsigned char each) { return each < 0x20 || each == 0x7f; }));
}

void check(const Show& show) { require(!show.text.empty()); }

void check(const Options& options) {
  for (const auto& duration : {options.duration, options.watch})
    require(!duration || duration->count() > 0);
  require(options.filter.min_dwell.count() >= 0 && options.leak_limits.count > 0);
  require(!options.leak_limits.growth || *options.leak_limits.growth > 0);
  for (const auto& time : {options.since, options.until})
    if (time) ReplayMoment(*time, {.mono = Nanos{1}, .unix_time = std::chrono::hours{400'000}});
  require(options.stats.interval.count() > 0 && options.stats.rows > 0);
  require(options.leak_exit_code >= 0 && options.leak_exit_code <= 255);
  require(options.max_connections > 0 && options.max_connections <= 1'000'000'000);
  require(options.ring_bytes <= 1U << 30U);
  const std::string_view command = options.subcommand->name;
  require(command == "run" ? !options.command.empty() : options.command.empty());
  require((command != "record" && command != "replay") || !options.recording.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes(data, data + size);
  const auto third = std::min(bytes.find(kDefaults), bytes.size());
  const std::string defaults = with_words(std::string_view(bytes).substr(third));
  bytes.resize(third);
  const auto config = bytes.find(kConfig);
  auto arguments = arguments_in(std::string_view(bytes).substr(0, config));
  UniqueFd file;
  if (config != std::string::npos) {
    file = file_with(with_words(std::string_view(bytes).substr(config + 1)));
    arguments.insert(arguments.begin() + 1, "--config=/proc/self/fd/" + std::to_string(file.get()));
  }
  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  Defaults given;
  if (!defaults.empty()) {
    const std::string text = defaults.substr(1);
    given.files = {"/etc/tcpdwell.toml"};
    given.read = [text](const std::string&) { return Result(std::optional(text)); };
    given.variable = [text](const std::string& name) {
      return name.size() % 3 == 0 ? std::optional(text) : std::nullopt;
    };
  }
  const auto parsed = parse_options(static_cast<int>(argv.size()), argv.data(), kCommands, given);
  std::visit([](const auto& result) { check(result); }, parsed);
  return 0;
}
