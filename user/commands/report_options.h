// SPDX-License-Identifier: Apache-2.0
// The options of `report`.
#pragma once

#include <string>
#include <vector>

#include "options/subcommand.h"

namespace tcpdwell {

class ReportOptions final : public CommandOptions {
 public:
  ReportOptions();
  std::string usage() const override;
  std::vector<Example> examples() const override;
  void add_to(CLI::App& own, OptionTexts& texts) override;
  std::vector<std::string> refused(const OptionTexts& texts) const override;
  void read(const CLI::App& shared, const OptionTexts& texts, Options& options) override;

  const std::string& perfetto() const { return perfetto_; }  // the file; empty: none

 private:
  std::string live_, perfetto_;
};

}  // namespace tcpdwell
