// SPDX-License-Identifier: Apache-2.0
// The formats of a page, and the choice between them by an HTTP Accept header.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "export/page.h"

namespace tcpdwell::exporter {

enum class Format : std::uint8_t { Text, OpenMetrics, Protobuf };
inline constexpr std::size_t kFormats = 3;

std::string_view content_type(Format format);
// The format with the highest quality that the header names; Text if it names none or is empty.
// Protobuf only if it is named with the message type and the encoding that Prometheus reads.
Format chosen_format(std::string_view accept);
// One response from several pages.
std::string written(Format format, std::span<const Page* const> pages);

}  // namespace tcpdwell::exporter
