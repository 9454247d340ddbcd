// SPDX-License-Identifier: Apache-2.0
// Writes a page to a file for node_exporter's textfile collector: in the text format, and under its
// name only once it is complete.
#pragma once

#include <optional>
#include <string>

#include "util/made_file.h"
#include "util/result.h"

namespace tcpdwell::exporter {

std::optional<Error> write_textfile(const std::string& path, const std::string& text,
                                    const FilePolicy& policy);

}  // namespace tcpdwell::exporter
