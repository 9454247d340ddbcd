// SPDX-License-Identifier: Apache-2.0
// The kernel's records as bytes, for the tests of what is made of them.
#pragma once

#include <cstddef>
#include <span>

// A namespace of its own: other tests may have helpers of the same name.
namespace tcpdwell::wire_bytes {

// Its first `size` bytes. `raw` must outlive them.
template <typename Raw>
std::span<const std::byte> bytes(const Raw& raw, std::size_t size = sizeof(Raw)) {
  return std::as_bytes(std::span(&raw, 1)).first(size);
}

}  // namespace tcpdwell::wire_bytes
