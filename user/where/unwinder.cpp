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

}  // namespace

Calls unwind(const ProcessView& process, const Registers& registers, const StackPiece& stack) {
  Calls calls;
  Registers frame = registers;
  bool interrupted = true;  // the innermost pc is no return address
  while (calls.addresses.size() < kMostFrames) {
    const std::uint64_t address = interrupted ? frame.pc : frame.pc - 1;
    const ProcessView::Place place = process.find(address);
    // Damaged: no call leads there.
    if (place.mapping == nullptr || !place.mapping->executable) break;
    calls.addresses.push_back(address);
    if (place.module == nullptr) break;
    switch (place.module->step(place.address, stack, frame, interrupted)) {
      case Step::Done: continue;
      case Step::Outermost: return calls;
      case Step::NoTable:
      case Step::Unreadable: break;
    }
    break;
  }
  calls.truncated = true;
  return calls;
}

Stack name_call(const ProcessView& process, std::uint64_t address) {
  const ProcessView::Place place = process.find(address);
  Frame frame{.function = {}, .file = {}, .module = {}};
  Stack frames;
  if (place.mapping != nullptr) {
    frame.module = module_name(*place.mapping);
    frame.offset = address - place.mapping->start + place.mapping->offset;
    if (!place.mapping->is_file()) frame.kind = FrameKind::Jit;
  }
  if (place.module == nullptr) {
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
