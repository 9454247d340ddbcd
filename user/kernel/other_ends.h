// SPDX-License-Identifier: Apache-2.0
// Finds the other ends of connections that are sockets of this host, and the listeners of their
// ports, by their addresses. One walk through all descriptors then finds the holders of both ends.
// Use it on a helper thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "kernel/namespaces.h"
#include "kernel/process_facts.h"
#include "lifecycle/questions.h"
#include "model/event.h"

namespace tcpdwell {

class OtherEnds {
 public:
  explicit OtherEnds(Namespaces& namespaces) : namespaces_(namespaces) {}

  // Finds them for existing sockets with a due flag: `answers` are those to `questions`.
  void find(std::span<const Question> questions, std::span<InquiryEvent> answers);
  // The further cookies whose holders to ask for.
  std::vector<std::uint64_t> cookies() const;
  // Fills in the holders.
  void learn(std::span<const Holding> holdings, std::span<InquiryEvent> answers,
             ProcessReader& processes) const;

 private:
  using Address = std::array<std::uint8_t, 16>;
  struct Asked {
    std::size_t answer = 0;
    Flow flow;
  };
  void find_ends(const std::vector<Asked>& asked, std::uint64_t netns_cookie,
                 std::span<InquiryEvent> answers);
  void find_listeners(const std::vector<Asked>& asked);
  void find_elsewhere(const std::vector<Asked>& asked, std::span<InquiryEvent> answers);
  void read_addresses();

  Namespaces& namespaces_;
  std::map<Address, std::vector<std::uint64_t>> owners_;  // namespaces that have this address
  Nanos addresses_read_{-1};
  // State of one round.
  std::unordered_map<std::uint64_t, std::size_t> ends_;  // cookie -> answer
  std::unordered_map<std::uint64_t, std::vector<std::size_t>> listeners_;
};

}  // namespace tcpdwell
