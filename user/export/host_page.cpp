// SPDX-License-Identifier: Apache-2.0
#include "export/host_page.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string>

namespace tcpdwell::exporter {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

std::optional<std::size_t> open_descriptors() {
  const std::unique_ptr<DIR, CloseDir> dir(::opendir("/proc/self/fd"));
  if (!dir) return std::nullopt;
  std::size_t count = 0;
  while (const dirent* entry = ::readdir(dir.get()))
    if (entry->d_name[0] != '.') ++count;
  return count - 1;  // without the directory itself
}

// Of /proc/self/stat, from the state on, which follows the name in parentheses.
struct Stat {
  double start = 0;  // since the boot, in ticks
  double virtual_bytes = 0, resident_pages = 0;
};
std::optional<Stat> read_stat() {
  std::ifstream file("/proc/self/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t end = text.rfind(')');
  if (end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(end + 1));
  std::string skipped;
  for (int i = 3; i < 22; ++i) fields >> skipped;
  Stat stat;
  if (!(fields >> stat.start >> stat.virtual_bytes >> stat.resident_pages)) return std::nullopt;
  return stat;
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double boot_time() {
  timespec wall{}, boot{};
  ::clock_gettime(CLOCK_REALTIME, &wall);
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  return static_cast<double>(wall.tv_sec - boot.tv_sec) +
         static_cast<double>(wall.tv_nsec - boot.tv_nsec) / 1e9;
}

// Computed once: the clocks drift apart, and the time of the start must not.
double start_time(const Stat& stat) {
  static const double kStart =
      boot_time() + stat.start / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return kStart;
}

void gauge(PageBuilder& page, std::string_view name, std::string_view unit, std::string_view help,
           double value) {
  page.family(name, Kind::Gauge, unit, help);
  page.add({}, value);
}

}  // namespace

void add_process(PageBuilder& page) {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  page.family("process_cpu_seconds_total", Kind::Counter, "seconds",
              "CPU time of tcpdwell in user space and in the kernel.");
  page.add({}, seconds_of(used.ru_utime) + seconds_of(used.ru_stime));
  if (const auto stat = read_stat()) {
    gauge(page, "process_start_time_seconds", "seconds", "When tcpdwell was started, since 1970.",
          start_time(*stat));
    gauge(page, "process_virtual_memory_bytes", "bytes", "Virtual memory of tcpdwell.",
          stat->virtual_bytes);
    gauge(page, "process_resident_memory_bytes", "bytes", "Resident memory of tcpdwell.",
          stat->resident_pages * static_cast<double>(::sysconf(_SC_PAGESIZE)));
  }
  if (const auto open = open_descriptors())
    gauge(page, "process_open_fds", "", "Open descriptors of tcpdwell.",
          static_cast<double>(*open));
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0)
    gauge(page, "process_max_fds", "", "How many descriptors tcpdwell may have.",
          static_cast<double>(limit.rlim_cur));
}

void ListenerMetrics::count_drops(const std::vector<ListenerNow>& listeners) {
  absl::flat_hash_map<std::uint64_t, std::uint32_t> now;
  for (const ListenerNow& one : listeners) {
    const auto before = last_.find(one.cookie);
    // A new listener counts from 0; the kernel's counter wraps around.
    dropped_[one.port] += one.syns_dropped - (before != last_.end() ? before->second : 0U);
    now[one.cookie] = one.syns_dropped;
  }
  last_ = std::move(now);
}

void ListenerMetrics::add(PageBuilder& page,
                          const std::optional<std::vector<ListenerNow>>& listeners) {
  if (!listeners) return;
  count_drops(*listeners);
  std::map<std::uint16_t, Port> ports;
  for (const ListenerNow& one : *listeners) {
    Port& port = ports[one.port];
    port.length += one.length;
    port.limit += one.backlog;
    port.dropped = dropped_[one.port];
  }
  absl::erase_if(dropped_, [&](const auto& entry) { return !ports.contains(entry.first); });
  std::vector<std::pair<std::uint16_t, Port>> shown(ports.begin(), ports.end());
  std::stable_sort(shown.begin(), shown.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second.length, a.second.dropped) >
           std::pair(b.second.length, b.second.dropped);
  });
  if (shown.size() > kPorts) shown.resize(kPorts);
  const auto family = [&](std::string_view name, Kind kind, std::string_view help, auto&& value) {
    page.family(name, kind, "", help);
    for (const auto& [number, port] : shown)
      page.add({{"port", std::to_string(number)}}, static_cast<double>(value(port)));
  };
  family("tcpdwell_accept_queue_length", Kind::Gauge,
         "Connections that wait for accept(), by local port.",
         [](const Port& port) { return port.length; });
  family("tcpdwell_accept_queue_limit", Kind::Gauge,
         "Above so many waiting connections, new ones are dropped.",
         [](const Port& port) { return port.limit; });
  family("tcpdwell_syns_dropped_total", Kind::Counter,
         "SYNs and final ACKs that a listener dropped, by local port.",
         [](const Port& port) { return port.dropped; });
}

}  // namespace tcpdwell::exporter
