// SPDX-License-Identifier: Apache-2.0
// BPF iterators: the current state of the host. All walks are slow (up to a second on a large
// host): do not run them on the thread that drains the ring.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "model/event.h"
#include "pipeline/decode.h"
#include "util/result.h"

struct tcpdwell_bpf;

namespace tcpdwell {

// A network namespace, and a reference to it.
struct NetnsRef {
  enum class Kind : std::uint8_t {
    Task,
    Socket,
    File,
    Mount,
    InList,     // in the kernel's list: cannot be entered this way
    EndOfList,  // no namespace: the walk through the list is complete
  };
  std::uint64_t netns_cookie = 0;
  std::uint32_t netns = 0;  // inode number
  Kind kind = Kind::Task;
  std::uint32_t tid = 0;  // Task: in the namespace; Socket, File: has the descriptor
  int fd = -1;
};

// The accept queues of a network namespace.
struct QueueWalk {
  std::vector<WalkedQueue> queues;   // connections queued up to the cutoff, the oldest first
  std::uint32_t listeners = 0;       // all listeners
  std::uint64_t young = 0;           // connections queued after the cutoff
  std::optional<Nanos> next_queued;  // the earliest of those
};

// The processes that hold listeners, and those that hold connections of their ports.
struct ListenerHolders {
  std::vector<Holding> holdings;
  std::vector<HeldEnd> connections;  // by the index of the queue; a pid may be there twice
};

class BpfIterators {
 public:
  // `skeleton` is loaded and outlives it.
  static Result<BpfIterators> attach(tcpdwell_bpf& skeleton);
  BpfIterators(BpfIterators&&) noexcept;
  BpfIterators& operator=(BpfIterators&&) noexcept;
  ~BpfIterators();

  // Whether the calling thread can use the attached iterators with its current capabilities. Before
  // 5.19, and if kernel.unprivileged_bpf_disabled is set, every bpf() needs CAP_BPF.
  bool may_ask() const;
  // Writes all sockets of the calling thread's network namespace to the ring. Drain the ring
  // meanwhile: at half full this waits, until `stop`.
  std::optional<Error> snapshot(const std::atomic<bool>& stop) const;
  // Number of MPTCP subflows that snapshot() has visited so far.
  std::uint32_t subflows_met() const;
  // MPTCP subflows of the calling thread's network namespace.
  Result<std::vector<MptcpSubflow>> mptcp_subflows() const;
  // Connections queued up to `cutoff` in the calling thread's network namespace. A listener is
  // locked while its queue is read. nullopt: none, only the listeners whose queue is full.
  Result<QueueWalk> accept_queues(std::optional<Nanos> cutoff);
  Result<ListenerHolders> holders_of(std::span<const WalkedQueue> queues);
  // Holders of the sockets with these cookies; of all sockets if there are none.
  Result<std::vector<Holding>> holders(std::span<const std::uint64_t> cookies);
  // Descriptors whose connection is over or failed, of all processes; by cookie.
  Result<std::vector<DeadSocket>> dead_descriptors() const;
  // Network namespaces of threads and of descriptors; can contain duplicates.
  Result<std::vector<NetnsRef>> netns_of_tasks() const;
  Result<std::vector<NetnsRef>> netns_of_files() const;
  // Network namespaces (by cookie) without references: all their sockets but minisocks are gone,
  // and those are about to go.
  Result<std::vector<std::uint64_t>> namespaces_gone(std::span<const std::uint64_t> cookies);

 private:
  struct Impl;
  explicit BpfIterators(std::unique_ptr<Impl> impl);
  Result<std::vector<NetnsRef>> find_in_list(std::span<const std::uint64_t> cookies);
  Result<std::vector<Holding>> holders_of_many(std::span<const std::uint64_t> cookies);
  std::optional<Error> want(std::span<const std::uint64_t> cookies);
  void forget(std::span<const std::uint64_t> cookies);
  Result<std::vector<std::byte>> read_holders(std::span<const std::uint64_t> cookies,
                                              bool with_ends);
  std::optional<Error> collect_queued(QueueWalk& walk) const;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tcpdwell
