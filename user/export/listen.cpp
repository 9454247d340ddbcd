// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <charconv>
#include <optional>
#include <string_view>
#include <variant>

#include "export/http_server.h"

namespace tcpdwell::exporter {
namespace {

constexpr int kBacklog = 128;

using Address = std::variant<sockaddr_in, sockaddr_in6>;

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

std::optional<Address> parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = port_of(text.substr(colon + 1));
  std::string host(text.substr(0, colon));
  if (!port) return std::nullopt;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(*port);
    host = host.substr(1, host.size() - 2);
    if (::inet_pton(AF_INET6, host.c_str(), &address.sin6_addr) != 1) return std::nullopt;
    return address;
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(*port);
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) return std::nullopt;
  return address;
}

}  // namespace

Result<UniqueFd> listen_on(const std::string& text) {
  const std::string doing = "--listen " + text;
  const auto address = parse(text);
  if (!address)
    return Error{doing + ": is not an address and a port in numbers",
                 {},
                 "Examples: 127.0.0.1:9853, [::1]:9853, 0.0.0.0:9853"};
  const int family = std::holds_alternative<sockaddr_in>(*address) ? AF_INET : AF_INET6;
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return system_error(doing);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const int bound = std::visit(
      [&](const auto& raw) {
        return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&raw), sizeof raw);
      },
      *address);
  if (bound != 0 || ::listen(fd.get(), kBacklog) != 0)
    return system_error(doing, 0, "Choose another address or port");
  return fd;
}

}  // namespace tcpdwell::exporter
