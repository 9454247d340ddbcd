// SPDX-License-Identifier: Apache-2.0
// Parses the command line and runs the command that it names.
#include <cstdio>
#include <string_view>
#include <variant>

#include "commands/common.h"
#include "commands/failure.h"
#include "commands/log.h"
#include "commands/table.h"
#include "options/complete.h"
#include "options/options.h"

namespace {

using namespace tcpdwell;

int show(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0) return kDone;
  const Error error = system_error("writing to standard output");
  std::fprintf(stderr, "tcpdwell: %s\n", error.text().c_str());
  return kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  int failure_status = kFailed;
  exit_on_terminate(failure_status);
  try {
    if (argc > 1 && std::string_view(argv[1]) == "__complete")
      return show(completions({argv + 2, argv + argc}, all_commands()));
    const auto parsed = parse_options(argc, argv, all_commands(), system_defaults());
    if (const auto* text = std::get_if<Show>(&parsed)) return show(text->text);
    if (const auto* error = std::get_if<UsageError>(&parsed)) {
      std::fprintf(stderr, "tcpdwell: %s\n", error->line.c_str());
      return error->status;
    }
    const auto& options = std::get<Options>(parsed);
    failure_status = options.own->rules().failure_status;
    exit_on_terminate(failure_status);
    set_up_log(options.verbose);
    log_defaults(options.default_files);
    return options.subcommand->run(options);
  } catch (...) {
    print_exception();
    return failure_status;
  }
}
