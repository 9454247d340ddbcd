// SPDX-License-Identifier: Apache-2.0
#include "options/filter_words.h"

#include <CLI/CLI.hpp>
#include <stdexcept>

#include "options/filter_values.h"
#include "options/option_values.h"

namespace tcpdwell {
namespace {

using Values = std::vector<std::string>;

template <typename T>
void append(std::vector<T>& to, const std::vector<T>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

const std::string& only(const char* option, const Values& values) {
  if (values.size() != 1) throw CLI::ValidationError(option, "takes one value");
  return values.front();
}

constexpr std::array<FilterWord, kFilterWords> kWords{{
    {"port", "P,...", "Local or remote port: a number, a range (80-90) or a service (http)", true,
     [](Filter& filter, const Values& values, bool) {
       append(filter.ports, port_list("--port", values));
     }},
    {"lport", "P,...", "Local port", true,
     [](Filter& filter, const Values& values, bool) {
       append(filter.local_ports, port_list("--lport", values));
     }},
    {"rport", "P,...", "Remote port", true,
     [](Filter& filter, const Values& values, bool) {
       append(filter.remote_ports, port_list("--rport", values));
     }},
    {"addr", "CIDR,...", "Local or remote address, or a block of addresses", true,
     [](Filter& filter, const Values& values, bool) { append(filter.addrs, cidr_list(values)); }},
    {"local", "ADDR[:P],...",
     "Local address or block, port, or both: 10.0.0.1:80, [::1]:80-90, :http", true,
     [](Filter& filter, const Values& values, bool) {
       append(filter.locals, end_list("--local", values));
     }},
    {"remote", "ADDR[:P],...", "Remote address or block, port, or both", true,
     [](Filter& filter, const Values& values, bool) {
       append(filter.remotes, end_list("--remote", values));
     }},
    {"pid", "P,...", "Process ID of the owner", true,
     [](Filter& filter, const Values& values, bool) { append(filter.pids, pid_list(values)); }},
    {"comm", "NAME,...", "Name of the owner's process, as in /proc/PID/comm", true,
     [](Filter& filter, const Values& values, bool) { append(filter.comms, comm_list(values)); }},
    {"cgroup", "PATH", "Cgroup of the owner: this one or one below it", false,
     [](Filter& filter, const Values& values, bool recorded) {
       const std::string& path = only("--cgroup", values);
       filter.cgroup = recorded ? path : cgroup_value(path);
     }},
    {"netns", "NS",
     "Network namespace: a name as `ip netns` lists it, a path, an inode number, or self", false,
     [](Filter& filter, const Values& values, bool) {
       filter.netns = netns_value(only("--netns", values));
     }},
    {"state", "S,...", "Transitions that leave or enter one of these states", true,
     [](Filter& filter, const Values& values, bool) { filter.states |= state_set(values); }},
    {"min-dwell", "D",
     "Transitions out of a state, and connections with a state, that lasted D or longer", false,
     [](Filter& filter, const Values& values, bool) {
       filter.min_dwell = duration_value("--min-dwell", only("--min-dwell", values));
     }},
}};

const FilterWord* find_word(std::string_view name) {
  for (const FilterWord& word : kWords)
    if (word.name == name) return &word;
  return nullptr;
}

// "a,b" -> {"a", "b"}, with empty values
Values split(std::string_view text) {
  Values values;
  for (std::size_t comma = 0; comma != std::string_view::npos;) {
    comma = text.find(',');
    values.emplace_back(text.substr(0, comma));
    if (comma != std::string_view::npos) text.remove_prefix(comma + 1);
  }
  return values;
}

}  // namespace

std::span<const FilterWord, kFilterWords> filter_words() { return kWords; }

const std::vector<std::string>& FilterTexts::of(std::string_view name) const {
  for (std::size_t i = 0; i < kFilterWords; ++i)
    if (name == kWords[i].name) return values[i];
  throw std::logic_error("no such filter");
}

Filter filter_of(const FilterTexts& texts, bool recorded) {
  if (texts.ipv4 && texts.ipv6) throw CLI::ExcludesError("-4", "-6");
  Filter filter;
  if (texts.ipv4) filter.family = Family::Ipv4;
  if (texts.ipv6) filter.family = Family::Ipv6;
  for (std::size_t i = 0; i < kFilterWords; ++i)
    if (!texts.values[i].empty()) kWords[i].add(filter, texts.values[i], recorded);
  std::bitset<kStates> closed;
  closed.set(index(State::Closed));
  if (filter.min_dwell.count() > 0 && filter.states == closed)
    throw CLI::ValidationError("--min-dwell", "no connection stays in CLOSED");
  return filter;
}

std::optional<Error> add_filter(std::string_view word, Filter& filter) {
  if (word == "-4" || word == "-6") {
    filter.family = word == "-4" ? Family::Ipv4 : Family::Ipv6;
    return std::nullopt;
  }
  const auto equals = word.find('=');
  const FilterWord* found = find_word(word.substr(0, equals));
  if (found == nullptr || equals == std::string_view::npos)
    return Error{'"' + std::string(word) + "\" is not a filter (lport=80, comm=nginx)", {}, {}};
  const std::string_view value = word.substr(equals + 1);
  try {
    found->add(filter, found->is_list ? split(value) : Values{std::string(value)}, false);
  } catch (const CLI::ParseError& error) {
    return Error{error.what(), {}, {}};
  }
  return std::nullopt;
}

}  // namespace tcpdwell
