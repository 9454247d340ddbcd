// SPDX-License-Identifier: Apache-2.0
#include "recording/format.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tcpdwell::recording {

std::uint64_t checksum(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::uint32_t checksum_of(const FileHeader& header) {
  const auto bytes = std::as_bytes(std::span(&header, 1));
  return static_cast<std::uint32_t>(checksum(bytes.first(offsetof(FileHeader, checksum))));
}

std::uint32_t checksum_of(const FrameHeader& header) {
  const auto bytes = std::as_bytes(std::span(&header, 1));
  return static_cast<std::uint32_t>(checksum(bytes.subspan(offsetof(FrameHeader, data_checksum))));
}

}  // namespace tcpdwell::recording
