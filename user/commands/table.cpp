// SPDX-License-Identifier: Apache-2.0
#include "commands/table.h"

namespace tcpdwell {

std::span<const Subcommand> all_commands() {
#define TCPDWELL_ROW(name) {#name, name##_options, run_##name},
  static constexpr Subcommand kTable[] = {TCPDWELL_COMMANDS(TCPDWELL_ROW)};
#undef TCPDWELL_ROW
  return kTable;
}

}  // namespace tcpdwell
