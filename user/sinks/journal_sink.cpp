// SPDX-License-Identifier: Apache-2.0
#include "sinks/journal_sink.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string_view>

#include "sinks/escape.h"
#include "sinks/text_format.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr const char* kJournalSocket = "/run/systemd/journal/socket";
constexpr int kWarning = 4, kInfo = 6;  // of syslog

// A field is a line: its value must not have a line break, which append_printable() escapes.
void add_field(std::string& entry, std::string_view name, std::string_view value) {
  entry.append(name).append("=");
  append_printable(entry, value);
  entry += '\n';
}

// The owner; of an un-accepted connection a holder of its listener.
const Process* actor_of(const FlagRecord& flag) {
  if (flag.socket.owner) return &flag.socket.owner->process;
  return flag.holders.empty() ? nullptr : &flag.holders.front().process;
}

std::string entry_text(const FlagRecord& flag, const Process* process) {
  const Flow& flow = flag.socket.flow;
  std::string text = fmt::format("{} {} {}", flag_name(flag.kind, flag.state),
                                 flag.raised ? "for" : "ended after", format_dwell(flag.dwell));
  if (flag.raised && flag.cause != Cause::None) text += fmt::format(", {}", name(flag.cause));
  text += fmt::format(": {} -> {}", format_endpoint(flow.local, flow.family),
                      format_endpoint(flow.remote, flow.family));
  if (process != nullptr) text += ", " + format_process(*process);
  return text;
}

}  // namespace

std::optional<JournalSink> JournalSink::of_this_service() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat info {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &info) != 0 ||
      stream != fmt::format("{}:{}", info.st_dev, info.st_ino))
    return std::nullopt;
  return open(kJournalSocket);
}

std::optional<JournalSink> JournalSink::open(const std::string& path) {
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path) return std::nullopt;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket ||
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return std::nullopt;
  return JournalSink(std::move(socket));
}

void JournalSink::write(const Record& record) noexcept {
  if (const auto* flag = std::get_if<FlagRecord>(&record)) write(*flag);
}

void JournalSink::write(const FlagRecord& flag) {
  if (!has_room(flag.when.mono)) return;
  const SocketInfo& socket = flag.socket;
  const Process* process = actor_of(flag);
  std::string entry;
  add_field(entry, "MESSAGE", entry_text(flag, process));
  add_field(entry, "PRIORITY", std::to_string(flag.raised ? kWarning : kInfo));
  add_field(entry, "SYSLOG_IDENTIFIER", "tcpdwell");
  add_field(entry, "TCPDWELL_EVENT", flag.raised ? "raised" : "cleared");
  add_field(entry, "TCPDWELL_FLAG", flag_name(flag.kind, flag.state));
  if (flag.cause != Cause::None) add_field(entry, "TCPDWELL_CAUSE", name(flag.cause));
  add_field(entry, "TCPDWELL_COOKIE", fmt::format("{:x}", socket.cookie));
  add_field(entry, "TCPDWELL_DWELL_NS", std::to_string(flag.dwell.value.count()));
  add_field(entry, "TCPDWELL_LOCAL", format_endpoint(socket.flow.local, socket.flow.family));
  add_field(entry, "TCPDWELL_REMOTE", format_endpoint(socket.flow.remote, socket.flow.family));
  if (!socket.cgroup.empty()) add_field(entry, "TCPDWELL_CGROUP", socket.cgroup);
  if (process != nullptr) {
    add_field(entry, "TCPDWELL_COMM", process->comm_view());
    add_field(entry, "TCPDWELL_PID", std::to_string(process->pid));
  }
  send(entry);
}

bool JournalSink::has_room(Nanos now) {
  if (now - minute_ >= 1min) {
    if (left_out_ != 0) {
      std::string entry;
      add_field(entry, "MESSAGE", fmt::format("{} flags were not logged", left_out_));
      add_field(entry, "PRIORITY", std::to_string(kWarning));
      add_field(entry, "SYSLOG_IDENTIFIER", "tcpdwell");
      send(entry);
    }
    minute_ = now;
    sent_ = left_out_ = 0;
  }
  if (sent_ < kMostPerMinute) return ++sent_, true;
  return ++left_out_, false;
}

void JournalSink::send(const std::string& entry) const {
  (void)!::send(socket_.get(), entry.data(), entry.size(), MSG_NOSIGNAL);
}

}  // namespace tcpdwell
