// SPDX-License-Identifier: Apache-2.0
#include "model/types.h"

#include <arpa/inet.h>

#include <cctype>
#include <cstring>

namespace tcpdwell {
namespace {

constexpr std::array<std::string_view, kStates> kStateNames = {
    "",          "ESTABLISHED", "SYN_SENT",   "SYN_RECEIVED", "FIN_WAIT_1", "FIN_WAIT_2",
    "TIME_WAIT", "CLOSED",      "CLOSE_WAIT", "LAST_ACK",     "LISTEN",     "CLOSING"};

struct Spelling {
  std::string_view text;  // upper case, without separators and TCP_
  State state;
};
constexpr Spelling kSpellings[] = {{"ESTABLISHED", State::Established},
                                   {"ESTAB", State::Established},
                                   {"SYNSENT", State::SynSent},
                                   {"SYNRECEIVED", State::SynReceived},
                                   {"SYNRECV", State::SynReceived},
                                   {"NEWSYNRECV", State::SynReceived},
                                   {"FINWAIT1", State::FinWait1},
                                   {"FINWAIT2", State::FinWait2},
                                   {"TIMEWAIT", State::TimeWait},
                                   {"CLOSED", State::Closed},
                                   {"CLOSE", State::Closed},
                                   {"UNCONN", State::Closed},
                                   {"CLOSEWAIT", State::CloseWait},
                                   {"LASTACK", State::LastAck},
                                   {"LISTEN", State::Listen},
                                   {"LISTENING", State::Listen},
                                   {"CLOSING", State::Closing}};

}  // namespace

std::optional<State> to_state(std::uint8_t kernel_value) {
  constexpr std::uint8_t kNewSynRecv = 12;
  if (kernel_value == kNewSynRecv) return State::SynReceived;
  if (kernel_value == 0 || kernel_value >= kStates) return std::nullopt;
  return static_cast<State>(kernel_value);
}

std::string_view name(State state) { return kStateNames[index(state)]; }

std::optional<State> parse_state(std::string_view text) {
  std::string plain;
  for (const char c : text)
    if (c != '_' && c != '-')
      plain += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::string_view wanted = plain;
  if (wanted.starts_with("TCP")) wanted.remove_prefix(3);
  for (const Spelling& spelling : kSpellings)
    if (spelling.text == wanted) return spelling.state;
  return std::nullopt;
}

std::string format_address(const Endpoint& end, Family family) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int af = family == Family::Ipv4 ? AF_INET : AF_INET6;
  if (!::inet_ntop(af, end.addr.data(), text.data(), text.size())) return {};
  return text.data();
}

std::string_view Process::comm_view() const {
  return {comm.data(), ::strnlen(comm.data(), comm.size())};
}

std::string_view name(Via via) {
  switch (via) {
    case Via::Connect: return "connect";
    case Via::Listen: return "listen";
    case Via::Accept: return "accept";
    case Via::Close: return "close";
    case Via::Fd: return "fd";
  }
  return "";
}

}  // namespace tcpdwell
