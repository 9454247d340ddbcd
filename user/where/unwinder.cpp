// SPDX-License-Identifier: Apache-2.0
#include "where/unwinder.h"

namespace tcpdwell {
namespace {

constexpr std::string_view kDeleted = " (deleted)";  // the kernel adds it to the path

std::string module_name(const Mapping& mapping) {
  std::string path = mapping.path;
  if (path.size() > kLongestFrameText) path.resize(kLongestFrameText);
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  return path;
}

// The frame begins with the caller's frame pointer and the return address. What else the caller had
// in registers is not known.
bool step_by_frame_pointer(const StackPiece& stack, Registers& registers) {
  const auto frame = registers.get(kFramePointer);
  if (!frame || *frame < registers.stack_pointer()) return false;
  const auto callers = stack.word(*frame), return_address = stack.word(*frame + 8);
  if (!callers || !return_address) return false;
  Registers caller;
  caller.set(kFramePointer, *callers);
  caller.set(kStackPointer, *frame + 16);
  caller.set(kReturnAddress, *return_address);
  caller.pc = *return_address;
  registers = caller;
  return true;
}

}  // namespace

Calls unwind(const ProcessView& process, const Registers& registers, const StackPiece& stack,
             const JitCode* jit) {
  Calls calls;
  Registers frame = registers;
  bool interrupted = true;  // the innermost pc is no return address
  while (calls.addresses.size() < kMostFrames) {
    const std::uint64_t address = interrupted ? frame.pc : frame.pc - 1;
    const ProcessView::Place place = process.find(address);
    // Damaged: no call leads there.
    if (place.mapping == nullptr || !place.mapping->executable) break;
    calls.addresses.push_back(address);
    const Step step = place.module == nullptr
                          ? Step::NoTable
                          : place.module->step(place.address, stack, frame, interrupted);
    if (step == Step::Done) continue;
    if (step == Step::Outermost) return calls;
    const bool by_pointer = step == Step::NoTable && jit != nullptr && calls.addresses.size() > 1 &&
                            jit->keeps_frame_pointers(place);
    if (!by_pointer || !step_by_frame_pointer(stack, frame)) break;
    interrupted = false;
  }
  calls.truncated = true;
  return calls;
}

Stack name_call(const ProcessView& process, std::uint64_t address, const JitCode* jit) {
  const ProcessView::Place place = process.find(address);
  Frame frame{.function = {}, .file = {}, .module = {}};
  Stack frames;
  if (place.mapping != nullptr) {
    frame.module = module_name(*place.mapping);
    frame.offset = address - place.mapping->start + place.mapping->offset;
    if (!place.mapping->is_file()) frame.kind = FrameKind::Jit;
  }
  if (place.module == nullptr) {
    const auto made = jit != nullptr ? jit->find(address) : std::nullopt;
    if (made && frame.kind == FrameKind::Jit) {
      frame.function = made->function;
      frame.file = made->file;
      frame.line = made->line;
    }
    frames.push_back(std::move(frame));
    return frames;
  }
  frame.kind = FrameKind::Native;
  frame.offset = place.address;
  for (const SourcePlace& source : place.module->names(place.address)) {
    frame.function = source.function;
    frame.file = source.file;
    frame.line = source.line;
    frames.push_back(frame);
  }
  return frames;
}

}  // namespace tcpdwell
