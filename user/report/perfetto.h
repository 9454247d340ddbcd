// SPDX-License-Identifier: Apache-2.0
// The connections of a report as a trace for the Perfetto UI: its protobuf format, without
// interning. A process for each service, its connections in lanes, a slice for each connection and
// one for each of its states; flags are instants; connections by state and ports are counters.
#pragma once

#include <string>

#include "report/report_data.h"

namespace tcpdwell::reporting {

std::string perfetto_trace(const ReportData& data);

}  // namespace tcpdwell::reporting
