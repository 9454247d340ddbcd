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

bool has_words(const std::vector<std::string>& words, const SocketInfo& socket, State state) {
  const Flow& flow = socket.flow;
  std::string text = format_endpoint(flow.local, flow.family) + ' ' +
                     format_endpoint(flow.remote, flow.family) + ' ' + std::string(name(state));
  if (socket.owner) text += ' ' + format_process(socket.owner->process);
  if (!socket.cgroup.empty()) text += ' ' + service_of(socket.cgroup);
  text = lower(text);
  return std::all_of(words.begin(), words.end(),
                     [&](const std::string& word) { return text.find(word) != std::string::npos; });
}

}  // namespace

bool Match::passes(const OpenConnection& connection, Nanos now) const {
  if (all) return true;
  if (filter.states.any() && !filter.states.test(index(connection.state()))) return false;
  SocketInfo socket;
  socket.flow = connection.flow();
  if (const Process* owner = connection.owner())
    socket.owner = Owner{*owner, connection.owner_via()};
  if (const std::string* path = connection.cgroup()) socket.cgroup = *path;
  return passes(socket, connection.state(), now - connection.entered());
}

bool Match::passes(const SocketInfo& socket, State state, Nanos dwell) const {
  return all || (tcpdwell::passes(filter, socket, state, dwell) &&
                 (words.empty() || has_words(words, socket, state)));
}

Result<Match> free_text(std::string_view text) {
  Match match;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    if (end > 0) match.words.push_back(lower(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  match.all = match.words.empty();
  return match;
}

}  // namespace tcpdwell::top
