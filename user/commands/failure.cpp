// SPDX-License-Identifier: Apache-2.0
#include "commands/failure.h"

#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <exception>
#include <new>

namespace tcpdwell {
namespace {

// A terminate handler takes no arguments.
std::atomic<int> terminate_status{2};

void print(const char* what) noexcept {
  const auto part = [](const char* text) {
    return iovec{const_cast<char*>(text), std::strlen(text)};
  };
  const std::array<iovec, 3> line = {part("tcpdwell: "), part(what), part("\n")};
  [[maybe_unused]] const auto written = ::writev(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void print_exception() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    print("out of memory");
  } catch (const std::exception& error) {
    print(error.what());
  } catch (...) {
    print("unknown exception");
  }
}

void exit_on_terminate(int status) {
  terminate_status = status;
  std::set_terminate([] {
    if (std::current_exception()) print_exception();
    ::_exit(terminate_status);
  });
}

}  // namespace tcpdwell
