// SPDX-License-Identifier: Apache-2.0
// What libbpf and the verifier print: kept, so that a failure can be explained in one line, and
// shown only with --verbose.
#pragma once

#include <string>
#include <string_view>

namespace tcpdwell {

// Collects from construction on, for the rest of the process.
class LibbpfLog {
 public:
  LibbpfLog();
  // While one of these lives, what libbpf says is dropped.
  class Quiet {
   public:
    Quiet();
    ~Quiet();
    Quiet(const Quiet&) = delete;
    Quiet& operator=(const Quiet&) = delete;
  };
  // What was said last, 64 KiB at most.
  static std::string_view text();
  // What a person can do about the failure that was logged last.
  static std::string hint();
};

}  // namespace tcpdwell
