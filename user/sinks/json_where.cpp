// SPDX-License-Identifier: Apache-2.0
#include "sinks/json_where.h"

#include <algorithm>

#include "sinks/escape.h"
#include "sinks/json_line.h"
#include "sinks/json_socket.h"

namespace tcpdwell::json {
namespace {

constexpr std::size_t kFrameWords = 160, kThreadWords = 320, kWhereWords = 192;
constexpr std::size_t kLongestEscape = 6;  // of a byte

char* text_or_null(char* out, std::string_view text) {
  return text.empty() ? put(out, "null") : write_json_string(out, text);
}

char* stack(char* out, const Stack& frames) {
  if (frames.empty()) return put(out, "null");
  out = put(out, '[');
  Separator comma;
  for (const Frame& frame : frames) {
    out = comma.put(out);
    out = put(out, "{\"function\":");
    out = text_or_null(out, frame.function);
    out = put(out, ",\"file\":");
    out = text_or_null(out, frame.file);
    out = put(out, ",\"line\":");
    out = frame.line != 0 ? number(out, frame.line) : put(out, "null");
    out = put(out, ",\"module\":");
    out = text_or_null(out, frame.module);
    out = put(out, ",\"offset\":");
    out = frame.module.empty() ? put(out, "null") : number(out, frame.offset);
    out = put(out, ",\"kind\":");
    out = word(out, name(frame.kind));
    if (frame.truncated) out = put(out, ",\"truncated\":true");
    out = put(out, '}');
  }
  return put(out, ']');
}

char* end(char* out, const Endpoint& end, Family family) {
  out = put(out, "{\"addr\":\"");
  out = address(out, end, family);
  out = put(out, "\",\"port\":");
  out = number(out, end.port);
  return put(out, '}');
}

char* thread(char* out, std::uint32_t pid, const BlockedThread& thread) {
  out = put(out, "{\"pid\":");
  out = number(out, pid);
  out = put(out, ",\"tid\":");
  out = number(out, thread.tid);
  out = put(out, ",\"threads\":");
  out = number(out, thread.threads);
  out = put(out, ",\"comm\":");
  out = write_json_string(out, thread.comm);
  out = put(out, ",\"call\":");
  out = text_or_null(out, thread.call);
  out = put(out, ",\"fd\":");
  out = thread.fd ? number(out, *thread.fd) : put(out, "null");
  out = put(out, ",\"peer\":");
  const bool connected = thread.socket && thread.socket->remote.port != 0;
  out = connected ? end(out, thread.socket->remote, thread.socket->family) : put(out, "null");
  out = put(out, ",\"stack\":");
  out = stack(out, thread.stack);
  out = put(out, ",\"missing\":");
  out = word(out, name(thread.missing));
  return put(out, '}');
}

char* place(char* out, const CodePlace& place) {
  return place.stack != nullptr ? stack(out, *place.stack) : put(out, "null");
}

// Also for a stack that lacks frames: those of an interpreter that is not known.
char* missing(char* out, Separator& comma, std::string_view key, const CodePlace& place) {
  if (place.missing == NoStack::None) return out;
  out = comma.put(out);
  out = word(out, key);
  out = put(out, ':');
  return word(out, name(place.missing));
}

// Facts about the holders whose threads were asked for.
template <typename Work>
void for_each_asked(const FlagRecord& record, Work&& work) {
  for (const ProcessFacts& facts : record.processes) {
    const bool holds =
        std::any_of(record.holders.begin(), record.holders.end(),
                    [&](const Holder& holder) { return holder.process.pid == facts.pid; });
    if (facts.blocked != nullptr && holds) work(facts);
  }
}

std::size_t room_for(const Stack& frames) {
  std::size_t room = 0;
  for (const Frame& frame : frames)
    room += kFrameWords +
            kLongestEscape * (frame.function.size() + frame.file.size() + frame.module.size());
  return room;
}

}  // namespace

char* where(char* out, const FlagRecord& record) {
  bool asked = record.opened.stack != nullptr || record.eof_read.stack != nullptr;
  for_each_asked(record, [&](const ProcessFacts&) { asked = true; });
  if (!asked) return out;
  out = put(out, ",\"where\":{\"opened\":");
  out = place(out, record.opened);
  out = put(out, ",\"eof_read\":");
  out = place(out, record.eof_read);
  out = put(out, ",\"blocked\":[");
  Separator comma;
  for_each_asked(record, [&](const ProcessFacts& facts) {
    for (const BlockedThread& one : *facts.blocked) {
      out = comma.put(out);
      out = thread(out, facts.pid, one);
    }
  });
  out = put(out, "],\"missing\":{");
  Separator between;
  out = missing(out, between, "opened", record.opened);
  out = missing(out, between, "eof_read", record.eof_read);
  return put(out, "}}");
}

std::size_t room_for_where(const FlagRecord& record) {
  std::size_t room = kWhereWords;
  for (const CodePlace* one : {&record.opened, &record.eof_read})
    if (one->stack != nullptr) room += room_for(*one->stack);
  for_each_asked(record, [&](const ProcessFacts& facts) {
    for (const BlockedThread& one : *facts.blocked)
      room +=
          kThreadWords + kLongestEscape * (one.comm.size() + one.call.size()) + room_for(one.stack);
  });
  return room;
}

}  // namespace tcpdwell::json
