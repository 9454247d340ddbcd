// SPDX-License-Identifier: Apache-2.0
// BPF iterators: what is there now, as opposed to what happens. All of it is slow (up to a second
// on a large host), so none of it belongs on the thread that drains the ring.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "pipeline/decode.h"
#include "model/event.h"
#include "util/result.h"

struct tcpdwell_bpf;

namespace tcpdwell {

// A network namespace, and something that leads to it.
struct NetnsRef {
  enum class Kind : std::uint8_t {
    Task,
    Socket,
    File,
    Mount,
    InList,     // of the kernel: leads nowhere
    EndOfList,  // no namespace: the walk through the list was whole
  };
  std::uint64_t netns_cookie = 0;
  std::uint32_t netns = 0;  // inode number
  Kind kind = Kind::Task;
  std::uint32_t tid = 0;  // Task: it is in there; Socket, File: its descriptor leads there
  int fd = -1;
};

// What waits in the accept queues of a network namespace.
struct QueueWalk {
  std::vector<WalkedQueue> queues;   // with what was queued up to the cutoff, the oldest first
  std::uint32_t listeners = 0;       // all of them
  std::uint64_t young = 0;           // what was queued after the cutoff
  std::optional<Nanos> next_queued;  // the first of that
};

// Who holds listeners, and who holds connections of their ports.
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

  // Whether the kernel lets the calling thread do with what is attached all that is done from now
  // on: before 5.19, and where kernel.unprivileged_bpf_disabled is set, every bpf() needs CAP_BPF.
  bool may_ask() const;
  // All sockets of the network namespace that the calling thread is in, into the ring. Somebody
  // must drain it meanwhile: at half full this waits, until `stop`.
  std::optional<Error> snapshot(const std::atomic<bool>& stop) const;
  // How many MPTCP subflows all walks by snapshot() have met so far.
  std::uint32_t subflows_met() const;
  // MPTCP subflows of the network namespace that the calling thread is in.
  Result<std::vector<MptcpSubflow>> mptcp_subflows() const;
  // What was queued up to `cutoff` in the network namespace that the calling thread is in. A
  // listener is locked while its queue is looked at.
  Result<QueueWalk> accept_queues(Nanos cutoff);
  Result<ListenerHolders> holders_of(std::span<const WalkedQueue> queues);
  // Who holds the sockets with these cookies; none given: who holds any socket.
  Result<std::vector<Holding>> holders(std::span<const std::uint64_t> cookies);
  // Descriptors of all processes whose connection is over, or never came to be; by cookie.
  Result<std::vector<DeadSocket>> dead_descriptors() const;
  // Network namespaces of threads, of descriptors; the same one can be there many times.
  Result<std::vector<NetnsRef>> netns_of_tasks() const;
  Result<std::vector<NetnsRef>> netns_of_files() const;
  // Which network namespaces (by cookie) nothing refers to any more: all their sockets but
  // minisocks are gone, and these are about to go.
  Result<std::vector<std::uint64_t>> namespaces_gone(std::span<const std::uint64_t> cookies);

 private:
  struct Impl;
  explicit BpfIterators(std::unique_ptr<Impl> impl);
  Result<std::vector<NetnsRef>> find_in_list(std::span<const std::uint64_t> cookies);
  std::optional<Error> want(std::span<const std::uint64_t> cookies);
  void forget(std::span<const std::uint64_t> cookies);
  Result<std::vector<std::byte>> read_holders(std::span<const std::uint64_t> cookies,
                                              bool with_ends);
  std::optional<Error> collect_queued(QueueWalk& walk) const;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tcpdwell
