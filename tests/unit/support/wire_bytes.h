// SPDX-License-Identifier: Apache-2.0
// Kernel records as bytes, for the tests of the decoder.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "pipeline/decode.h"

// A separate namespace, since other tests have helpers with the same names.
namespace tcpdwell::wire_bytes {

// The first `size` bytes of `raw`, which must outlive the result.
template <typename Raw>
std::span<const std::byte> bytes(const Raw& raw, std::size_t size = sizeof(Raw)) {
  return std::as_bytes(std::span(&raw, 1)).first(size);
}

// nullopt: rejected
inline std::optional<Event> decoded(std::span<const std::byte> record) {
  Event event;
  return decode(record, event) ? std::optional(std::move(event)) : std::nullopt;
}

}  // namespace tcpdwell::wire_bytes
