// SPDX-License-Identifier: Apache-2.0
// One walk through all open connections: counts them, and keeps the few that the screen can show.
// Costs some ten nanoseconds for a connection that is not kept; free text costs most.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lifecycle/lifecycle.h"
#include "stats/port_pressure.h"
#include "top/look.h"
#include "top/match.h"

namespace tcpdwell::top {

struct Query {
  Match match;
  Sort sort = Sort::Age;
  bool reverse = false;
  std::optional<By> by;
};

Row row_of(const OpenConnection& connection, Nanos now);

class Walk {
 public:
  static constexpr std::size_t kRows = 1000;  // more are found with a filter
  static constexpr std::size_t kSums = 4096;  // further ones are counted together

  // `listening`: ports with a listener, of the walk before. The references must outlive it.
  using Ports = absl::flat_hash_set<std::uint64_t>;  // namespace and port
  Walk(const Query& query, const Ports& listening, Nanos now)
      : query_(query), listening_(listening), now_(now) {}

  void see(const OpenConnection& connection);
  // Puts the results into `look`.
  void finish(const Lifecycle& lifecycle, Look& look);
  const Counts& counts() const { return counts_; }
  Ports take_listening() { return std::move(listening_now_); }

 private:
  // Sorts as its connection does.
  struct Candidate {
    std::array<std::uint64_t, 4> order{};
    std::uint64_t key = 0;
    bool operator<(const Candidate& other) const {
      return order != other.order ? order < other.order : key < other.key;
    }
  };
  Candidate candidate(const OpenConnection& connection) const;
  void keep(const Candidate& candidate);
  void sum(const OpenConnection& connection);
  std::string sum_key(const OpenConnection& connection) const;
  std::uint16_t service_port(const OpenConnection& connection) const;
  void describe(Sum& sum, const OpenConnection& connection) const;

  const Query& query_;
  const Ports& listening_;
  const Nanos now_;
  Counts counts_{};
  std::array<Nanos, kStates> oldest_{};
  std::uint64_t matching_ = 0, open_ = 0;
  std::vector<Candidate> best_;  // a heap, the worst one first
  absl::flat_hash_map<std::string, Sum> sums_;
  Sum others_;
  Ports listening_now_;
};

}  // namespace tcpdwell::top
