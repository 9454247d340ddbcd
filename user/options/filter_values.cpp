// SPDX-License-Identifier: Apache-2.0
#include "options/filter_values.h"

#include <CLI/CLI.hpp>
#include <cstring>
#include <optional>
#include <string_view>

#include "options/option_values.h"
#include "options/service_names.h"
#include "options/suggest.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostValues = 256;

void check_count(const std::string& option, const std::vector<std::string>& texts) {
  if (texts.size() > kMostValues)
    throw CLI::ValidationError(option, "takes " + std::to_string(kMostValues) + " values at most");
}

std::optional<std::uint16_t> port_number(std::string_view text) {
  const auto port = number(text);
  if (!port || *port == 0 || *port > UINT16_MAX) return std::nullopt;
  return static_cast<std::uint16_t>(*port);
}

// A name may have a dash, too: only two numbers make a range.
std::optional<PortMatch> parse_port(std::string_view text) {
  if (const auto port = port_number(text)) return PortMatch(*port);
  const auto dash = text.find('-');
  if (dash != std::string_view::npos) {
    const auto first = port_number(text.substr(0, dash)), last = port_number(text.substr(dash + 1));
    if (first && last)
      return *first <= *last ? std::optional(PortMatch(*first, *last)) : std::nullopt;
  }
  if (const auto port = service_port(text)) return PortMatch(*port);
  return std::nullopt;
}

// Sets the port of `match`; false: invalid.
bool take_port(std::string_view text, EndMatch& match) {
  match.port = parse_port(text);
  return match.port.has_value();
}

std::optional<EndMatch> parse_end(std::string_view text) {
  EndMatch match;
  const auto colon = text.rfind(':');
  if (text.starts_with('[')) {
    const auto bracket = text.find(']');
    if (bracket == std::string_view::npos) return std::nullopt;
    match.addr = parse_cidr(text.substr(1, bracket - 1));
    const std::string_view rest = text.substr(bracket + 1);
    const bool is_ok = rest.empty() || (rest.starts_with(':') && take_port(rest.substr(1), match));
    return match.addr && is_ok ? std::optional(match) : std::nullopt;
  }
  if (colon == std::string_view::npos || text.find(':') != colon) {  // without a port
    match.addr = parse_cidr(text);
    return match.addr ? std::optional(match) : std::nullopt;
  }
  const std::string_view address = text.substr(0, colon);
  if (!address.empty() && address != "*") {
    match.addr = parse_cidr(address);
    if (!match.addr) return std::nullopt;
  }
  return take_port(text.substr(colon + 1), match) ? std::optional(match) : std::nullopt;
}

}  // namespace

PortList port_list(const std::string& option, const std::vector<std::string>& texts) {
  check_count(option, texts);
  PortList ports;
  for (const std::string& text : texts) {
    const auto port = parse_port(text);
    if (!port)
      refuse(option, text, "a port (1 to 65535), a range (80-90) or a service of /etc/services");
    ports.push_back(*port);
  }
  return ports;
}

std::vector<Cidr> cidr_list(const std::vector<std::string>& texts) {
  check_count("--addr", texts);
  std::vector<Cidr> cidrs;
  for (const std::string& text : texts) {
    const auto cidr = parse_cidr(text);
    if (!cidr) refuse("--addr", text, "an address or block (10.0.0.0/8, ::1, 2001:db8::/32)");
    cidrs.push_back(*cidr);
  }
  return cidrs;
}

std::vector<EndMatch> end_list(const std::string& option, const std::vector<std::string>& texts) {
  check_count(option, texts);
  std::vector<EndMatch> ends;
  for (const std::string& text : texts) {
    const auto end = parse_end(text);
    if (!end)
      refuse(option, text, "an address with or without a port (10.0.0.1:80, [::1]:80-90, :http)");
    ends.push_back(*end);
  }
  return ends;
}

std::vector<std::string> comm_list(const std::vector<std::string>& texts) {
  check_count("--comm", texts);
  std::vector<std::string> comms;
  for (const std::string& text : texts) {
    if (text.empty()) refuse("--comm", text, "the name of a process");
    comms.push_back(text.substr(0, sizeof(Process::comm) - 1));
  }
  return comms;
}

std::vector<std::uint32_t> pid_list(const std::vector<std::string>& texts) {
  check_count("--pid", texts);
  std::vector<std::uint32_t> pids;
  for (const std::string& text : texts) {
    const auto pid = number(text);
    if (!pid || *pid == 0 || *pid > INT32_MAX) refuse("--pid", text, "a process id");
    pids.push_back(static_cast<std::uint32_t>(*pid));
  }
  return pids;
}

std::bitset<kStates> state_set(const std::vector<std::string>& texts) {
  std::bitset<kStates> states;
  for (const std::string& text : texts) {
    const auto state = parse_state(text);
    if (!state)
      refuse(
          "--state", text,
          "a TCP state (CLOSE_WAIT, fin-wait-2, estab, ...)" + did_you_mean(text, state_names()));
    states.set(index(*state));
  }
  return states;
}

}  // namespace tcpdwell
