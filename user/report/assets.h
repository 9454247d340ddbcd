// SPDX-License-Identifier: Apache-2.0
// The style sheet and the script of the page (user/report/page/), and their SHA-256 for the
// content security policy. cmake/EmbedPage.cmake writes the source.
#pragma once

#include <string_view>

namespace tcpdwell::reporting {

extern const std::string_view kStyle, kScript;
// In hex.
extern const std::string_view kStyleHash, kScriptHash;

}  // namespace tcpdwell::reporting
