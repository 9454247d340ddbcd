// SPDX-License-Identifier: Apache-2.0
#include "kernel/thread_walk.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cstring>

#include "kernel/iterator.h"
#include "kernel/libbpf_log.h"
#include "kernel/own_pidns.h"
#include "pipeline/decode_fields.h"
#include "skel/where.skel.h"
#include "tcpdwell/where_wire.h"

namespace tcpdwell {
namespace {

constexpr std::string_view kDoingWalk = "walking through the threads of the holders";

WalkedThread to_thread(const tcpdwell_blocked& raw) {
  WalkedThread thread{.pid = raw.pid,
                      .snapshot = {.tid = raw.tid,
                                   .switches = raw.switches,
                                   .thread_pointer = raw.thread_pointer,
                                   .registers = {}},
                      .comm = std::string(raw.comm, ::strnlen(raw.comm, sizeof raw.comm)),
                      .call = raw.call,
                      .argument = raw.args[0],
                      .socket = std::nullopt,
                      .waits = raw.waits != 0,
                      .is_native = raw.is_native != 0};
  for (unsigned i = 0; i < kRegisters; ++i)
    thread.snapshot.registers.set(i, raw.registers.value[i]);
  thread.snapshot.registers.pc = raw.registers.pc;
  if (raw.flow.family != 0) thread.socket = decoding::flow_of(raw.flow);
  return thread;
}

}  // namespace

struct ThreadWalk::Impl {
  struct Destroy {
    void operator()(where_bpf* object) const noexcept { where_bpf::destroy(object); }
  };
  std::unique_ptr<where_bpf, Destroy> object;
  LinkPtr link;
};

ThreadWalk::ThreadWalk(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ThreadWalk::ThreadWalk(ThreadWalk&&) noexcept = default;
ThreadWalk& ThreadWalk::operator=(ThreadWalk&&) noexcept = default;
ThreadWalk::~ThreadWalk() = default;

Result<ThreadWalk> ThreadWalk::load() {
  auto impl = std::make_unique<Impl>();
  impl->object.reset(where_bpf::open());
  if (!impl->object) return system_error("opening the BPF programs of --where");
  // Of the headers that it shares with the other object.
  bpf_map__set_autocreate(impl->object->maps.events, false);
  bpf_map__set_autocreate(impl->object->maps.spilled, false);
  impl->object->rodata->tracer_pidns = own_pidns();
  if (const int rc = where_bpf::load(impl->object.get()))
    return system_error("loading the BPF programs of --where", rc, LibbpfLog::hint());
  impl->link.reset(bpf_program__attach_iter(impl->object->progs.blocked_threads, nullptr));
  if (!impl->link)
    return system_error("attaching the BPF programs of --where", 0, LibbpfLog::hint());
  return ThreadWalk(std::move(impl));
}

Result<std::vector<WalkedThread>> ThreadWalk::threads_of(
    std::span<const std::uint32_t> pids) const {
  pids = pids.first(std::min(pids.size(), kMostProcesses));
  const int wanted = bpf_map__fd(impl_->object->maps.wanted_processes);
  const std::uint8_t yes = 1;
  for (const std::uint32_t pid : pids) bpf_map_update_elem(wanted, &pid, &yes, BPF_ANY);
  auto bytes = read_all(impl_->link, kDoingWalk);
  for (const std::uint32_t pid : pids) bpf_map_delete_elem(wanted, &pid);
  if (!bytes) return bytes.error();
  std::vector<WalkedThread> threads;
  tcpdwell_blocked raw;
  for (std::size_t at = 0; at + sizeof raw <= bytes->size(); at += sizeof raw) {
    std::memcpy(&raw, bytes->data() + at, sizeof raw);
    threads.push_back(to_thread(raw));
  }
  return threads;
}

}  // namespace tcpdwell
