// SPDX-License-Identifier: Apache-2.0
// How long the kernel's TCP timers really take, computed as the kernel does. Pure: the caller
// passes HZ and sysctls.
#pragma once

#include "model/types.h"

namespace tcpdwell {

// When a timer fires after it was armed: after more than `min` and at most `max`. Later only if the
// CPU itself is late.
struct TimerBounds {
  Nanos min{};
  Nanos max{};
};

// The timer wheel (kernel/time/timer.c) has levels of increasing granularity. Level n takes timers
// that are less than 63 * 8^n jiffies away; its slots are 8^n jiffies long. A timer fires at the
// end of its slot.
TimerBounds timer_bounds(Nanos timeout, unsigned hz);

inline constexpr Nanos kRtoMin = std::chrono::milliseconds{200};  // TCP_RTO_MIN
inline constexpr Nanos kRtoMax = std::chrono::seconds{120};       // TCP_RTO_MAX
inline constexpr Nanos kInitialRto = std::chrono::seconds{1};     // TCP_TIMEOUT_INIT

// tcp_model_timeout(): how long `retries` retransmissions take if the first one comes after
// `first`. The kernel compares elapsed time with this model, not with the connection's own RTO.
Nanos model_timeout(unsigned retries, Nanos first, Nanos rto_max);

// How long an unanswered connect() lasts. The first `linear` retransmissions do not double the
// timeout. connect() fails after `retries` + `linear` retransmissions, or once the model timeout
// for `retries` has passed.
Nanos syn_timeout(unsigned retries, unsigned linear, Nanos rto_max);

// How long a half-open connection lasts without an answer.
Nanos syn_ack_timeout(unsigned retries, Nanos rto_max);

// How long an orphan stays in FIN_WAIT_2. For a tcp_fin_timeout above TCP_TIMEWAIT_LEN (60 s) the
// kernel waits twice, each time for the excess over 60 s.
Nanos orphan_timeout(Nanos fin_timeout);

}  // namespace tcpdwell
