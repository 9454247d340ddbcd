// SPDX-License-Identifier: Apache-2.0
#include "sinks/run_report.h"

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sinks/escape.h"
#include "sinks/explain.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kListed = 5;  // sockets of a group
// CMD's own stderr goes to the same place.
constexpr std::string_view kPrefix = "==tcpdwell== ";

// What nobody accepted is no leak of the command's.
bool is_none_of_its(const FlagRecord& flag) {
  return flag.cause == Cause::Orphaned || flag.kind == FlagKind::Accept;
}

}  // namespace

RunReport::Key RunReport::key_of(const FlagRecord& flag) {
  return {.cookie = flag.socket.cookie,
          .life = flag.socket.life,
          .state = flag.state,
          .flow = flag.socket.cookie != 0 ? Flow{} : flag.socket.flow};
}

void RunReport::add(const FlagRecord& flag) {
  const Key key = key_of(flag);
  const auto known = places_.find(key);
  if (!flag.raised) {
    if (known == places_.end()) return;
    flags_[known->second].dwell = flag.dwell;
    closed_[known->second] = true;
    return;
  }
  if (known == places_.end()) {
    places_.emplace(key, flags_.size());
    flags_.add(flag);
    closed_.push_back(false);
    return;
  }
  flags_.replace(known->second, flag);
  closed_[known->second] = false;
}

std::size_t RunReport::leaked() const {
  absl::flat_hash_set<Key> sockets;
  for (const FlagRecord& flag : flags_.all()) {
    if (is_none_of_its(flag)) continue;
    Key key = key_of(flag);
    key.state = State::Closed;  // one socket, whatever the state
    sockets.insert(key);
  }
  return sockets.size();
}

void RunReport::put(std::string_view text, std::string_view color) {
  std::string line(kPrefix);
  if (style_.color && !color.empty())
    line.append(color).append(text).append(ansi::kReset);
  else
    line += text;
  line.erase(line.find_last_not_of(' ') + 1);
  output_.write(line + '\n', true);
}

// "10.0.0.1:54321 → 10.0.0.2:80   closed after 3.2s"
std::string RunReport::line_of(std::size_t entry) const {
  const FlagRecord& flag = flags_[entry];
  const Flow& flow = flag.socket.flow;
  const std::string dwell = format_dwell(flag.dwell);
  std::string fate;
  if (flag.by_exit)
    fate = fmt::format("{} in {}, until the exit", dwell, name(flag.state));
  else if (closed_[entry])
    fate = flag.state == State::CloseWait
               ? "closed after " + dwell
               : fmt::format("left {} after {}", name(flag.state), dwell);
  else
    fate = fmt::format("still open when last seen, after {} in {}", dwell, name(flag.state));
  const bool listener = flag.socket.role == Role::Listener;
  return fmt::format("    {} → {}  {}", format_endpoint(flow.local, flow.family),
                     listener ? "*" : format_endpoint(flow.remote, flow.family), fate);
}

void RunReport::print_group(const LeakGroup& group, const std::vector<std::size_t>& entries) {
  std::string head =
      fmt::format("{} in {}", format_count(group.count, "socket"), state_text(group));
  if (group.cause != Cause::None) head += ' ' + cause_text(group.cause);
  if (const std::string holder = holder_text(group); holder != "-") head += "  " + holder;
  put(head, color_of(group.cause));
  for (std::size_t i = 0; i < std::min(kListed, group.members.size()); ++i)
    put(line_of(entries[group.members[i]]));
  if (group.members.size() > kListed)
    put(fmt::format("    and {} more", group.members.size() - kListed));
  const Explanation explanation = explain(group, false, style_.here);
  put("  " + explanation.what);
  put("  next: " + explanation.next);
  put("");
}

void RunReport::print(const std::string& command, int status) {
  std::vector<FlagRecord> leaks;
  std::vector<std::size_t> entries;
  for (std::size_t i = 0; i < flags_.size(); ++i) {
    if (is_none_of_its(flags_[i])) continue;
    leaks.push_back(flags_[i]);
    entries.push_back(i);
  }
  std::string ended;
  append_printable(ended, command);
  put(fmt::format("{} ended with status {}", ended, status));
  if (leaks.empty()) return put("no leaked sockets", ansi::kGreen);
  put("");
  const std::vector<LeakGroup> groups = group_leaks(leaks);
  for (const LeakGroup& group : groups) print_group(group, entries);
  put(fmt::format("LEAK SUMMARY: {} in {}", format_count(leaked(), "socket"),
                  format_count(groups.size(), "group")),
      ansi::kRed);
}

}  // namespace tcpdwell
