// SPDX-License-Identifier: Apache-2.0
#include "options/check_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "options/option_values.h"

namespace tcpdwell {
namespace {

constexpr const char* kPointless[] = {
    "--ready-file", "--only",      "--no-flags",      "--flag",   "--no-accept",
    "--duration",   "--ring-size", "--output-buffer", "--strict", "--max-connections",
    "--port",       "--lport",     "--rport",         "--addr",   "-4",
    "-6",           "--pid",       "--cgroup",        "--state"};

// Some are options of the command, too.
bool is_given(const CLI::App& app, const char* option) {
  const auto commands = app.get_subcommands();
  return app.count(option) != 0 ||
         std::any_of(commands.begin(), commands.end(), [&](const CLI::App* command) {
           const CLI::Option* own = command->get_option_no_throw(option);
           return own && own->count() != 0;
         });
}

}  // namespace

void refuse_pointless_for_check(const CLI::App& app) {
  for (const char* option : kPointless)
    if (is_given(app, option)) throw CLI::ValidationError(option, "does not go with check");
}

void hide_pointless_for_check(CLI::App& app) {
  for (const char* option : kPointless) app.get_option(option)->group("");
}

std::string netns_path(const std::string& text) {
  if (text == "self") return "/proc/thread-self/ns/net";
  return text.find_first_not_of("0123456789") == text.npos ? std::string() : netns_file(text);
}

}  // namespace tcpdwell
