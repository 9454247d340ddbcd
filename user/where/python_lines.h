// SPDX-License-Identifier: Apache-2.0
// The line table of a Python code object (co_linetable, since 3.11). Pure; the bytes are untrusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace tcpdwell {

// The line of the instruction at `offset` bytes from the first one; a negative offset is before it.
// nullopt: the instruction has no line, or the table is damaged.
std::optional<std::uint32_t> python_line(std::span<const std::byte> table, std::uint32_t first_line,
                                         std::int64_t offset);

}  // namespace tcpdwell
