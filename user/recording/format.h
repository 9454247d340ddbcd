// SPDX-License-Identifier: Apache-2.0
// The file format of recordings. docs/recording.md documents it for authors of other readers.
//
//   file    FileHeader, frames
//   frame   FrameHeader, `stored_size` bytes: `size` bytes of entries, plain or compressed
//   entry   EntryHeader, `size` bytes
//
// Numbers have the byte order of the recording machine (FileHeader::order). A frame holds up to
// 100 ms or 64 KiB of entries, or 1 s if it has only clock ticks. Events and transitions are
// counted through all frames, so a reader knows how many a missing frame had.
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
inline constexpr std::size_t kMostStored = 80U << 10U;    // ZSTD_compress() of it fits
inline constexpr std::uint32_t kFrameMagic = 0x52464454;  // "TDFR"

struct FileHeader {
  std::array<char, 8> magic = kMagic;
  std::uint16_t order = kOrder;
  std::uint16_t version = kVersion;
  std::uint16_t wire_version = 0;  // TCPDWELL_WIRE_VERSION of the kernel's records
  std::uint16_t pad = 0;
  std::uint64_t run = 0;       // random; equal for all parts of a run
  std::uint32_t part = 0;      // 0: the first part; else a later one, after rotation
  std::uint32_t checksum = 0;  // of all fields before it
};
static_assert(sizeof(FileHeader) == 32);

enum class Codec : std::uint8_t { None, Zstd };

struct FrameHeader {
  std::uint32_t magic = kFrameMagic;
  std::uint32_t checksum = 0;       // of all fields after it
  std::uint64_t data_checksum = 0;  // of the stored bytes
  std::uint32_t stored_size = 0;
  std::uint32_t size = 0;
  std::uint64_t events_before = 0;       // in all earlier frames of all parts
  std::uint64_t transitions_before = 0;  // of these: transitions of inet_sock_set_state
  std::uint32_t events = 0;
  std::uint32_t transitions = 0;
  std::uint32_t number = 0;  // counts the frames of the run from 0
  Codec codec = Codec::None;
  std::array<std::uint8_t, 3> pad{};
};
static_assert(sizeof(FrameHeader) == 56);

// The kinds of entries. Never change a value. Readers skip unknown kinds.
enum class Entry : std::uint8_t {
  Kernel = 1,  // a ring record: include/tcpdwell/wire.h
  Setting,     // options and kernel; the first entry of every part
  Began,
  Ticked,
  SnapshotBegan,
  SnapshotOver,
  Loss,
  Clock,
  Cgroup,
  Holding,  // part of the next Holders or Inquiry
  Holders,
  Inquiry,
  Stopped,
  Finished,
  Namespace,
  Full,             // the last entry: --max-size was reached
  DeadHolder = 24,  // part of the next Dead: one descriptor
  Dead,
  Processes = 32,     // ProcessesEvent
  Surroundings,       // part of the next Inquiry: the other end, send_wait and the like
  MptcpSubflow = 40,  // part of the next Mptcp
  Mptcp,
  QueueWalkBegan = 48,
  QueueNamespace,      // part of the next AcceptQueues: a namespace that was walked
  QueueHolder,         // part of the next AcceptQueue: a holder of the listener
  Queued,              // part of the next AcceptQueue: a connection found for the first time
  StillQueued,         // part of the next AcceptQueue: cookies of connections found before
  AcceptQueue,         // part of the next AcceptQueues
  AcceptQueues,        // AcceptQueuesEvent
  Suspended = 56,      // SuspendEvent
  BlockedThread = 64,  // part of the next Processes: where a thread of a holder was
  Stack,               // a stack with a number
  SocketStack,         // StackEvent, with the number of its stack
};

enum EntryFlags : std::uint8_t {
  kRepeated = 1,  // repeats an earlier part: skip it unless the replay begins with this part
};

struct EntryHeader {
  std::uint16_t size = 0;
  Entry entry{};
  std::uint8_t flags = 0;
};
static_assert(sizeof(EntryHeader) == 4);
inline constexpr std::size_t kMostEntry = 60U << 10U;

// XXH3. Detects damage, not forgery: a recording is as trustworthy as its source.
std::uint64_t checksum(std::span<const std::byte> bytes);
// Of the bytes that the field `checksum` covers.
std::uint32_t checksum_of(const FileHeader& header);
std::uint32_t checksum_of(const FrameHeader& header);
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
inline constexpr bool kVerify = false;
#else
inline constexpr bool kVerify = true;
#endif

}  // namespace tcpdwell::recording
