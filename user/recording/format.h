// SPDX-License-Identifier: Apache-2.0
// A recording, byte by byte. docs/recording.md tells the same to who writes a reader of his own.
//
//   file    FileHeader, frames
//   frame   FrameHeader, `stored_size` bytes: `size` bytes of entries, as they are or compressed
//   entry   EntryHeader, `size` bytes
//
// In the byte order of the machine that made it (FileHeader::order says which). A frame holds what
// came within 100 ms, or 64 KiB; one of clock ticks alone, a second. What a frame depends on of
// those before it is known by counting: events and transitions are numbered through.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tcpdwell::recording {

inline constexpr std::array<char, 8> kMagic = {'t', 'c', 'p', 'd', 'w', 'e', 'l', 'l'};
inline constexpr std::uint16_t kVersion = 1;
inline constexpr std::uint16_t kOrder = 0x0102;
inline constexpr std::size_t kMostFrame = 64U << 10U;     // of entries
inline constexpr std::size_t kMostStored = 80U << 10U;    // of one that does not compress
inline constexpr std::uint32_t kFrameMagic = 0x52464454;  // "TDFR"

struct FileHeader {
  std::array<char, 8> magic = kMagic;
  std::uint16_t order = kOrder;
  std::uint16_t version = kVersion;
  std::uint16_t wire_version = 0;  // TCPDWELL_WIRE_VERSION of the kernel's records
  std::uint16_t pad = 0;
  std::uint64_t run = 0;       // random: parts of one run have the same
  std::uint32_t part = 0;      // 0: it begins with the run; else a rotated one
  std::uint32_t checksum = 0;  // of all before it
};
static_assert(sizeof(FileHeader) == 32);

enum class Codec : std::uint8_t { None, Zstd };

struct FrameHeader {
  std::uint32_t magic = kFrameMagic;
  std::uint32_t checksum = 0;       // of all after it
  std::uint64_t data_checksum = 0;  // of what is stored
  std::uint32_t stored_size = 0;
  std::uint32_t size = 0;
  std::uint64_t events_before = 0;       // in the frames before this one, of all parts
  std::uint64_t transitions_before = 0;  // those of them on inet_sock_set_state
  std::uint32_t events = 0;
  std::uint32_t transitions = 0;
  std::uint32_t number = 0;  // of the run's frames, from 0
  Codec codec = Codec::None;
  std::array<std::uint8_t, 3> pad{};
};
static_assert(sizeof(FrameHeader) == 56);

// What an entry is. Values are for good; an unknown one is passed over.
enum class Entry : std::uint8_t {
  Kernel = 1,  // a ring record: include/tcpdwell/wire.h
  Setting,     // what was asked for, and of which kernel; the first of every part
  Began,
  Ticked,
  SnapshotBegan,
  SnapshotOver,
  Loss,
  Clock,
  Cgroup,
  Holding,  // of the next Holders or Inquiry
  Holders,
  Inquiry,
  Stopped,
  Finished,
  Namespace,
  Full,             // the last: --max-size was reached
  DeadHolder = 24,  // of the next Dead: one descriptor
  Dead,
  Processes = 32,     // that the next Inquiries name
  Surroundings,       // of the next Inquiry: the other end, and what else was asked beside it
  MptcpSubflow = 40,  // of the next Mptcp
  Mptcp,
  QueueWalkBegan = 48,
  QueueNamespace,  // that was walked through; of the next AcceptQueues
  QueueHolder,     // of the listener of the next AcceptQueue
  Queued,          // in full; of the next AcceptQueue
  StillQueued,     // cookies; of the next AcceptQueue
  AcceptQueue,     // of the next AcceptQueues
  AcceptQueues,    // what a walk through accept queues found
  Suspended = 56,  // the host was
};

enum EntryFlags : std::uint8_t {
  kRepeated = 1,  // of an earlier part: for who begins with this one
};

struct EntryHeader {
  std::uint16_t size = 0;
  Entry entry{};
  std::uint8_t flags = 0;
};
static_assert(sizeof(EntryHeader) == 4);
inline constexpr std::size_t kMostEntry = 60U << 10U;

// XXH3. Not against forgery: what a recording says is as good as who gave it to us.
std::uint64_t checksum(std::span<const std::byte> bytes);
// Of the bytes that its `checksum` is about.
std::uint32_t checksum_of(const FileHeader& header);
std::uint32_t checksum_of(const FrameHeader& header);
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
inline constexpr bool kVerify = false;
#else
inline constexpr bool kVerify = true;
#endif

}  // namespace tcpdwell::recording
