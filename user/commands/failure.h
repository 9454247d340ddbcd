// SPDX-License-Identifier: Apache-2.0
// The exit for exceptions that nothing handles, such as no memory or no thread: one line on stderr
// and the documented exit status, never a crash.
#pragma once

namespace tcpdwell {

// Call it within a catch block: prints the exception to stderr. Allocates nothing.
void print_exception() noexcept;
// std::terminate() prints the exception and exits with `status` from now on.
void exit_on_terminate(int status);

}  // namespace tcpdwell
