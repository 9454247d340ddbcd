// SPDX-License-Identifier: Apache-2.0
// The page of a report: one HTML file that needs no network. The same data gives the same bytes.
#pragma once

#include <string>

#include "report/report_data.h"

namespace tcpdwell::reporting {

inline constexpr std::size_t kMostPageBytes = 10U << 20U;

std::string page(ReportData data);

}  // namespace tcpdwell::reporting
