// SPDX-License-Identifier: Apache-2.0
#include "session/sees.h"

namespace tcpdwell {
namespace {

std::string exactly(bool yes) { return yes ? "exact" : "no"; }

}  // namespace

std::vector<std::pair<std::string, std::string>> sees_words(const Sees& sees) {
  const std::string orphan = !sees.tracing ? "no" : sees.minisock_segments ? "exact" : "jiffy";
  return {{"time_wait", orphan},
          {"fin_wait_2_orphan", orphan},
          {"syn_received", exactly(sees.tracing)},
          {"accept_owner", exactly(sees.accept)},
          {"reset_reason", exactly(sees.resets)},
          {"opened", exactly(sees.opened)},
          {"eof_read", exactly(sees.eof_read)}};
}

std::vector<Limitation> missing_by_kernel(const Sees& sees) {
  std::vector<Limitation> missing;
  if (!sees.tracing) return missing;
  if (!sees.minisock_segments)
    missing.push_back(
        {.what = "kfree_skb has no socket, and tcp_timewait_state_process() cannot be traced",
         .effect =
             "the change of an orphan from FIN_WAIT_2 to TIME_WAIT is known only at the end of "
             "TIME_WAIT, to a tick",
         .hint = "Use Linux 6.11 or later, or a kernel that can trace functions (fexit)"});
  if (!sees.resets)
    missing.push_back({.what = "cannot attach to the tracepoint tcp_send_reset",
                       .effect = "a sent RST looks like a received one: such ends are `unknown`",
                       .hint = "Use a kernel that has it"});
  return missing;
}

}  // namespace tcpdwell
