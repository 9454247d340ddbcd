// SPDX-License-Identifier: Apache-2.0
// Parts of synthetic events, and a sink that keeps the records of the table.
#pragma once

#include <chrono>
#include <cstring>
#include <vector>

#include "model/event.h"
#include "model/record.h"

namespace tcpdwell::test {

using namespace std::chrono_literals;

inline constexpr Nanos kBegan = 1000s;
inline constexpr unsigned kHz = 250;

inline Flow make_flow(std::uint16_t local = 40000, std::uint16_t remote = 80) {
  Flow flow;
  flow.local.addr = {10, 0, 0, 1};
  flow.remote.addr = {10, 0, 0, 2};
  flow.local.port = local;
  flow.remote.port = remote;
  flow.netns_cookie = 1;
  flow.netns = 4026531840;
  flow.device = 0;
  return flow;
}

inline Process make_process(std::uint32_t pid, const char* comm = "app") {
  Process process{.pid = pid, .uid = 1000, .cgroup_id = 7};
  std::strncpy(process.comm.data(), comm, process.comm.size());
  return process;
}

// All records, in order.
class Said final : public Sink {
 public:
  void write(const Record& record) noexcept override { records.push_back(record); }
  template <typename T>
  std::vector<T> all() const {
    std::vector<T> found;
    for (const Record& record : records)
      if (const T* wanted = std::get_if<T>(&record)) found.push_back(*wanted);
    return found;
  }
  std::vector<Record> records;
};

}  // namespace tcpdwell::test
