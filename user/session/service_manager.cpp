// SPDX-License-Identifier: Apache-2.0
#include "session/service_manager.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace tcpdwell {
namespace {

constexpr int kFirstPassed = 3;  // SD_LISTEN_FDS_START

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_for_us(std::string_view pid) { return pid.empty() || number_of(pid) == ::getpid(); }

int option_of(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

}  // namespace

ServiceManager::ServiceManager() : socket_(variable("NOTIFY_SOCKET")) {
  const auto microseconds = number_of(variable("WATCHDOG_USEC"));
  if (microseconds && *microseconds > 0 && is_for_us(variable("WATCHDOG_PID")))
    period_ = std::chrono::microseconds{*microseconds} / 2;
}

void ServiceManager::alive(std::chrono::nanoseconds now) {
  if (!period_ || now < next_) return;
  next_ = now + *period_;
  notify("WATCHDOG=1");
}

// A name that begins with '@' is in the abstract namespace.
void ServiceManager::notify(std::string_view state) const {
  sockaddr_un address{};
  if (socket_.empty() || socket_.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd)
    (void)::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
                   reinterpret_cast<const sockaddr*>(&address), size);
}

std::optional<Result<UniqueFd>> passed_socket() {
  const auto count = number_of(variable("LISTEN_FDS"));
  if (!count || *count < 1 || number_of(variable("LISTEN_PID")) != ::getpid()) return std::nullopt;
  UniqueFd fd(kFirstPassed);
  if (option_of(fd.get(), SO_ACCEPTCONN) != 1 || option_of(fd.get(), SO_TYPE) != SOCK_STREAM)
    return Error{"the socket that was passed by socket activation does not listen for connections",
                 {},
                 "Use ListenStream= in the .socket unit"};
  ::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  return Result<UniqueFd>(std::move(fd));
}

}  // namespace tcpdwell
