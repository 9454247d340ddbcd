// SPDX-License-Identifier: Apache-2.0
#include "sinks/where_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "sinks/escape.h"
#include "sinks/text_format.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kShownPlaces = 3;

std::string_view base_name(std::string_view path) {
  return path.substr(std::min(path.rfind('/') + 1, path.size()));
}

// Without the parameters: "Pool::checkout(int)" is long enough without them. Part of the name are
// "main.(*Pool).Checkout", a method of Go, and "operator()".
std::string_view without_parameters(std::string_view function) {
  auto open = function.find('(', function.starts_with('(') ? 1 : 0);
  while (open != function.npos && open > 0 &&
         (function[open - 1] == '.' || function.substr(0, open).ends_with("operator")))
    open = function.find('(', open + 1);
  return open == function.npos || open == 0 ? function : function.substr(0, open);
}

std::string frame_text(const Frame& frame) {
  std::string text;
  const bool scoped = frame.function.find("(anonymous namespace)") != frame.function.npos;
  const auto function =
      scoped ? std::string_view(frame.function) : without_parameters(frame.function);
  append_printable(text, function);
  if (frame.file.empty()) {
    if (text.empty() && frame.kind == FrameKind::Jit) text = "jit code";
    if (text.empty() && !frame.module.empty()) {
      append_printable(text, base_name(frame.module));
      text += fmt::format("+{:#x}", frame.offset);
    }
    return text;
  }
  // Of JIT code only the line is known where the function begins.
  text += frame.kind == FrameKind::Jit ? " (begins at " : " (";
  append_printable(text, base_name(frame.file));
  if (frame.line != 0) text += ':' + std::to_string(frame.line);
  return text + ')';
}

std::string call_text(const BlockedThread& thread) {
  std::string text = thread.call.empty() ? "no system call" : thread.call;
  if (!thread.fd) return text;
  text += fmt::format("(fd {}", *thread.fd);
  if (const auto& socket = thread.socket; socket && socket->remote.port != 0)
    text += ", " + format_endpoint(socket->remote, socket->family);
  else if (socket && socket->local.port != 0)
    text += ", local " + format_endpoint(socket->local, socket->family);
  return text + ')';
}

// "thread 4711 is in recvfrom(fd 3, 10.0.0.2:7272) at ..."
std::string place_text(const BlockedThread& thread) {
  std::string text = thread.threads > 1 ? fmt::format("{} threads are in ", thread.threads)
                                        : fmt::format("thread {} is in ", thread.tid);
  text += call_text(thread);
  const std::string at = stack_text(thread.stack);
  return at.empty() ? text : text + " at " + at;
}

}  // namespace

std::string stack_text(const Stack& stack) {
  std::string text;
  for (const Frame* frame : shown_frames(stack)) {
    if (!text.empty()) text += ", from ";
    text += frame_text(*frame);
  }
  return is_of_loop(stack) ? text + ", a line of the event loop" : text;
}

std::vector<std::string> where_lines(const LeakGroup& group) {
  std::vector<std::string> lines;
  if (group.opened != nullptr) lines.push_back("opened at " + stack_text(*group.opened));
  if (group.eof_read != nullptr)
    lines.push_back("end of stream read at " + stack_text(*group.eof_read));
  const std::size_t most = lines.size() + kShownPlaces;
  for (const LeakHolder& holder : group.holders) {
    if (!holder.facts || holder.facts->blocked == nullptr) continue;
    for (const BlockedThread& thread : *holder.facts->blocked) {
      if (lines.size() == most) return lines;
      if (thread.missing == NoStack::Running) continue;
      lines.push_back(
          (group.holders.size() > 1 ? fmt::format("pid {}: ", holder.process.pid) : "") +
          place_text(thread));
    }
  }
  return lines;
}

std::string main_where_line(const LeakGroup& group) {
  const std::vector<std::string> lines = where_lines(group);
  if (lines.empty()) return {};
  const std::size_t eof_read = group.opened != nullptr ? 1 : 0;
  const std::size_t threads = eof_read + (group.eof_read != nullptr ? 1 : 0);
  switch (group.cause) {
    case Cause::EofRead:
    case Cause::NotClosed:
      // Behind this line the program forgot to close.
      return group.eof_read != nullptr ? lines[eof_read] : lines.front();
    case Cause::NotAccepted:
    case Cause::DataUnread:
    case Cause::EofUnread:
      // The program does something else.
      return threads < lines.size() ? lines[threads] : lines.front();
    default: return lines.front();
  }
}

}  // namespace tcpdwell
