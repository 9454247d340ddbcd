// SPDX-License-Identifier: Apache-2.0
// `leaks`: what is stuck now. No event is traced: the kernel is asked, once or again and again.
#pragma once

#include <functional>
#include <optional>

#include "session/session.h"

namespace tcpdwell {

struct LeaksConfig {
  SessionConfig session;
  std::uint64_t ring_bytes = 0;
  std::optional<Nanos> watch;     // from one look to the next; nullopt: one look
  std::optional<Nanos> duration;  // of all of them together
};

// Every look that was completed writes its flags to `sink`; then `looked` is called with its end. A
// start record comes before the first, an end record after the last, which is returned. nullopt:
// none was completed, and nothing is known: a signal came or the kernel refused an answer, which a
// line on stderr has told, or nobody reads the output any more.
Result<std::optional<EndRecord>> find_leaks(const LeaksConfig& config, Sink& sink, Output& output,
                                            const std::function<void(const EndRecord&)>& looked);

}  // namespace tcpdwell
