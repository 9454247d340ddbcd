// SPDX-License-Identifier: Apache-2.0
// The pictures of the page, each as a section with its words and its table. Empty: there is nothing
// to show.
#pragma once

#include <string>

#include "report/report_data.h"

namespace tcpdwell::reporting {

std::string states_picture(const ReportData& data);
std::string stuck_picture(const ReportData& data);
std::string dwell_picture(const ReportData& data);
std::string diagram_picture(const ReportData& data);
std::string ports_picture(const ReportData& data);
std::string closers_picture(const ReportData& data);
std::string handshakes_picture(const ReportData& data);
std::string timeline_picture(const ReportData& data);

}  // namespace tcpdwell::reporting
