// SPDX-License-Identifier: Apache-2.0
#include "where/packing.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace tcpdwell {
namespace {

template <typename Number>
void put(std::string& out, Number value) {
  static_assert(std::is_trivially_copyable_v<Number>);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& out, std::string_view text) {
  text = text.substr(0, kLongestFrameText);
  put(out, static_cast<std::uint16_t>(text.size()));
  out += text;
}

class Input {
 public:
  explicit Input(std::string_view bytes) : bytes_(bytes) {}
  template <typename Number>
  Number get() {
    Number value{};
    const std::string_view raw = take(sizeof value);
    if (!raw.empty()) std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }
  std::string text() { return std::string(take(get<std::uint16_t>())); }
  bool ok() const { return ok_; }
  bool at_end() const { return bytes_.empty(); }
  void fail() { ok_ = false; }
  std::string_view take(std::size_t size) {
    ok_ = ok_ && size <= bytes_.size();
    if (!ok_) return {};
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

std::string pack_stack(const ResolvedStack& resolved) {
  std::string out;
  put(out, resolved.missing);
  put(out, static_cast<std::uint16_t>(resolved.stack.size()));
  for (const Frame& frame : resolved.stack) {
    put_text(out, frame.function);
    put_text(out, frame.file);
    put(out, frame.line);
    put_text(out, frame.module);
    put(out, frame.offset);
    put(out, frame.kind);
    put(out, static_cast<std::uint8_t>(frame.truncated));
  }
  return out;
}

ResolvedStack unpack_stack(Input& input) {
  ResolvedStack resolved;
  resolved.missing = static_cast<NoStack>(input.get<std::uint8_t>());
  if (resolved.missing > NoStack::Running) input.fail();
  const auto count = input.get<std::uint16_t>();
  for (unsigned i = 0; i < count && input.ok(); ++i) {
    Frame frame;
    frame.function = input.text();
    frame.file = input.text();
    frame.line = input.get<std::uint32_t>();
    frame.module = input.text();
    frame.offset = input.get<std::uint64_t>();
    frame.kind = static_cast<FrameKind>(input.get<std::uint8_t>());
    frame.truncated = input.get<std::uint8_t>() != 0;
    if (frame.kind > FrameKind::Kernel || frame.function.size() > kLongestFrameText ||
        frame.file.size() > kLongestFrameText || frame.module.size() > kLongestFrameText)
      input.fail();
    resolved.stack.push_back(std::move(frame));
  }
  return resolved;
}

enum class Kind : std::uint8_t { Threads = 1, Stacks, Python };

void put_snapshot(std::string& out, const StackSnapshot& snapshot) {
  for (const std::uint64_t number :
       {std::uint64_t{snapshot.pid}, snapshot.started, snapshot.exec_id, snapshot.stack_begin,
        snapshot.mapping_changes})
    put(out, number);
  put(out, snapshot.registers);
  put(out, snapshot.stack.begin);
  const std::size_t size = std::min(snapshot.stack.bytes.size(), kMostStackBytes);
  put(out, static_cast<std::uint32_t>(size));
  out.append(reinterpret_cast<const char*>(snapshot.stack.bytes.data()), size);
  const std::size_t frames = std::min(snapshot.python.size(), kMostFrames);
  put(out, static_cast<std::uint16_t>(frames));
  for (std::size_t i = 0; i < frames; ++i) put(out, snapshot.python[i]);
  put(out, static_cast<std::uint8_t>(snapshot.python_walked));
  put(out, static_cast<std::uint8_t>(snapshot.python_truncated));
}

StackSnapshot get_snapshot(Input& input) {
  StackSnapshot snapshot;
  snapshot.pid = static_cast<std::uint32_t>(input.get<std::uint64_t>());
  snapshot.started = input.get<std::uint64_t>();
  snapshot.exec_id = input.get<std::uint64_t>();
  snapshot.stack_begin = input.get<std::uint64_t>();
  snapshot.mapping_changes = input.get<std::uint64_t>();
  snapshot.registers = input.get<Registers>();
  snapshot.stack.begin = input.get<std::uint64_t>();
  const auto size = input.get<std::uint32_t>();
  if (size > kMostStackBytes) input.fail();
  const auto bytes = std::as_bytes(std::span(input.take(size)));
  snapshot.stack.bytes.assign(bytes.begin(), bytes.end());
  for (auto frames = input.get<std::uint16_t>(); frames > 0 && input.ok(); --frames)
    snapshot.python.push_back(input.get<PythonCall>());
  snapshot.python_walked = input.get<std::uint8_t>() != 0;
  snapshot.python_truncated = input.get<std::uint8_t>() != 0;
  return snapshot;
}

}  // namespace

std::string pack(const ThreadsQuestion& question) {
  std::string out;
  put(out, Kind::Threads);
  put(out, question.pid);
  put(out, question.stack_bytes);
  for (const ThreadSnapshot& thread : question.threads) put(out, thread);
  return out;
}

std::string pack(const StacksQuestion& question) {
  std::string out;
  put(out, Kind::Stacks);
  for (const StackSnapshot& snapshot : question.snapshots) put_snapshot(out, snapshot);
  return out;
}

std::string pack(const PythonQuestion& question) {
  std::string out;
  put(out, Kind::Python);
  put(out, question.pid);
  return out;
}

std::optional<ResolverQuestion> unpack_question(std::string_view bytes) {
  Input input(bytes);
  std::optional<ResolverQuestion> question;
  switch (input.get<Kind>()) {
    case Kind::Threads: {
      ThreadsQuestion threads{.pid = input.get<std::uint32_t>(),
                              .stack_bytes = input.get<std::uint32_t>(),
                              .threads = {}};
      while (input.ok() && !input.at_end() && threads.threads.size() < kMostAsked)
        threads.threads.push_back(input.get<ThreadSnapshot>());
      question = std::move(threads);
      break;
    }
    case Kind::Stacks: {
      StacksQuestion stacks;
      while (input.ok() && !input.at_end() && stacks.snapshots.size() < kMostAsked)
        stacks.snapshots.push_back(get_snapshot(input));
      question = std::move(stacks);
      break;
    }
    case Kind::Python: question = PythonQuestion{.pid = input.get<std::uint32_t>()}; break;
    default: return std::nullopt;
  }
  return input.ok() && input.at_end() ? std::move(question) : std::nullopt;
}

std::string pack(const std::optional<PythonPlace>& place) {
  std::string out;
  if (place) put(out, *place);
  return out;
}

std::optional<PythonPlace> unpack_python(std::string_view bytes) {
  Input input(bytes);
  const auto place = input.get<PythonPlace>();
  return input.ok() && input.at_end() ? std::optional(place) : std::nullopt;
}

std::string pack(std::span<const ResolvedStack> stacks) {
  std::string out;
  for (const ResolvedStack& resolved : stacks) {
    std::string one = pack_stack(resolved);
    if (out.size() + one.size() > kLargestMessage - kMostAsked * 8)
      one = pack_stack({.stack = {}, .missing = NoStack::Budget});
    out += one;
  }
  return out;
}

std::optional<std::vector<ResolvedStack>> unpack_stacks(std::string_view bytes) {
  Input input(bytes);
  std::vector<ResolvedStack> stacks;
  while (input.ok() && !input.at_end() && stacks.size() < kMostAsked)
    stacks.push_back(unpack_stack(input));
  return input.ok() && input.at_end() ? std::optional(std::move(stacks)) : std::nullopt;
}

}  // namespace tcpdwell
