// SPDX-License-Identifier: Apache-2.0
#include "top/match.h"

#include <algorithm>

#include "host/service.h"
#include "sinks/text_format.h"

namespace tcpdwell::top {
namespace {

std::string lower(std::string_view text) {
  std::string all(text);
  std::transform(all.begin(), all.end(), all.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return all;
}

std::optional<std::string> path_of(std::string_view cgroup) {
  return cgroup.empty() ? std::nullopt : std::optional<std::string>(cgroup);
}

bool has_words(const std::vector<std::string>& words, const Flow& flow, State state,
               const Process* owner, std::string_view cgroup) {
  std::string text = format_endpoint(flow.local, flow.family) + ' ' +
                     format_endpoint(flow.remote, flow.family) + ' ' + std::string(name(state));
  if (owner != nullptr) text += ' ' + format_process(*owner);
  if (!cgroup.empty()) text += ' ' + service_of(cgroup);
  text = lower(text);
  return std::all_of(words.begin(), words.end(),
                     [&](const std::string& word) { return text.find(word) != std::string::npos; });
}

bool passes_filter(const Filter& filter, const Flow& flow, State state,
                   const std::optional<Owner>& owner, std::string_view cgroup) {
  return (filter.states.none() || filter.states.test(index(state))) &&
         filter.on_flow(flow, true) == Verdict::Show &&
         filter.on_owner(owner, path_of(cgroup), true) == Verdict::Show;
}

}  // namespace

bool Match::passes(const OpenConnection& connection) const {
  if (filter.states.any() && !filter.states.test(index(connection.state()))) return false;
  const Process* process = connection.owner();
  std::optional<Owner> owner;
  if (process != nullptr) owner = Owner{*process, connection.owner_via()};
  const std::string* path = connection.cgroup();
  const std::string_view cgroup = path != nullptr ? std::string_view(*path) : std::string_view();
  const Flow flow = connection.flow();
  return passes_filter(filter, flow, connection.state(), owner, cgroup) &&
         (words.empty() || has_words(words, flow, connection.state(), process, cgroup));
}

bool Match::passes(const SocketInfo& socket, State state) const {
  const Process* process = socket.owner ? &socket.owner->process : nullptr;
  return passes_filter(filter, socket.flow, state, socket.owner, socket.cgroup) &&
         (words.empty() || has_words(words, socket.flow, state, process, socket.cgroup));
}

Result<Match> free_text(std::string_view text) {
  Match match;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    if (end > 0) match.words.push_back(lower(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return match;
}

}  // namespace tcpdwell::top
