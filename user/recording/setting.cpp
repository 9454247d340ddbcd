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

void put(Packer& packer, const Cidr& cidr) {
  packer.put(cidr.addr);
  packer.put(cidr.mask);
  packer.put(cidr.family);
}

void get(Unpacker& unpacker, Cidr& cidr) {
  unpacker.get(cidr.addr);
  unpacker.get(cidr.mask);
  unpacker.get(cidr.family);
}

void put(Packer& packer, const PortMatch& match) {
  packer.put(match.first);
  packer.put(match.last);
}

void get(Unpacker& unpacker, PortMatch& match) {
  unpacker.get(match.first);
  unpacker.get(match.last);
}

void put(Packer& packer, const EndMatch& match) {
  packer.put(match.addr.has_value());
  put(packer, match.addr.value_or(Cidr{}));
  packer.put(match.port.has_value());
  put(packer, match.port.value_or(PortMatch{}));
}

void get(Unpacker& unpacker, EndMatch& match) {
  bool there = false;
  Cidr addr;
  unpacker.get(there);
  get(unpacker, addr);
  if (there) match.addr = addr;
  PortMatch port;
  unpacker.get(there);
  get(unpacker, port);
  if (there) match.port = port;
}

template <typename T>
void put_list(Packer& packer, const std::vector<T>& list) {
  packer.put(static_cast<std::uint16_t>(list.size()));
  for (const T& value : list) put(packer, value);
}

template <typename T>
void get_list(Unpacker& unpacker, std::vector<T>& list) {
  std::uint16_t count = 0;
  unpacker.get(count);
  list.clear();
  for (; count > 0 && unpacker.ok(); --count) get(unpacker, list.emplace_back());
}

// The place of a list of single ports. If it has ranges, it is left empty here (any port) and
// stands among put_later().
void put_ports(Packer& packer, const PortList& list) {
  std::vector<std::uint16_t> ports;
  for (const PortMatch& match : list) {
    if (match.first != match.last) return packer.put(std::vector<std::uint16_t>{});
    ports.push_back(match.first);
  }
  packer.put(ports);
}

void get_ports(Unpacker& unpacker, PortList& list) {
  std::vector<std::uint16_t> ports;
  unpacker.get(ports);
  list.assign(ports.begin(), ports.end());
}

void put(Packer& packer, const Filter& filter) {
  put_ports(packer, filter.ports);
  put_ports(packer, filter.local_ports);
  put_ports(packer, filter.remote_ports);
  put_list(packer, filter.addrs);
  packer.put(filter.family);
  packer.put(filter.netns);
  packer.put(filter.pids);
  packer.put(std::string_view(filter.cgroup));
}

void get(Unpacker& unpacker, Filter& filter) {
  get_ports(unpacker, filter.ports);
  get_ports(unpacker, filter.local_ports);
  get_ports(unpacker, filter.remote_ports);
  get_list(unpacker, filter.addrs);
  unpacker.get(filter.family);
  unpacker.get(filter.netns);
  unpacker.get(filter.pids);
  unpacker.get(filter.cgroup);
}

// What older versions lack, and ignore.
void put_later(Packer& packer, const Filter& filter) {
  for (const PortList* list : {&filter.ports, &filter.local_ports, &filter.remote_ports})
    put_list(packer, *list);
  put_list(packer, filter.locals);
  put_list(packer, filter.remotes);
  packer.put(static_cast<std::uint16_t>(filter.comms.size()));
  for (const std::string& comm : filter.comms) packer.put(std::string_view(comm));
}

void get_later(Unpacker& unpacker, Filter& filter) {
  for (PortList* list : {&filter.ports, &filter.local_ports, &filter.remote_ports})
    get_list(unpacker, *list);
  get_list(unpacker, filter.locals);
  get_list(unpacker, filter.remotes);
  unpacker.get(filter.comms);
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
  put_later(packer, setting.filter);
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
  if (unpacker.has_more()) get_later(unpacker, setting.filter);
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
