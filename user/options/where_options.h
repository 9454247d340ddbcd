// SPDX-License-Identifier: Apache-2.0
// --where and --symbols, for the commands that have them. `run` has --where by default.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace tcpdwell {

// The lines of code that the output shall have.
struct WhereChoice {
  bool on = false;
  bool by_default = false;     // not asked for: do without it if it is not possible
  bool without_paths = false;  // --where=short
  bool jit = false;            // --where=jit: switch perf maps on
  std::string symbols;         // --symbols DIR; empty: none
};

class WhereOptions {
 public:
  explicit WhereOptions(bool by_default = false) : by_default_(by_default) {}
  void add_to(CLI::App& own);
  // Throws CLI::ParseError.
  WhereChoice read() const;

 private:
  const bool by_default_;
  std::string where_, symbols_;
};

}  // namespace tcpdwell
