// SPDX-License-Identifier: Apache-2.0
#include "options/where_options.h"

#include <CLI/CLI.hpp>

namespace tcpdwell {

void WhereOptions::add_to(CLI::App& own) {
  own.add_flag("--where{lines}", where_,
               "Show the lines of code where the threads of the holders are; --where=short leaves "
               "out the directories of files")
      ->type_name("");
  own.add_option("--symbols", symbols_,
                 "With --where: find the symbols of stripped programs in DIR, by their build id")
      ->type_name("DIR");
}

WhereChoice WhereOptions::read() const {
  if (!where_.empty() && where_ != "lines" && where_ != "short")
    throw CLI::ValidationError("--where", "takes no value or =short, not " + where_);
  if (where_.empty() && !symbols_.empty()) throw CLI::RequiresError("--symbols", "--where");
  return {.on = !where_.empty(), .without_paths = where_ == "short", .symbols = symbols_};
}

}  // namespace tcpdwell
