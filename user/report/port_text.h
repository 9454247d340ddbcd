// SPDX-License-Identifier: Apache-2.0
// Sentences about the local ports to a destination. All are HTML.
#pragma once

#include <string>

#include "report/report_data.h"

namespace tcpdwell::reporting {

// The use at the end of the report, as `stats` has it; without ports if there is none.
PortUse use_at_end(const ReportData& data, const PortCurve& curve);
// nullptr: none was drawn.
const PortCurve* curve_of(const ReportData& data, const PortUse& use);

// "942 of 1,000 ports are in use from 127.0.0.1 to 10.0.0.2:6379 (TIME_WAIT 942). ..."
std::string use_sentence(const PortUse& use);
// What comes next: connect() calls that failed, or the forecast. Empty: not known.
std::string outlook_sentence(const ReportData& data, const PortUse& use);
// When a forecast first said that the ports run out. Empty: none did before the end.
std::string warning_sentence(const ReportData& data, const PortCurve& curve);
// What to do about ports that run out.
std::string ports_advice(const PortUse& use);

// "34s": a forecast needs no fractions.
std::string whole_seconds(Nanos time);

}  // namespace tcpdwell::reporting
