// SPDX-License-Identifier: Apache-2.0
#include "sinks/run_report.h"

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "sinks/escape.h"
#include "sinks/explain.h"
#include "sinks/screen.h"
#include "sinks/text_wrap.h"
#include "sinks/where_text.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kListed = 5;  // sockets of a group
// Marks our lines: stderr of CMD goes to the same place.
constexpr std::string_view kPrefix = "==tcpdwell== ";
constexpr std::size_t kRunHang = 4;
// States in which the process still has to close the socket.
constexpr std::array kJudged = {State::CloseWait, State::FinWait2, State::Closed};

// Keeps answers of the kernel from an earlier flag that the last one lacks.
void complete(FlagRecord& flag, const FlagRecord& earlier) {
  if (flag.holders.empty()) flag.holders = earlier.holders;
  if (flag.processes.empty()) flag.processes = earlier.processes;
  if (!flag.other_end) flag.other_end = earlier.other_end;
  if (!flag.unsent_bytes) flag.unsent_bytes = earlier.unsent_bytes;
  if (flag.opened.stack == nullptr) flag.opened = earlier.opened;
  if (flag.eof_read.stack == nullptr) flag.eof_read = earlier.eof_read;
}

std::string whose(const Longest& longest) {
  const Flow& flow = longest.socket.flow;
  std::string text =
      format_endpoint(flow.local, flow.family) + " → " + format_endpoint(flow.remote, flow.family);
  if (longest.socket.owner) text = format_process(longest.socket.owner->process) + ' ' + text;
  return text;
}

}  // namespace

RunReport::Key RunReport::key_of(const FlagRecord& flag) {
  return {.cookie = flag.socket.cookie,
          .life = flag.socket.life,
          .state = flag.state,
          .kind = flag.kind,
          .flow = flag.socket.cookie != 0 ? Flow{} : flag.socket.flow};
}

void RunReport::add(const FlagRecord& flag) {
  const Key key = key_of(flag);
  const auto known = index_.find(key);
  if (known == index_.end()) {
    if (!flag.raised) return;
    index_.emplace(key, flags_.size());
    flags_.add(flag);
    closed_.push_back(false);
    return;
  }
  const std::size_t entry = known->second;
  FlagRecord& before = flags_[entry];
  if (before.by_exit || before.slow) return;
  if (!flag.raised) {
    before.dwell = flag.dwell;
    closed_[entry] = true;
    return;
  }
  FlagRecord now = flag;
  complete(now, before);
  flags_.replace(entry, now);
  closed_[entry] = false;
}

RunReport::Fate RunReport::fate_of(std::size_t entry) const {
  const FlagRecord& flag = flags_[entry];
  const bool judged = flag.kind == FlagKind::State &&
                      std::find(kJudged.begin(), kJudged.end(), flag.state) != kJudged.end();
  if (!judged || flag.cause == Cause::Orphaned || flag.cause == Cause::NotAccepted ||
      flag.cause == Cause::ConnectFailed)
    return Fate::NoLeak;
  if (flag.by_exit) return Fate::LeftBehind;
  return flag.slow || closed_[entry] ? Fate::Slow : Fate::LeftBehind;
}

std::size_t RunReport::leaked() const {
  absl::flat_hash_set<Key> sockets;
  for (std::size_t i = 0; i < flags_.size(); ++i) {
    if (fate_of(i) != Fate::LeftBehind) continue;
    Key key = key_of(flags_[i]);
    key.state = State::Closed;  // count a socket once
    key.kind = FlagKind::State;
    sockets.insert(key);
  }
  return sockets.size();
}

void RunReport::write_flags(Sink& sink) const {
  for (std::size_t i = 0; i < flags_.size(); ++i) {
    FlagRecord flag = flags_[i];
    flag.slow = fate_of(i) == Fate::Slow;
    sink.write(flag);
  }
}

void RunReport::put(std::string_view text, std::string_view color) {
  const std::size_t width = columns_of(style_.screen);
  std::string lines = wrap_lines(text, width - std::min(width, kPrefix.size()), kRunHang) +
                      (text.empty() ? "\n" : "");
  for (std::string_view rest = lines; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string line(kPrefix);
    if (style_.color && !color.empty())
      line.append(color).append(rest.substr(0, end)).append(ansi::kReset);
    else
      line += rest.substr(0, end);
    line.erase(line.find_last_not_of(' ') + 1);
    output_.write(line + '\n', true);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

// "10.0.0.1:54321 → 10.0.0.2:80   closed after 3.2s"
std::string RunReport::line_of(std::size_t entry) const {
  const FlagRecord& flag = flags_[entry];
  const Flow& flow = flag.socket.flow;
  const std::string dwell = format_dwell(flag.dwell);
  const bool by_runtime = flag.before_exit.value_or(Nanos{}) > Nanos{};
  std::string fate;
  if (flag.by_exit && by_runtime)
    fate = fmt::format("{} in {}, closed {} before the exit", dwell, name(flag.state),
                       format_duration(*flag.before_exit));
  else if (flag.by_exit)
    fate = fmt::format("{} in {}, until the exit", dwell, name(flag.state));
  else if (flag.slow || closed_[entry])
    fate = flag.state == State::CloseWait
               ? "closed after " + dwell
               : fmt::format("left {} after {}", name(flag.state), dwell);
  else
    fate = fmt::format("still open when last seen, after {} in {}", dwell, name(flag.state));
  const bool listener = flag.socket.role == Role::Listener;
  return fmt::format("    {} → {}  {}", format_endpoint(flow.local, flow.family),
                     listener ? "*" : format_endpoint(flow.remote, flow.family), fate);
}

void RunReport::print_group(const LeakGroup& group, const std::vector<std::size_t>& entries,
                            Fate fate) {
  std::string head =
      fmt::format("{} in {}", format_count(group.count, "socket"), state_text(group));
  if (group.cause != Cause::None) head += ' ' + cause_text(group.cause);
  if (const std::string holder = holder_text(group); holder != "-") head += "  " + holder;
  put(head, fate == Fate::LeftBehind ? color_of(group.cause) : ansi::kYellow);
  for (std::size_t i = 0; i < std::min(kListed, group.members.size()); ++i)
    put(line_of(entries[group.members[i]]));
  if (group.members.size() > kListed)
    put(fmt::format("    and {} more", group.members.size() - kListed));
  if (fate == Fate::LeftBehind) {
    const Explanation explanation = explain(group, false, style_.here);
    put("  " + explanation.what);
    for (const std::string& line : where_lines(group)) put("  " + line);
    put("  next: " + explanation.next);
  }
  put("");
}

// Returns the number of groups.
std::size_t RunReport::print_groups(Fate fate) {
  std::vector<FlagRecord> flags;
  std::vector<std::size_t> entries;
  for (std::size_t i = 0; i < flags_.size(); ++i) {
    if (fate_of(i) != fate || flags_[i].cause == Cause::Orphaned) continue;
    flags.push_back(flags_[i]);
    entries.push_back(i);
  }
  const std::vector<LeakGroup> groups = group_leaks(flags);
  if (groups.empty()) return 0;
  if (fate == Fate::Slow) put("slow, but not left behind (no effect on the exit status):");
  if (fate == Fate::NoLeak) put("also seen (no effect on the exit status):");
  for (const LeakGroup& group : groups) print_group(group, entries, fate);
  return groups.size();
}

// "limits: CLOSE_WAIT 1s (100ms at an exit), FIN_WAIT_2 1s, CLOSED 1s; longest CLOSE_WAIT ..."
void RunReport::print_limits(const std::vector<Longest>& longest) {
  std::string text;
  for (const State state : kJudged) {
    const auto& threshold = thresholds_.of[index(state)];
    if (!threshold) continue;
    text += fmt::format("{} {} {}", text.empty() ? "limits:" : ",", name(state),
                        format_duration(*threshold));
    if (state == State::CloseWait)
      text += fmt::format(" ({} at an exit)", format_duration(exit_grace_));
  }
  if (text.empty()) text = "limits: none";
  for (const State state : {State::CloseWait, State::FinWait2}) {
    const auto seen = std::find_if(longest.begin(), longest.end(),
                                   [&](const Longest& one) { return one.state == state; });
    text += fmt::format("; longest {}: ", name(state));
    text += seen == longest.end()
                ? "none"
                : fmt::format("{} ({})", format_duration(seen->dwell), whose(*seen));
  }
  put(text);
}

void RunReport::print(const std::string& command, int status, const std::vector<Longest>& longest) {
  std::string ended;
  append_printable(ended, command);
  put(fmt::format("{} ended with status {}", ended, status));
  if (flags_.size() > 0) put("");
  const std::size_t groups = print_groups(Fate::LeftBehind);
  print_groups(Fate::Slow);
  print_groups(Fate::NoLeak);
  if (groups == 0)
    put("no leaked sockets", ansi::kGreen);
  else
    put(fmt::format("LEAK SUMMARY: {} in {}", format_count(leaked(), "socket"),
                    format_count(groups, "group")),
        ansi::kRed);
  print_limits(longest);
}

}  // namespace tcpdwell
