// SPDX-License-Identifier: Apache-2.0
#include "kernel/bpf_iterators.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <thread>
#include <unordered_map>

#include "kernel/iterator.h"
#include "kernel/libbpf_log.h"
#include "kernel/skeleton.h"
#include "pipeline/decode.h"
#include "util/unique_fd.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

std::optional<NetnsRef::Kind> to_kind(std::uint32_t raw) {
  switch (raw) {
    case TCPDWELL_PLACE_OF_TASK: return NetnsRef::Kind::Task;
    case TCPDWELL_PLACE_OF_SOCKET: return NetnsRef::Kind::Socket;
    case TCPDWELL_PLACE_OF_FILE: return NetnsRef::Kind::File;
    case TCPDWELL_PLACE_IN_LIST: return NetnsRef::Kind::InList;
    case TCPDWELL_PLACE_END_OF_LIST: return NetnsRef::Kind::EndOfList;
    default: return std::nullopt;
  }
}

Result<std::vector<NetnsRef>> read_netns_refs(const LinkPtr& link, std::string_view doing) {
  auto bytes = read_all(link, doing);
  if (!bytes) return bytes.error();
  std::vector<NetnsRef> places;
  tcpdwell_place raw;
  for (std::size_t at = 0; at + sizeof raw <= bytes->size(); at += sizeof raw) {
    std::memcpy(&raw, bytes->data() + at, sizeof raw);
    const auto kind = to_kind(raw.kind);
    if (!kind) continue;
    places.push_back({.netns_cookie = raw.netns_cookie,
                      .netns = raw.netns_inum,
                      .kind = *kind,
                      .tid = raw.tid,
                      .fd = raw.fd});
  }
  return places;
}

template <typename Work>
void for_each_holding(std::span<const std::byte> all, Work&& work) {
  for (std::size_t at = 0; at + sizeof(tcpdwell_holding) <= all.size();
       at += sizeof(tcpdwell_holding))
    work(all.subspan(at, sizeof(tcpdwell_holding)));
}

// The local end of the listener's connections.
std::vector<tcpdwell_end> ends_of(const WalkedQueue& walked) {
  const Flow& flow = walked.queue.flow;
  tcpdwell_end end{};
  end.netns_cookie = flow.netns_cookie;
  end.port = flow.local.port;
  end.family = static_cast<__u16>(flow.family);
  std::memcpy(end.local, flow.local.addr.data(), sizeof end.local);
  std::vector<tcpdwell_end> ends = {end};
  if (walked.takes_ipv4) {
    end.family = TCPDWELL_FAMILY_IPV4;
    ends.push_back(end);
  }
  return ends;
}

}  // namespace

struct BpfIterators::Impl {
  tcpdwell_bpf* skeleton;
  LinkPtr sockets, subflows, queues, holders, dead, tasks, files, list;
  std::uint32_t pass = 0;  // of holders(); ignores entries of earlier passes
};

BpfIterators::BpfIterators(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BpfIterators::BpfIterators(BpfIterators&&) noexcept = default;
BpfIterators& BpfIterators::operator=(BpfIterators&&) noexcept = default;
BpfIterators::~BpfIterators() = default;

Result<BpfIterators> BpfIterators::attach(tcpdwell_bpf& skeleton) {
  auto impl = std::make_unique<Impl>();
  impl->skeleton = &skeleton;
  auto& progs = skeleton.progs;
  for (auto [program, link] : {std::pair{progs.snapshot, &impl->sockets},
                               {progs.accept_queues, &impl->queues},
                               {progs.mptcp_sockets, &impl->subflows},
                               {progs.holders, &impl->holders},
                               {progs.dead_descriptors, &impl->dead},
                               {progs.netns_of_tasks, &impl->tasks},
                               {progs.netns_of_files, &impl->files},
                               {progs.netns_in_list, &impl->list}}) {
    link->reset(bpf_program__attach_iter(program, nullptr));
    if (!*link)
      return system_error(std::string("attaching ") + bpf_program__section_name(program), 0,
                          LibbpfLog::hint());
  }
  return BpfIterators(std::move(impl));
}

bool BpfIterators::may_ask() const {
  const UniqueFd walk(bpf_iter_create(bpf_link__fd(impl_->holders.get())));
  const int map = bpf_map__fd(impl_->skeleton->maps.query_set);
  const std::uint64_t nobody = 0;
  bpf_map_info info{};
  __u32 size = sizeof info;
  return walk && bpf_map_update_elem(map, &nobody, &impl_->pass, BPF_ANY) == 0 &&
         bpf_map_delete_elem(map, &nobody) == 0 && bpf_obj_get_info_by_fd(map, &info, &size) == 0;
}

std::optional<Error> BpfIterators::snapshot(const std::atomic<bool>& stop) const {
  constexpr std::string_view kDoing = "walking through the sockets of a network namespace";
  const UniqueFd walk(bpf_iter_create(bpf_link__fd(impl_->sockets.get())));
  if (!walk) return system_error(kDoing);
  std::array<std::byte, 64> nothing;
  while (!stop) {
    const ssize_t got = ::read(walk.get(), nothing.data(), nothing.size());
    if (got >= 0) return std::nullopt;
    if (errno != EAGAIN && errno != EINTR) return system_error(kDoing);
    std::this_thread::sleep_for(500us);  // the reader of the ring is behind
  }
  return std::nullopt;
}

std::uint32_t BpfIterators::subflows_met() const { return impl_->skeleton->bss->subflows_met; }

Result<std::vector<MptcpSubflow>> BpfIterators::mptcp_subflows() const {
  auto bytes =
      read_all(impl_->subflows, "walking through the MPTCP sockets of a network namespace");
  if (!bytes) return bytes.error();
  std::vector<MptcpSubflow> subflows;
  const std::span<const std::byte> all(*bytes);
  for (std::size_t at = 0; at + sizeof(tcpdwell_mptcp_subflow) <= all.size();
       at += sizeof(tcpdwell_mptcp_subflow))
    if (auto subflow = decode_subflow(all.subspan(at))) subflows.push_back(*subflow);
  return subflows;
}

// Uses a few system calls for all.
std::optional<Error> BpfIterators::want(std::span<const std::uint64_t> cookies) {
  const std::vector<std::uint32_t> passes(cookies.size(), impl_->pass);
  auto count = static_cast<std::uint32_t>(cookies.size());
  if (bpf_map_update_batch(bpf_map__fd(impl_->skeleton->maps.query_set), cookies.data(),
                           passes.data(), &count, nullptr) != 0)
    return system_error("asking for the holders of sockets");
  return std::nullopt;
}

// A batch stops at a duplicate cookie, which is already deleted: then delete one by one.
void BpfIterators::forget(std::span<const std::uint64_t> cookies) {
  const int map = bpf_map__fd(impl_->skeleton->maps.query_set);
  auto count = static_cast<std::uint32_t>(cookies.size());
  if (bpf_map_delete_batch(map, cookies.data(), &count, nullptr) == 0) return;
  for (const std::uint64_t cookie : cookies) bpf_map_delete_elem(map, &cookie);
}

// `cookies`: of sockets; empty: all sockets.
Result<std::vector<std::byte>> BpfIterators::read_holders(std::span<const std::uint64_t> cookies,
                                                          bool with_ends) {
  impl_->skeleton->bss->query_pass = cookies.empty() ? 0 : impl_->pass;
  impl_->skeleton->bss->holders_ends = with_ends ? 1 : 0;
  return read_all(impl_->holders, "walking through the descriptors of all processes");
}

// More than the kernel side has room for: reads all holders, and keeps those of `cookies`.
Result<std::vector<Holding>> BpfIterators::holders_of_many(std::span<const std::uint64_t> cookies) {
  auto all = holders({});
  if (!all) return all.error();
  std::vector<std::uint64_t> wanted(cookies.begin(), cookies.end());
  std::sort(wanted.begin(), wanted.end());
  std::erase_if(*all, [&](const Holding& holding) {
    return !std::binary_search(wanted.begin(), wanted.end(), holding.cookie);
  });
  return all;
}

Result<std::vector<Holding>> BpfIterators::holders(std::span<const std::uint64_t> cookies) {
  if (cookies.size() > TCPDWELL_MOST_WANTED) return holders_of_many(cookies);
  if (!cookies.empty()) {
    if (++impl_->pass == 0) impl_->pass = 1;
    if (const auto error = want(cookies)) {
      forget(cookies);
      return *error;
    }
  }
  auto bytes = read_holders(cookies, false);
  if (!cookies.empty()) forget(cookies);
  if (!bytes) return bytes.error();
  std::vector<Holding> holdings;
  for_each_holding(*bytes, [&](std::span<const std::byte> record) {
    if (auto holding = decode_holding(record)) holdings.push_back(*holding);
  });
  drop_repeated(holdings);
  return holdings;
}

Result<std::vector<DeadSocket>> BpfIterators::dead_descriptors() const {
  auto bytes = read_all(impl_->dead, "walking through the descriptors of all processes");
  if (!bytes) return bytes.error();
  std::vector<DeadSocket> sockets;
  const std::span<const std::byte> all(*bytes);
  for (std::size_t at = 0; at + sizeof(tcpdwell_dead) <= all.size(); at += sizeof(tcpdwell_dead))
    if (auto socket = decode_dead(all.subspan(at))) sockets.push_back(std::move(*socket));
  join_holders(sockets);
  return sockets;
}

Result<ListenerHolders> BpfIterators::holders_of(std::span<const WalkedQueue> queues) {
  std::vector<std::uint64_t> cookies;
  for (const WalkedQueue& one : queues) cookies.push_back(one.queue.cookie);
  if (cookies.empty()) return ListenerHolders{};
  if (++impl_->pass == 0) impl_->pass = 1;
  // Listeners that share a port share its connections.
  const int map = bpf_map__fd(impl_->skeleton->maps.wanted_ends);
  std::map<std::array<std::byte, sizeof(tcpdwell_end)>, std::vector<std::size_t>> sharers;
  std::vector<std::vector<std::size_t>> by_number;
  for (std::size_t i = 0; i < queues.size(); ++i)
    for (const tcpdwell_end& end : ends_of(queues[i])) {
      std::array<std::byte, sizeof end> key;
      std::memcpy(key.data(), &end, sizeof end);
      sharers[key].push_back(i);
    }
  std::optional<Error> error = want(cookies);
  for (const auto& [key, those] : sharers) {
    const tcpdwell_wanted_end wanted{.pass = impl_->pass,
                                     .number = static_cast<std::uint32_t>(by_number.size())};
    by_number.push_back(those);
    // If there is no room for more, the parents of the processes decide.
    bpf_map_update_elem(map, key.data(), &wanted, BPF_ANY);
  }
  ListenerHolders found;
  if (!error) {
    auto bytes = read_holders(cookies, true);
    if (!bytes) error = bytes.error();
    if (bytes)
      for_each_holding(*bytes, [&](std::span<const std::byte> record) {
        if (auto holding = decode_holding(record)) found.holdings.push_back(*holding);
        const auto held = decode_held_end(record);
        if (!held || held->number >= by_number.size()) return;
        for (const std::size_t i : by_number[held->number])
          found.connections.push_back({.number = i, .pid = held->pid});
      });
  }
  forget(cookies);
  for (const auto& [key, those] : sharers) bpf_map_delete_elem(map, key.data());
  if (error) return *error;
  return found;
}

Result<QueueWalk> BpfIterators::accept_queues(std::optional<Nanos> cutoff) {
  constexpr std::string_view kDoing = "walking through the accept queues of a network namespace";
  auto& shared = *impl_->skeleton->bss;
  shared.queue_cutoff_us = static_cast<std::uint64_t>(cutoff.value_or(Nanos{0}).count() / 1000);
  shared.queue_lengths_only = cutoff ? 0 : 1;
  shared.queue_next_us = shared.queue_young = 0;
  shared.queue_listeners = shared.queues_over = 0;
  const UniqueFd walk(bpf_iter_create(bpf_link__fd(impl_->queues.get())));
  if (!walk) return system_error(kDoing);
  QueueWalk found;
  alignas(tcpdwell_listener) std::array<std::byte, 128 * sizeof(tcpdwell_listener)> block;
  std::size_t used = 0;
  while (true) {
    const ssize_t got = ::read(walk.get(), block.data() + used, block.size() - used);
    if (got < 0 && errno == EINTR) continue;
    // The program ends the walk at the first socket that is not a listener.
    if (got < 0 && errno == EAGAIN && shared.queues_over == 0) continue;
    if (got < 0 && errno != EAGAIN) return system_error(kDoing);
    if (got <= 0) break;
    used += static_cast<std::size_t>(got);
    const std::span<const std::byte> bytes(block.data(), used);
    std::size_t at = 0;
    for (; at + sizeof(tcpdwell_listener) <= used; at += sizeof(tcpdwell_listener))
      if (auto listener = decode_listener(bytes.subspan(at)))
        found.queues.push_back(std::move(*listener));
    std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(), block.begin());
    used -= at;
  }
  found.listeners = shared.queue_listeners;
  found.young = shared.queue_young;
  if (shared.queue_next_us != 0)
    found.next_queued = std::chrono::microseconds{shared.queue_next_us};
  if (const auto error = collect_queued(found)) return *error;
  return found;
}

// Reads the children from a map and empties it.
std::optional<Error> BpfIterators::collect_queued(QueueWalk& walk) const {
  std::unordered_map<std::uint64_t, ListenQueue*> by_cookie;
  std::uint64_t noted = 0;
  for (WalkedQueue& one : walk.queues) {
    by_cookie[one.queue.cookie] = &one.queue;
    noted += one.noted;
  }
  if (noted == 0) return std::nullopt;
  const int map = bpf_map__fd(impl_->skeleton->maps.queued);
  std::vector<std::uint64_t> cookies(1024);
  std::vector<tcpdwell_queued> children(cookies.size());
  std::uint32_t position = 0;
  for (bool first = true, over = false; !over; first = false) {
    auto count = static_cast<std::uint32_t>(cookies.size());
    const int rc =
        bpf_map_lookup_and_delete_batch(map, first ? nullptr : &position, &position, cookies.data(),
                                        children.data(), &count, nullptr);
    if (rc != 0 && errno == ENOSPC) {  // a bucket of the map has more entries
      cookies.resize(cookies.size() * 2);
      children.resize(cookies.size());
      continue;
    }
    over = rc != 0;
    if (rc != 0 && errno != ENOENT) return system_error("reading the accept queues");
    for (std::uint32_t i = 0; i < count; ++i) {
      auto child = decode_queued(std::as_bytes(std::span(&children[i], 1)));
      if (!child) continue;
      const auto it = by_cookie.find(child->listener);
      if (it == by_cookie.end()) continue;
      child->child.cookie = cookies[i];
      it->second->fresh.push_back(child->child);
    }
  }
  for (WalkedQueue& one : walk.queues)
    std::sort(one.queue.fresh.begin(), one.queue.fresh.end(),
              [](const QueuedChild& a, const QueuedChild& b) {
                return std::pair(a.queued_at, a.cookie) < std::pair(b.queued_at, b.cookie);
              });
  return std::nullopt;
}

Result<std::vector<NetnsRef>> BpfIterators::find_in_list(std::span<const std::uint64_t> cookies) {
  if (++impl_->pass == 0) impl_->pass = 1;
  if (const auto error = want(cookies)) {
    forget(cookies);
    return *error;
  }
  impl_->skeleton->bss->query_pass = impl_->pass;
  auto places = read_netns_refs(impl_->list, "walking through the list of network namespaces");
  forget(cookies);
  return places;
}

Result<std::vector<std::uint64_t>> BpfIterators::namespaces_gone(
    std::span<const std::uint64_t> cookies) {
  constexpr std::size_t kAtOnce = 1024;  // the records must fit a buffer of 32 KiB
  std::vector<std::uint64_t> gone;
  for (std::size_t at = 0; at < cookies.size(); at += kAtOnce) {
    const auto some = cookies.subspan(at, std::min(kAtOnce, cookies.size() - at));
    auto places = find_in_list(some);
    if (!places) return places.error();
    const auto has = [&](auto&& fits) { return std::any_of(places->begin(), places->end(), fits); };
    if (!has([](const NetnsRef& place) { return place.kind == NetnsRef::Kind::EndOfList; }))
      continue;
    for (const std::uint64_t cookie : some)
      if (!has([&](const NetnsRef& place) { return place.netns_cookie == cookie; }))
        gone.push_back(cookie);
  }
  return gone;
}

Result<std::vector<NetnsRef>> BpfIterators::netns_of_tasks() const {
  return read_netns_refs(impl_->tasks, "walking through all processes");
}

Result<std::vector<NetnsRef>> BpfIterators::netns_of_files() const {
  return read_netns_refs(impl_->files, "walking through the descriptors of all processes");
}

}  // namespace tcpdwell
