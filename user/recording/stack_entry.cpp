// SPDX-License-Identifier: Apache-2.0
#include "recording/stack_entry.h"

#include <utility>

#include "recording/format.h"

namespace tcpdwell::recording {
namespace {

using CodeFrame = tcpdwell::Frame;  // recording::Frame is a part of a file

constexpr std::size_t kRoomForFrame = 64;  // besides its texts

std::size_t size_of(const CodeFrame& frame) {
  return kRoomForFrame + frame.function.size() + frame.file.size() + frame.module.size();
}

void put_frame(Packer& packer, const CodeFrame& frame, bool truncated) {
  packer.put(std::string_view(frame.function).substr(0, kLongestFrameText));
  packer.put(std::string_view(frame.file).substr(0, kLongestFrameText));
  packer.put(frame.line);
  packer.put(std::string_view(frame.module).substr(0, kLongestFrameText));
  packer.put(frame.offset);
  packer.put(frame.kind);
  packer.put(truncated);
}

CodeFrame get_frame(Unpacker& unpacker) {
  CodeFrame frame;
  unpacker.get(frame.function);
  unpacker.get(frame.file);
  unpacker.get(frame.line);
  unpacker.get(frame.module);
  unpacker.get(frame.offset);
  unpacker.get(frame.kind, FrameKind::Unknown, FrameKind::Kernel);
  unpacker.get(frame.truncated);
  for (const std::string* text : {&frame.function, &frame.file, &frame.module})
    if (text->size() > kLongestFrameText) unpacker.fail();
  return frame;
}

}  // namespace

void put_stack(Packer& packer, const Stack& stack) {
  constexpr std::size_t kRoom = kMostEntry - 2048;  // what is not the stack
  std::size_t count = 0, size = 0;
  while (count < stack.size() && size + size_of(stack[count]) <= kRoom)
    size += size_of(stack[count++]);
  packer.put(static_cast<std::uint16_t>(count));
  for (std::size_t i = 0; i < count; ++i)
    put_frame(packer, stack[i], stack[i].truncated || (i + 1 == count && count < stack.size()));
}

Stack get_stack(Unpacker& unpacker) {
  Stack stack;
  std::uint16_t count = 0;
  unpacker.get(count);
  if (count > kMostFrames) unpacker.fail();
  for (; count > 0 && unpacker.ok(); --count) stack.push_back(get_frame(unpacker));
  return stack;
}

void put_numbered_stack(Packer& packer, const StackEvent& event) {
  packer.put(event.number);
  put_stack(packer, *event.stack);
}

void put_socket_stack(Packer& packer, const StackEvent& event) {
  packer.put(event.at);
  packer.put(event.cookie);
  packer.put(event.moment);
  packer.put(event.missing);
  packer.put(event.stack != nullptr);
  packer.put(event.number);
}

void StackEntries::read(std::span<const std::byte> bytes) {
  Unpacker unpacker(bytes);
  std::uint32_t number = 0;
  unpacker.get(number);
  Stack stack = get_stack(unpacker);
  if (!unpacker.ok()) return;
  if (by_number_.size() >= kMostStacks) by_number_.erase(by_number_.begin());
  by_number_[number] = std::make_shared<const Stack>(std::move(stack));
}

std::optional<StackEvent> StackEntries::read_socket(std::span<const std::byte> bytes) const {
  Unpacker unpacker(bytes);
  StackEvent event;
  bool has_stack = false;
  unpacker.get(event.at);
  unpacker.get(event.cookie);
  unpacker.get(event.moment, StackMoment::Opened, StackMoment::EofRead);
  unpacker.get(event.missing, NoStack::None, NoStack::Running);
  unpacker.get(has_stack);
  unpacker.get(event.number);
  if (!unpacker.ok() || event.at.count() < 0) return std::nullopt;
  if (!has_stack) return event;
  const auto it = by_number_.find(event.number);
  if (it == by_number_.end())
    event.missing = NoStack::Budget;
  else
    event.stack = it->second;
  return event;
}

}  // namespace tcpdwell::recording
