// SPDX-License-Identifier: Apache-2.0
// The connections of a report as JSON, for the script of the page (page/data.js reads it). Times
// are microseconds from the begin of the report.
#pragma once

#include <cstddef>
#include <string>

#include "report/report_data.h"

namespace tcpdwell::reporting {

// Removes lives from `data` that do not fit into `most` bytes: the last ones.
std::string page_data(ReportData& data, std::size_t most);

}  // namespace tcpdwell::reporting
