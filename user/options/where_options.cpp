// SPDX-License-Identifier: Apache-2.0
#include "options/where_options.h"

#include <CLI/CLI.hpp>

namespace tcpdwell {

void WhereOptions::add_to(CLI::App& own) {
  own.add_flag("--where{lines}", where_,
               by_default_
                   ? "Lines of code are shown by default: --where=short leaves out the directories "
                     "of files, --where=no shows none, --where=jit also tells node and Java, by "
                     "their environment, to name the code that they compile"
                   : "Show the lines of code that opened a socket and read its end of stream, and "
                     "where the threads of its holders are; --where=short leaves out the "
                     "directories of files")
      ->type_name("");
  own.add_option("--symbols", symbols_,
                 "With --where: find the symbols of stripped programs in DIR, by their build id")
      ->type_name("DIR");
}

WhereChoice WhereOptions::read() const {
  const bool jit = by_default_ && where_ == "jit";
  if (!where_.empty() && where_ != "lines" && where_ != "short" && where_ != "no" && !jit)
    throw CLI::ValidationError(
        "--where", where_ == "jit" ? std::string("=jit is for run, which starts the program")
                                   : std::string("takes no value, =short") +
                                         (by_default_ ? ", =jit" : "") + " or =no, not " + where_);
  const bool on = where_.empty() ? by_default_ : where_ != "no";
  if (!on && !symbols_.empty()) throw CLI::RequiresError("--symbols", "--where");
  return {.on = on,
          .by_default = where_.empty(),
          .without_paths = where_ == "short",
          .jit = jit,
          .symbols = symbols_};
}

}  // namespace tcpdwell
