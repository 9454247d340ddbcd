// SPDX-License-Identifier: Apache-2.0
// Recorded ports of a namespace, also from recordings of older versions.
#include <gtest/gtest.h>

#include "recording/entries.h"

namespace tcpdwell::recording {
namespace {

std::vector<std::byte> packed(const NamespaceEvent& event) {
  std::vector<std::byte> kept;
  pack(event, nullptr, [&](Entry entry, std::span<const std::byte> bytes) {
    EXPECT_EQ(entry, Entry::Namespace);
    kept.assign(bytes.begin(), bytes.end());
  });
  return kept;
}

std::optional<NamespaceEvent> read(std::span<const std::byte> bytes) {
  const auto read = UserEventReader().read(Entry::Namespace, bytes);
  return read ? std::optional(std::get<NamespaceEvent>(read->event)) : std::nullopt;
}

const NamespaceEvent kWhole{.at = Nanos{1},
                            .netns_cookie = 2,
                            .port_low = 40000,
                            .port_high = 40099,
                            .reserved_ports = 11,
                            .reserved = {{40000, 40009}, {40020, 40020}},
                            .bound = {{40050, 40050}},
                            .tw_reuse = std::uint8_t{2},
                            .tw_reuse_delay_ms = 500};

TEST(RecordedPorts, AllFieldsAreKept) {
  EXPECT_EQ(read(packed(kWhole)), kWhole);
  NamespaceEvent unknown = kWhole;
  unknown.tw_reuse.reset();
  EXPECT_EQ(read(packed(unknown)), unknown);
}

TEST(RecordedPorts, MaximumOfPortsFitsIntoEntry) {
  NamespaceEvent most = kWhole;
  most.reserved.assign(PortSpan::kMost, {1, 2});
  most.bound.assign(PortSpan::kMost, {3, 4});
  EXPECT_LE(packed(most).size(), kMostEntry);
  EXPECT_EQ(read(packed(most)), most);
}

// Older versions wrote only time, cookie, range and the number of reserved ports.
TEST(RecordedPorts, OlderEntryHasOnlyTheRange) {
  constexpr std::size_t kBefore = 8 + 8 + 2 + 2 + 4;
  const auto bytes = packed(kWhole);
  const auto old = read(std::span(bytes).first(kBefore));
  ASSERT_TRUE(old);
  EXPECT_EQ(old->port_high, 40099);
  EXPECT_EQ(old->reserved_ports, 11U);
  EXPECT_EQ(old->tw_reuse, std::nullopt);
  for (std::size_t size = kBefore + 1; size < bytes.size(); ++size)
    EXPECT_FALSE(read(std::span(bytes).first(size))) << "truncated to " << size << " bytes";
}

}  // namespace
}  // namespace tcpdwell::recording
