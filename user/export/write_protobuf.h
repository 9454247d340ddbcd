// SPDX-License-Identifier: Apache-2.0
// The protobuf format of Prometheus (io.prometheus.client.MetricFamily, each with its length
// before it). It alone has native histograms.
#pragma once

#include <string>

#include "export/page.h"

namespace tcpdwell::exporter {

void write_protobuf(std::string& out, const Page& page);

}  // namespace tcpdwell::exporter
