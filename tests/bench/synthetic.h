// SPDX-License-Identifier: Apache-2.0
// Ring records as the kernel side writes them, of conversations over loopback: both ends, with the
// request sock, the accept() and the minisock. Every fourth is IPv6. A conversation is a number;
// everything about it follows from that.
#pragma once

#include <tcpdwell/wire.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace tcpdwell::bench {

inline constexpr std::uint64_t kBeganNs = 1'000'000'000'000;
inline constexpr std::uint64_t kCgroups = 16;  // ids 1 to 16

class Stream {
 public:
  // Both ends become ESTABLISHED, and the server's is accepted.
  void open(std::uint32_t conversation);
  // The client's end closes first and stays in TIME_WAIT, the server's is over.
  void close(std::uint32_t conversation);
  // The TIME_WAIT ends.
  void expire(std::uint32_t conversation);

  template <typename Fn>
  void for_each(Fn&& fn) const {
    std::size_t at = 0;
    for (const std::uint16_t size : sizes_) {
      fn(std::span(bytes_).subspan(at, size));
      at += size;
    }
  }
  std::size_t records() const { return sizes_.size(); }
  std::uint64_t now_ns() const { return now_ns_; }
  void clear() {
    bytes_.clear();
    sizes_.clear();
  }

 private:
  struct End;
  void transition(const End& end, int from, int to, unsigned flags = 0);
  void request(const End& server, tcpdwell_timer_op op);
  void timewait(const End& client, tcpdwell_timer_op op, std::int32_t left_jiffies);
  void accept(const End& server);
  tcpdwell_head head(tcpdwell_kind kind, unsigned op);
  template <typename T>
  void append(const T& record) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + sizeof record);
    std::memcpy(&bytes_[at], &record, sizeof record);
    sizes_.push_back(sizeof record);
  }

  std::uint64_t now_ns_ = kBeganNs;
  std::vector<std::byte> bytes_;
  std::vector<std::uint16_t> sizes_;
};

}  // namespace tcpdwell::bench
