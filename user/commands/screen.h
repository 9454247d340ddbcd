// SPDX-License-Identifier: Apache-2.0
// Shared by `top` and `replay FILE top`.
#pragma once

#include <spdlog/logger.h>

#include <memory>
#include <string>
#include <string_view>

#include "options/options.h"
#include "top/match.h"

namespace tcpdwell {

// While it exists, messages of the log wait: they would destroy the screen. Destroy it after the
// screen was left; it then prints them.
class HeldLog {
 public:
  HeldLog();
  ~HeldLog();
  HeldLog(const HeldLog&) = delete;
  HeldLog& operator=(const HeldLog&) = delete;
  // The last warning or error; empty: none.
  std::string latest() const;

 private:
  class Sink;
  std::shared_ptr<Sink> sink_;
  std::shared_ptr<spdlog::logger> before_;
};

bool wants_color_on_screen(const Options& options);
// Parses what the user types after "/".
Result<top::Match> parse_match(std::string_view text);

}  // namespace tcpdwell
