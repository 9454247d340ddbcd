// SPDX-License-Identifier: Apache-2.0
// Errors of the code that talks to the system: the operation that failed, the reason, and what to
// do. The pure code has no errors. Only main maps an error to an exit status.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

namespace tcpdwell {

struct Error {
  std::string doing;         // "attaching to sock:inet_sock_set_state"
  std::error_code code;      // none: `doing` contains the reason
  std::string hint;          // what to do, a sentence; empty: none
  std::string text() const;  // one line
};

// The code is -rc if `rc` is negative, else errno. libbpf reports errors both ways.
Error system_error(std::string_view doing, int rc = 0, std::string_view hint = {});

template <typename T>
class Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::move(error)) {}  // NOLINT(google-explicit-constructor)
  explicit operator bool() const { return std::holds_alternative<T>(state_); }
  T& operator*() { return std::get<T>(state_); }
  T* operator->() { return &std::get<T>(state_); }
  const Error& error() const { return std::get<Error>(state_); }

 private:
  std::variant<T, Error> state_;
};

}  // namespace tcpdwell
