// SPDX-License-Identifier: Apache-2.0
// Why this kernel would not take a BPF program: which feature is missing, or who refuses it. Asked
// after a failure only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell {

// What a refusal of the least thing says about all the rest.
struct Circumstances {
  int least_program = 0;           // the errno of the least program that there is; 0: it loads
  std::vector<std::string> lacks;  // features that no command can do without
  bool user_namespace = false;     // root here is nobody outside
  bool seccomp = false;            // a filter looks at the system calls of this process
};
Circumstances look_around();

// One sentence or two, without the last full stop. `log` is what libbpf and the verifier said.
std::string why_refused(std::string_view log, const Circumstances& circumstances);

}  // namespace tcpdwell
