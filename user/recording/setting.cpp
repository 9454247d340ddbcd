// SPDX-License-Identifier: Apache-2.0
#include "recording/setting.h"

#include "recording/pack.h"

namespace tcpdwell::recording {
namespace {

constexpr unsigned kMostHz = 100'000;
constexpr std::uint64_t kMostConnections = UINT32_MAX - 1;

void put(Packer& packer, const Thresholds& thresholds) {
  packer.put(thresholds.of);
  packer.put(thresholds.orphan);
  packer.put(thresholds.since_orphaned);
}

void get(Unpacker& unpacker, Thresholds& thresholds) {
  unpacker.get(thresholds.of);
  unpacker.get(thresholds.orphan);
  unpacker.get(thresholds.since_orphaned);
}

void put(Packer& packer, const Filter& filter) {
  packer.put(filter.ports);
  packer.put(filter.local_ports);
  packer.put(filter.remote_ports);
  packer.put(static_cast<std::uint16_t>(filter.addrs.size()));
  for (const Cidr& cidr : filter.addrs) {
    packer.put(cidr.addr);
    packer.put(cidr.mask);
    packer.put(cidr.family);
  }
  packer.put(filter.family);
  packer.put(filter.netns);
  packer.put(filter.pids);
  packer.put(std::string_view(filter.cgroup));
}

void get(Unpacker& unpacker, Filter& filter) {
  unpacker.get(filter.ports);
  unpacker.get(filter.local_ports);
  unpacker.get(filter.remote_ports);
  std::uint16_t addrs = 0;
  unpacker.get(addrs);
  for (; addrs > 0 && unpacker.ok(); --addrs) {
    Cidr& cidr = filter.addrs.emplace_back();
    unpacker.get(cidr.addr);
    unpacker.get(cidr.mask);
    unpacker.get(cidr.family);
  }
  unpacker.get(filter.family);
  unpacker.get(filter.netns);
  unpacker.get(filter.pids);
  unpacker.get(filter.cgroup);
}

bool is_sane(const Thresholds& thresholds) {
  for (const auto& threshold : thresholds.of)
    if (threshold && threshold->count() < 0) return false;
  if (thresholds.accept && thresholds.accept->count() < 0) return false;
  return !thresholds.orphan || thresholds.orphan->count() >= 0;
}

}  // namespace

void pack(const Setting& setting, std::vector<std::byte>& out) {
  Packer packer(out);
  const LifecycleConfig& config = setting.config;
  packer.put(std::uint32_t{config.hz});
  packer.put(config.began);
  packer.put(config.watches_resets);
  packer.put(config.sees_cancellers);
  packer.put(std::uint64_t{config.max_connections});
  put(packer, config.thresholds);
  put(packer, setting.filter);
  const StartRecord& start = setting.start;
  packer.put(std::string_view(start.version));
  packer.put(std::string_view(start.kernel));
  packer.put(std::string_view(start.host));
  packer.put(static_cast<std::uint16_t>(start.sees.size()));
  for (const auto& [what, how] : start.sees) {
    packer.put(std::string_view(what));
    packer.put(std::string_view(how));
  }
  packer.put(config.thresholds.accept);
  packer.put(config.asks_soon);
  packer.put(config.sees_segments);
}

std::optional<Setting> unpack_setting(std::span<const std::byte> bytes) {
  Unpacker unpacker(bytes);
  Setting setting;
  LifecycleConfig& config = setting.config;
  std::uint32_t hz = 0;
  std::uint64_t max_connections = 0;
  unpacker.get(hz);
  unpacker.get(config.began);
  unpacker.get(config.watches_resets);
  unpacker.get(config.sees_cancellers);
  unpacker.get(max_connections);
  get(unpacker, config.thresholds);
  get(unpacker, setting.filter);
  StartRecord& start = setting.start;
  unpacker.get(start.version);
  unpacker.get(start.kernel);
  unpacker.get(start.host);
  std::uint16_t sees = 0;
  unpacker.get(sees);
  for (; sees > 0 && unpacker.ok(); --sees) {
    auto& [what, how] = start.sees.emplace_back();
    unpacker.get(what);
    unpacker.get(how);
  }
  if (unpacker.has_more()) unpacker.get(config.thresholds.accept);
  if (unpacker.has_more()) unpacker.get(config.asks_soon);
  if (unpacker.has_more()) unpacker.get(config.sees_segments);
  const bool sane = hz > 0 && hz <= kMostHz && max_connections > 0 &&
                    max_connections <= kMostConnections && config.began.count() >= 0 &&
                    is_sane(config.thresholds);
  if (!unpacker.ok() || !sane) return std::nullopt;
  config.hz = start.hz = hz;
  config.max_connections = max_connections;
  start.when.mono = config.began;
  for_each_named(config.thresholds, [&](std::string_view flag, Nanos threshold) {
    start.thresholds.emplace_back(flag, threshold);
  });
  return setting;
}

}  // namespace tcpdwell::recording
