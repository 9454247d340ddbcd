// SPDX-License-Identifier: Apache-2.0
#include "commands/failure.h"

#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <exception>
#include <new>

#include "commands/command.h"

namespace tcpdwell {
namespace {

void tell(const char* what) noexcept {
  const auto part = [](const char* text) {
    return iovec{const_cast<char*>(text), std::strlen(text)};
  };
  const std::array<iovec, 3> line = {part("tcpdwell: "), part(what), part("\n")};
  [[maybe_unused]] const auto written = ::writev(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void tell_what_was_thrown() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    tell("out of memory");
  } catch (const std::exception& error) {
    tell(error.what());
  } catch (...) {
    tell("something unknown was thrown");
  }
}

template <int Status>
void end_with_status() {
  std::set_terminate([] {
    if (std::current_exception()) tell_what_was_thrown();
    ::_exit(Status);
  });
}

template void end_with_status<2>();
template void end_with_status<kOwnFailure>();

}  // namespace tcpdwell
