// SPDX-License-Identifier: Apache-2.0
#include "options/where_options.h"

#include <CLI/CLI.hpp>

namespace tcpdwell {

void WhereOptions::add_to(CLI::App& own) {
  own.add_flag("--where{lines}", where_,
               by_default_
                   ? "Lines of code are shown by default: --where=short leaves out the directories "
                     "of files, --where=no shows none"
                   : "Show the lines of code that opened a socket and read its end of stream, and "
                     "where the threads of its holders are; --where=short leaves out the "
                     "directories of files")
      ->type_name("");
  own.add_option("--symbols", symbols_,
                 "With --where: find the symbols of stripped programs in DIR, by their build id")
      ->type_name("DIR");
}

WhereChoice WhereOptions::read() const {
  if (!where_.empty() && where_ != "lines" && where_ != "short" && where_ != "no")
    throw CLI::ValidationError("--where", "takes no value, =short or =no, not " + where_);
  const bool on = where_.empty() ? by_default_ : where_ != "no";
  if (!on && !symbols_.empty()) throw CLI::RequiresError("--symbols", "--where");
  return {.on = on,
          .by_default = where_.empty(),
          .without_paths = where_ == "short",
          .symbols = symbols_};
}

}  // namespace tcpdwell
