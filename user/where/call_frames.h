// SPDX-License-Identifier: Apache-2.0
// Steps from a frame to its caller by the call frame information (.eh_frame, else .debug_frame) of
// one module.
#pragma once

#include <elfutils/libdw.h>

#include <cstdint>

#include "where/elf_file.h"
#include "where/registers.h"

namespace tcpdwell {

enum class Step : std::uint8_t {
  Done,        // the registers are those of the caller
  Outermost,   // there is no caller
  NoTable,     // no information about this address
  Unreadable,  // the caller is outside the stack piece, or the information is damaged
};

class CallFrames {
 public:
  explicit CallFrames(const ElfFile& file);
  ~CallFrames();
  CallFrames(const CallFrames&) = delete;
  CallFrames& operator=(const CallFrames&) = delete;

  // `address` is the one to look up, without the bias: for a return address that of the call, which
  // is before it. Sets `interrupted` if the caller is at the instruction that a signal interrupted,
  // and not behind a call.
  Step step(std::uint64_t address, const StackPiece& stack, Registers& registers,
            bool& interrupted);

 private:
  Dwarf_CFI* table_ = nullptr;
};

}  // namespace tcpdwell
