// SPDX-License-Identifier: Apache-2.0
// What the script of the page reads (page/data.js).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "report/report_data.h"

namespace tcpdwell::reporting {

struct PageData {
  std::string json;                // names, the series of states, how many lives there are
  std::vector<std::string> lives;  // base64: chunks of packed_lives.h
};

// Removes lives from `data` that do not fit into `most` bytes: the last ones.
PageData page_data(ReportData& data, std::size_t most);

}  // namespace tcpdwell::reporting
