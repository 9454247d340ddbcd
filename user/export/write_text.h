// SPDX-License-Identifier: Apache-2.0
// The text formats of Prometheus. Neither can express a native histogram: those families are left
// out.
#pragma once

#include <string>

#include "export/page.h"

namespace tcpdwell::exporter {

// Appends the Prometheus text format, version 0.0.4.
void write_prometheus(std::string& out, const Page& page);

// Appends the families in OpenMetrics 1.0. The last page must be followed by kOpenMetricsEnd.
void write_openmetrics(std::string& out, const Page& page);
inline constexpr std::string_view kOpenMetricsEnd = "# EOF\n";

}  // namespace tcpdwell::exporter
