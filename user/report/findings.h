// SPDX-License-Identifier: Apache-2.0
// What a report says first: plain sentences with numbers, each with a link to its picture.
#pragma once

#include <string>
#include <vector>

#include "report/report_data.h"

namespace tcpdwell::reporting {

enum class Weight : std::uint8_t { Bad, Doubtful, Good, Fact };

struct Finding {
  Weight weight = Weight::Fact;
  std::string text;   // HTML
  const char* about;  // id of the section
};

std::vector<Finding> find_all(const ReportData& data);

// Parts of it.
std::vector<Finding> stuck_findings(const ReportData& data);
std::vector<Finding> traffic_findings(const ReportData& data);
std::vector<Finding> limit_findings(const ReportData& data);

// "CLOSE_WAIT of python3[4711], port 8080": not escaped.
std::string growth_title(const Growth& growth);
// "42 were in CLOSE_WAIT for longer than 60 s, ...": HTML
std::string growth_sentence(const ReportData& data, const Growth& growth);

}  // namespace tcpdwell::reporting
