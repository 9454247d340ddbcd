// SPDX-License-Identifier: Apache-2.0
// --where and --symbols, for the commands that have them.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace tcpdwell {

// The lines of code that the output shall have.
struct WhereChoice {
  bool on = false;
  bool without_paths = false;  // --where=short
  std::string symbols;         // --symbols DIR; empty: none
};

class WhereOptions {
 public:
  void add_to(CLI::App& own);
  // Throws CLI::ParseError.
  WhereChoice read() const;

 private:
  std::string where_, symbols_;
};

}  // namespace tcpdwell
