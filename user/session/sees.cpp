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
          {"reset_reason", exactly(sees.resets)}};
}

std::vector<Limitation> missing_by_kernel(const Sees& sees) {
  std::vector<Limitation> missing;
  if (!sees.tracing) return missing;
  if (!sees.minisock_segments)
    missing.push_back(
        {.what =
             "neither kfree_skb shows its socket nor can tcp_timewait_state_process() be traced",
         .effect = "when an orphan goes from FIN_WAIT_2 to TIME_WAIT is known at the end of its "
                   "TIME_WAIT, to a tick",
         .hint = "A kernel from 6.11, or one that can trace functions (fexit)"});
  if (!sees.resets)
    missing.push_back({.what = "the tracepoint tcp_send_reset cannot be attached to",
                       .effect =
                           "an RST that was sent is not told from one that was received: such "
                           "ends are `unknown`",
                       .hint = "Another kernel"});
  return missing;
}

}  // namespace tcpdwell
