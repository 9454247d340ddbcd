// SPDX-License-Identifier: Apache-2.0
#include "kernel/walks.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "core/decode.h"
#include "kernel/iterator.h"
#include "kernel/libbpf_log.h"
#include "kernel/skeleton.h"
#include "util/unique_fd.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

std::optional<Place::Kind> to_kind(std::uint32_t raw) {
  switch (raw) {
    case TCPDWELL_PLACE_OF_TASK: return Place::Kind::Task;
    case TCPDWELL_PLACE_OF_SOCKET: return Place::Kind::Socket;
    case TCPDWELL_PLACE_OF_FILE: return Place::Kind::File;
    case TCPDWELL_PLACE_IN_LIST: return Place::Kind::InList;
    case TCPDWELL_PLACE_END_OF_LIST: return Place::Kind::EndOfList;
    default: return std::nullopt;
  }
}

Result<std::vector<Place>> read_places(const LinkPtr& link, std::string_view doing) {
  auto bytes = read_all(link, doing);
  if (!bytes) return bytes.error();
  std::vector<Place> places;
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

}  // namespace

struct Walks::Impl {
  tcpdwell_bpf* skeleton;
  LinkPtr sockets, subflows, holders, tasks, files, list;
  std::uint32_t pass = 0;  // of holders(); entries of earlier ones are not wanted
};

Walks::Walks(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Walks::Walks(Walks&&) noexcept = default;
Walks& Walks::operator=(Walks&&) noexcept = default;
Walks::~Walks() = default;

Result<Walks> Walks::attach(tcpdwell_bpf& skeleton) {
  auto impl = std::make_unique<Impl>();
  impl->skeleton = &skeleton;
  auto& progs = skeleton.progs;
  for (auto [program, link] : {std::pair{progs.snapshot, &impl->sockets},
                               {progs.mptcp_sockets, &impl->subflows},
                               {progs.holders, &impl->holders},
                               {progs.places_of_tasks, &impl->tasks},
                               {progs.places_of_files, &impl->files},
                               {progs.places_in_list, &impl->list}}) {
    link->reset(bpf_program__attach_iter(program, nullptr));
    if (!*link)
      return system_error(std::string("attaching ") + bpf_program__section_name(program), 0,
                          LibbpfLog::hint());
  }
  return Walks(std::move(impl));
}

bool Walks::may_ask() const {
  const UniqueFd walk(bpf_iter_create(bpf_link__fd(impl_->holders.get())));
  const int map = bpf_map__fd(impl_->skeleton->maps.wanted);
  const std::uint64_t nobody = 0;
  bpf_map_info info{};
  __u32 size = sizeof info;
  return walk && bpf_map_update_elem(map, &nobody, &impl_->pass, BPF_ANY) == 0 &&
         bpf_map_delete_elem(map, &nobody) == 0 && bpf_obj_get_info_by_fd(map, &info, &size) == 0;
}

std::optional<Error> Walks::snapshot(const std::atomic<bool>& stop) const {
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

std::uint32_t Walks::subflows_met() const { return impl_->skeleton->bss->subflows_met; }

Result<std::vector<MptcpSubflow>> Walks::mptcp_subflows() const {
  auto bytes = read_all(impl_->subflows, "walking through the MPTCP sockets of a network namespace");
  if (!bytes) return bytes.error();
  std::vector<MptcpSubflow> subflows;
  const std::span<const std::byte> all(*bytes);
  for (std::size_t at = 0; at + sizeof(tcpdwell_mptcp_subflow) <= all.size();
       at += sizeof(tcpdwell_mptcp_subflow))
    if (auto subflow = decode_subflow(all.subspan(at))) subflows.push_back(*subflow);
  return subflows;
}

// All in a few system calls.
std::optional<Error> Walks::want(std::span<const std::uint64_t> cookies) {
  const std::vector<std::uint32_t> passes(cookies.size(), impl_->pass);
  auto count = static_cast<std::uint32_t>(cookies.size());
  if (bpf_map_update_batch(bpf_map__fd(impl_->skeleton->maps.wanted), cookies.data(), passes.data(),
                           &count, nullptr) != 0)
    return system_error("asking for the holders of sockets");
  return std::nullopt;
}

// A cookie that is there twice is deleted once: so one by one where the batch stops.
void Walks::forget(std::span<const std::uint64_t> cookies) {
  const int map = bpf_map__fd(impl_->skeleton->maps.wanted);
  auto count = static_cast<std::uint32_t>(cookies.size());
  if (bpf_map_delete_batch(map, cookies.data(), &count, nullptr) == 0) return;
  for (const std::uint64_t cookie : cookies) bpf_map_delete_elem(map, &cookie);
}

Result<std::vector<Holding>> Walks::holders(std::span<const std::uint64_t> cookies) {
  if (!cookies.empty()) {
    if (++impl_->pass == 0) impl_->pass = 1;
    if (const auto error = want(cookies)) {
      forget(cookies);
      return *error;
    }
  }
  impl_->skeleton->bss->holders_pass = cookies.empty() ? 0 : impl_->pass;
  auto bytes = read_all(impl_->holders, "walking through the descriptors of all processes");
  if (!cookies.empty()) forget(cookies);
  if (!bytes) return bytes.error();
  std::vector<Holding> holdings;
  const std::span<const std::byte> all(*bytes);
  for (std::size_t at = 0; at + sizeof(tcpdwell_holding) <= all.size();
       at += sizeof(tcpdwell_holding))
    if (auto holding = decode_holding(all.subspan(at))) holdings.push_back(*holding);
  return holdings;
}

Result<std::vector<Place>> Walks::find_in_list(std::span<const std::uint64_t> cookies) {
  if (++impl_->pass == 0) impl_->pass = 1;
  if (const auto error = want(cookies)) {
    forget(cookies);
    return *error;
  }
  impl_->skeleton->bss->holders_pass = impl_->pass;
  auto places = read_places(impl_->list, "walking through the list of network namespaces");
  forget(cookies);
  return places;
}

Result<std::vector<std::uint64_t>> Walks::namespaces_gone(std::span<const std::uint64_t> cookies) {
  constexpr std::size_t kAtOnce = 1024;  // what is there must fit a buffer of 32 KiB
  std::vector<std::uint64_t> gone;
  for (std::size_t at = 0; at < cookies.size(); at += kAtOnce) {
    const auto some = cookies.subspan(at, std::min(kAtOnce, cookies.size() - at));
    auto places = find_in_list(some);
    if (!places) return places.error();
    const auto has = [&](auto&& fits) { return std::any_of(places->begin(), places->end(), fits); };
    if (!has([](const Place& place) { return place.kind == Place::Kind::EndOfList; })) continue;
    for (const std::uint64_t cookie : some)
      if (!has([&](const Place& place) { return place.netns_cookie == cookie; }))
        gone.push_back(cookie);
  }
  return gone;
}

Result<std::vector<Place>> Walks::places_of_tasks() const {
  return read_places(impl_->tasks, "walking through all processes");
}

Result<std::vector<Place>> Walks::places_of_files() const {
  return read_places(impl_->files, "walking through the descriptors of all processes");
}

}  // namespace tcpdwell
