// SPDX-License-Identifier: Apache-2.0
#include "commands/waiting.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include "commands/log.h"
#include "kernel/clock.h"
#include "lifecycle/lifecycle.h"
#include "sinks/text_format.h"
#include "util/duration.h"

namespace tcpdwell {

std::string watching_text(const Lifecycle& lifecycle) {
  std::uint64_t sockets = 0;
  std::set<std::uint64_t> namespaces;
  lifecycle.for_each_open([&](const OpenConnection& connection) {
    ++sockets;
    namespaces.insert(connection.site().netns_cookie);
  });
  std::string text = "watching " + format_count(sockets, "socket");
  if (!namespaces.empty()) text += " in " + format_count(namespaces.size(), "network namespace");
  if (lifecycle.open() > sockets)
    text += " (" + format_number(lifecycle.open()) + " before the filter)";
  return text;
}

std::string seconds_text(Nanos time) {
  const auto seconds = std::chrono::round<std::chrono::seconds>(time);
  return seconds < std::chrono::seconds{60} ? format_number(static_cast<std::uint64_t>(
                                                  std::max<std::int64_t>(seconds.count(), 0))) +
                                                  " s"
                                            : format_duration(seconds);
}

std::function<void(const Session&)> progress(
    const Options& options, std::function<std::string(const Session&, Nanos elapsed)> text) {
  static constexpr Nanos kPeriod = std::chrono::seconds{1};
  if (options.quiet || ::isatty(STDERR_FILENO) != 1) return {};
  return [text = std::move(text), next = Nanos{0}](const Session& session) mutable {
    const Nanos now = monotonic_now();
    if (now < next) return;
    next = now + kPeriod;
    const std::string line = text(session, now - session.began());
    if (line.empty())
      clear_progress();
    else
      show_progress(line);
  };
}

}  // namespace tcpdwell
