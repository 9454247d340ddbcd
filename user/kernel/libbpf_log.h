// SPDX-License-Identifier: Apache-2.0
// Keeps the output of libbpf and the verifier, to explain a failure in one line. --verbose prints
// it.
#pragma once

#include <string>
#include <string_view>

namespace tcpdwell {

// Collects from construction on, for the rest of the process.
class LibbpfLog {
 public:
  LibbpfLog();
  // While an object lives, the output of libbpf is dropped.
  class Quiet {
   public:
    Quiet();
    ~Quiet();
    Quiet(const Quiet&) = delete;
    Quiet& operator=(const Quiet&) = delete;
  };
  // The last output, at most 64 KiB.
  static std::string_view text();
  // The advice for the last failure in the log.
  static std::string hint();
};

}  // namespace tcpdwell
