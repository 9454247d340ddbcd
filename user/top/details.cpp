// SPDX-License-Identifier: Apache-2.0
// The pages of one connection, and of one group of stuck sockets.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "host/service.h"
#include "model/dwell_order.h"
#include "sinks/escape.h"
#include "sinks/text_format.h"
#include "top/document.h"
#include "util/duration.h"

namespace tcpdwell::top {
namespace {

constexpr int kLabel = 11;  // "other end  "
constexpr std::size_t kHolders = 20;
constexpr Style kTitle{Tone::Plain, true, false};

std::string printable(std::string_view bytes) {
  std::string text;
  append_printable(text, bytes);
  return text;
}

// "owner      nginx[7] ..."
void add_fact(Document& document, std::string_view label, std::string_view text, int width) {
  const auto first = document.lines.size();
  document.add_wrapped(text, width - kLabel - 1, kLabel);
  if (document.lines.size() == first) return;
  auto& spans = document.lines[first].spans;
  spans.insert(spans.begin(), Span{0, std::string(label), {Tone::Cyan}, kLabel - 1});
}

std::string flow_text(const Flow& flow, State state) {
  const std::string local = format_endpoint(flow.local, flow.family);
  return state == State::Listen ? local + " (listener)"
                                : local + " → " + format_endpoint(flow.remote, flow.family);
}

std::string dwell_text(const StateTime& time) {
  return format_dwell(
      {time.total, time.lower_bound ? std::nullopt : std::optional<Nanos>(time.error)});
}

// A line for each state that it was in, with a bar that shows when.
void add_life(Document& document, const Detail& detail, int width) {
  struct Part {
    State state;
    Nanos dwell;
    std::string text;
    bool present;
  };
  std::vector<Part> parts;
  for (const State state : kDwellOrder) {
    const StateTime& time = detail.times[index(state)];
    const bool present = detail.open && state == detail.state;
    if (time.visited && time.total.count() >= 0)
      parts.push_back({state, time.total, dwell_text(time), false});
    if (present) parts.push_back({state, detail.age.value, format_dwell(detail.age), true});
  }
  if (detail.open && detail.state == State::Closed)
    parts.push_back({State::Closed, detail.age.value, format_dwell(detail.age), true});
  // The present state is the last, also if the connection was in it before.
  std::stable_partition(parts.begin(), parts.end(), [](const Part& part) { return !part.present; });
  Nanos all{};
  for (const Part& part : parts) all += part.dwell;
  const int room = std::max(width - 28, 8);
  Nanos before{};
  for (const Part& part : parts) {
    const double whole = std::max<double>(static_cast<double>(all.count()), 1);
    const auto column = [&](Nanos at) {
      return static_cast<int>(static_cast<double>(at.count()) / whole * room);
    };
    const int begin = std::min(column(before), room - 1);
    const int size = std::max(column(before + part.dwell) - begin, 1);
    std::string bar;
    for (int i = 0; i < size; ++i) bar += "█";
    Line line;
    const Style style{part.present ? Tone::Magenta : Tone::Plain, part.present, false};
    line.spans.push_back({2, std::string(name(part.state)), style, 12});
    line.spans.push_back({15, part.text, style, 10});
    line.spans.push_back({26 + begin, bar, style, size});
    if (part.present) line.spans.push_back({0, ">", style, 1});
    document.lines.push_back(std::move(line));
    before += part.dwell;
  }
}

std::string holders_text(const FlagRecord& flag) {
  if (flag.holders.empty()) return "none is visible";
  std::string text;
  for (std::size_t i = 0; i < std::min(flag.holders.size(), kHolders); ++i) {
    const Holder& holder = flag.holders[i];
    text +=
        fmt::format("{}fd {} of {}", i > 0 ? ", " : "", holder.fd, format_process(holder.process));
  }
  if (flag.holders.size() > kHolders)
    text += fmt::format(" and {} more", flag.holders.size() - kHolders);
  if (flag.cause == Cause::NotAccepted) text += " (of the listener)";
  return text;
}

std::string queues_text(const FlagRecord& flag) {
  const auto bytes = [](const std::optional<std::uint64_t>& count) {
    return count ? format_count(*count, "byte") : std::string("unknown");
  };
  std::string text =
      fmt::format("unread: {}; unsent: {}", bytes(flag.unread_bytes), bytes(flag.unsent_bytes));
  if (flag.queue)
    text += fmt::format("; {} in the accept queue of port {}, which takes {}",
                        format_number(flag.queue->length), flag.queue->port,
                        format_number(std::uint64_t{flag.queue->backlog} + 1));
  return text;
}

std::string other_end(const FlagRecord& flag) {
  if (!flag.other_end) return "not a socket of this host, or not found";
  const OtherEnd& end = *flag.other_end;
  std::string text = end.process.comm_view().empty()
                         ? "a socket of this host, without a visible holder"
                         : fmt::format("fd {} of {}", end.fd, format_process(end.process));
  return text + ", in " + std::string(name(end.state));
}

void add_owner(Document& document, const Detail& detail, int width) {
  std::string text = "not known";
  if (detail.socket.owner) {
    const Owner& owner = *detail.socket.owner;
    text = fmt::format("{}, uid {} (seen at {})", format_process(owner.process), owner.process.uid,
                       name(owner.via));
  }
  add_fact(document, "owner", text, width);
  if (detail.cgroup.empty()) return;
  const std::string service = service_of(detail.cgroup);
  add_fact(document, "service",
           printable(service.empty() ? detail.cgroup : service + " (" + detail.cgroup + ')'),
           width);
}

void add_socket(Document& document, const Detail& detail, int width) {
  const SocketInfo& socket = detail.socket;
  std::string text = socket.cookie != 0 ? fmt::format("sk:{:x} (as ss -e prints it)", socket.cookie)
                                        : std::string("without a cookie");
  text += fmt::format(", network namespace {}", socket.flow.netns);
  if (detail.opened_by == Side::Local) text += ", opened by this side";
  if (detail.opened_by == Side::Remote) text += ", opened by the peer";
  add_fact(document, "socket", text, width);
}

void add_lines_of_code(Document& document, const std::vector<std::string>& where, int width) {
  for (const std::string& line : where)
    add_fact(document, &line == &where.front() ? "code" : "", line, width);
}

void add_stuck_facts(Document& document, const Detail& detail, int width) {
  if (!detail.flag) {
    add_fact(document, "stuck",
             "no. Holders, queues and the other end are read when a socket passes its threshold",
             width);
    return;
  }
  const FlagRecord& flag = *detail.flag;
  add_fact(document, "stuck",
           fmt::format("{} for more than {}, cause {}", flag_name(flag.kind, flag.state),
                       format_duration(flag.threshold),
                       flag.cause == Cause::None ? "unknown" : name(flag.cause)),
           width);
  add_fact(document, "holders", holders_text(flag), width);
  add_fact(document, "queues", queues_text(flag), width);
  add_fact(document, "other end", other_end(flag), width);
  if (!detail.stuck) return;
  document.add("");
  add_fact(document, "what", detail.stuck->text.what, width);
  add_lines_of_code(document, detail.stuck->where, width);
  add_fact(document, "next", detail.stuck->text.next, width);
}

}  // namespace

Document connection_page(const Look& look, const Setting& setting, int width) {
  Document document;
  if (!look.detail) {
    document.add("This connection is not in the table any more.", kTitle);
    return document;
  }
  const Detail& detail = *look.detail;
  document.add_wrapped(flow_text(detail.socket.flow, detail.state), width - 1, 0, INT32_MAX,
                       kTitle);
  if (!detail.open)
    document.add_wrapped(setting.replay
                             ? "It is not open at this time. Below is what was seen last."
                             : "It has ended. Below is what was seen last.",
                         width - 1, 0, INT32_MAX, {Tone::Magenta, true, false});
  document.add("");
  add_life(document, detail, width);
  if (detail.open && !detail.age.error)
    document.add_wrapped(
        fmt::format("{} began before the run: {}", name(detail.state),
                    detail.at_most ? "at most " + format_duration(*detail.at_most) + " ago"
                                   : std::string("it is not known when")),
        width - 3, 2);
  document.add("");
  add_owner(document, detail, width);
  add_socket(document, detail, width);
  add_stuck_facts(document, detail, width);
  return document;
}

Document group_page(const Look& look, const Page& page, const Setting&, int width) {
  Document document;
  const auto at = std::find_if(look.stuck.begin(), look.stuck.end(),
                               [&](const Stuck& stuck) { return stuck.group.key == page.of.key; });
  if (at == look.stuck.end()) {
    document.add("None of these sockets is stuck any more.", {Tone::Green, true, false});
    return document;
  }
  const LeakGroup& group = at->group;
  document.add(fmt::format("{} stuck in {}, cause {}", format_count(group.count, "socket"),
                           state_text(group), cause_text(group.cause)),
               kTitle);
  document.add("");
  add_fact(document, "oldest",
           format_dwell(group.oldest) + ", median " + format_dwell(group.median), width);
  add_fact(document, "peer", peer_text(group), width);
  std::string holders;
  for (std::size_t i = 0; i < std::min(group.holders.size(), kHolders); ++i) {
    const LeakHolder& holder = group.holders[i];
    holders += fmt::format("{}{} ({})", i > 0 ? ", " : "", format_process(holder.process),
                           format_count(holder.descriptors, "descriptor"));
  }
  if (group.holders.size() > kHolders)
    holders += fmt::format(" and {} more", group.holders.size() - kHolders);
  add_fact(document, "holders", holders.empty() ? "none is visible" : holders, width);
  if (!group.cgroup.empty())
    add_fact(document, "service", printable(service_of(group.cgroup)), width);
  document.add("");
  add_fact(document, "what", at->text.what, width);
  add_lines_of_code(document, at->where, width);
  add_fact(document, "next", at->text.next, width);
  document.add("");
  document.lines.push_back({.spans = heading_of(Item::Member, look, width)});
  for (const std::size_t member : group.members) {
    document.begin_item({Item::Member, key_of(look.flags[member])});
    document.lines.push_back({.row = Item::Member, .index = member});
    document.end_item();
  }
  return document;
}

Document help_page(const Setting& setting, int width) {
  Document document;
  const auto key = [&](std::string_view keys, std::string_view what) {
    const auto first = document.lines.size();
    document.add_wrapped(what, width - 17, 16);
    auto& spans = document.lines[first].spans;
    spans.insert(spans.begin(), Span{2, std::string(keys), {Tone::Plain, true, false}, 14});
  };
  document.add("KEYS", kTitle);
  key("↑ ↓ j k", "select a line; the order of the lines stays while one is selected");
  key("PgUp PgDn", "a screen up or down");
  key("Home End", "the first or last line");
  key("Tab", "the next section");
  key("Enter", "more about the selected line");
  key("Esc", "back; then: no selection, no grouping, no filter");
  key("/", "filter, for example: 8080, nginx, close_wait, 10.0.0.7. Empty: all");
  key("s  S", "sort by another column; the other way round");
  key("g", "sum up by owner, service, port, peer, namespace; again: the next");
  key("y", "copy the selected line's command or addresses (OSC 52)");
  if (setting.replay) {
    key("← →", "a second back or forth");
    key("[ ]", "a minute back or forth");
    key("T", "jump to a time: 03:12, 03:12:05, +90s (after the beginning)");
  } else {
    key("Space", "freeze the screen, and continue");
  }
  key("Ctrl-L", "draw the screen anew");
  key("q Ctrl-C", "quit");
  document.add("");
  document.add("SIGNS", kTitle);
  key("!", "stuck: longer in its state than the threshold, see --flag");
  key("?", "the kernel will end it, or its age is not certain");
  key("≥", "a lower bound: it began before the run");
  key("~", "not exact");
  key("<", "an upper bound of an age that is not known");
  return document;
}

}  // namespace tcpdwell::top
