// SPDX-License-Identifier: Apache-2.0
// Input: an ELF file. All its tables are read, and callers and names are looked up at addresses in
// it, with a stack that consists of such addresses.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "where/demangle.h"
#include "where/module.h"

namespace {

using namespace tcpdwell;

constexpr std::uint64_t kStack = 0x7ffd00000000;

void look_up(Module& module, std::uint64_t address) {
  Registers registers;
  for (unsigned i = 0; i < kRegisters; ++i) registers.set(i, kStack + 8 * i);
  registers.pc = address;
  StackPiece stack{.begin = kStack, .bytes = std::vector<std::byte>(512)};
  for (std::size_t at = 0; at + 8 <= stack.bytes.size(); at += 16)
    std::memcpy(&stack.bytes[at], &address, 8);
  bool interrupted = false;
  for (int i = 0; i < 8; ++i)
    if (module.step(registers.pc, stack, registers, interrupted) != Step::Done) break;
  module.names(address);
}

}  // namespace

// libelf 0.188 leaks the buffer of a compressed section that is damaged. The resolver is a process
// of its own with a limit.
extern "C" const char* __lsan_default_suppressions();                           // NOLINT
extern "C" const char* __lsan_default_suppressions() { return "leak:libelf"; }  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  demangle({reinterpret_cast<const char*>(data), std::min<std::size_t>(size, 512)});
  demangle_rust({reinterpret_cast<const char*>(data), std::min<std::size_t>(size, 512)});
  UniqueFd file(::memfd_create("fuzz", MFD_CLOEXEC));
  if (!file || ::write(file.get(), data, size) != static_cast<ssize_t>(size)) return 0;
  auto elf = ElfFile::open(std::move(file));
  if (elf == nullptr) return 0;
  elf->debug_link();
  const auto begin = elf->address_of(0x1000);
  Module module(std::move(elf), {});
  for (std::uint64_t address = 0x1000; address < 0x1200; address += 0x11) look_up(module, address);
  if (begin)
    for (std::uint64_t i = 0; i < 0x100; i += 7) look_up(module, *begin + i);
  return 0;
}
