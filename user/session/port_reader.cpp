// SPDX-License-Identifier: Apache-2.0
#include "session/port_reader.h"

#include <algorithm>

#include "kernel/port_range.h"
#include "kernel/programs.h"

namespace tcpdwell {
namespace {

bool says_the_same(const NamespaceEvent& a, NamespaceEvent b) {
  b.at = a.at;
  return a == b;
}

}  // namespace

NamespaceEvent PortReader::read_here(std::uint64_t netns_cookie) {
  NamespaceEvent event = read_port_range();
  event.at = monotonic_now();
  event.netns_cookie = netns_cookie;
  if (known_.size() >= kMost) known_.clear();
  if (event.port_low != 0) known_[netns_cookie] = event;
  return event;
}

std::vector<NamespaceEvent> PortReader::read(const std::vector<std::uint64_t>& netns_cookies) {
  std::vector<NamespaceEvent> events;
  for (const std::uint64_t cookie : netns_cookies) {
    if (stop_) break;
    namespaces_.enter(cookie, [&] { events.push_back(read_here(cookie)); });
  }
  return events;
}

std::vector<std::uint64_t> PortReader::next_in_turn() {
  std::vector<std::uint64_t> cookies;
  auto it = known_.upper_bound(last_);
  for (std::size_t i = std::min(known_.size(), kAtOnce); i > 0; --i) {
    if (it == known_.end()) it = known_.begin();
    cookies.push_back((it++)->first);
  }
  if (!cookies.empty()) last_ = cookies.back();
  return cookies;
}

// The known path to a namespace may be gone, for example with a process. All such namespaces share
// one search.
std::vector<NamespaceEvent> PortReader::read_again() {
  std::vector<NamespaceEvent> events;
  std::vector<std::uint64_t> closed;
  const auto look = [&](std::uint64_t cookie) {
    return stop_ || namespaces_.enter_known(cookie, [&] {
      const NamespaceEvent before = known_[cookie];
      NamespaceEvent event = read_here(cookie);
      if (!says_the_same(event, before)) events.push_back(std::move(event));
    });
  };
  for (const std::uint64_t cookie : next_in_turn())
    if (!look(cookie)) closed.push_back(cookie);
  if (!closed.empty()) namespaces_.find();
  for (const std::uint64_t cookie : closed)
    if (!look(cookie)) known_.erase(cookie);
  return events;
}

}  // namespace tcpdwell
