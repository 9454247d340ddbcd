// SPDX-License-Identifier: Apache-2.0
// Explains why this kernel refuses a BPF program: a missing feature, or a policy. Used only after a
// failure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell {

// Circumstances of the refusal.
struct Circumstances {
  int least_program = 0;           // errno of loading the smallest possible program; 0: it loads
  std::vector<std::string> lacks;  // missing features that every command needs
  bool user_namespace = false;     // we are root only inside a user namespace
  bool seccomp = false;            // a filter checks our system calls
};
Circumstances look_around();

// Advice of one or two sentences, without the last full stop. `log`: output of libbpf and the
// verifier.
std::string why_refused(std::string_view log, const Circumstances& circumstances);

}  // namespace tcpdwell
