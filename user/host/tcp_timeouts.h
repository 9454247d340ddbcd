// SPDX-License-Identifier: Apache-2.0
// How long the kernel's TCP timers really take, computed as the kernel does it. Pure: what it
// depends on (HZ, sysctls) is handed in.
#pragma once

#include "model/types.h"

namespace tcpdwell {

// When a timer that was armed for a timeout fires: later than `min`, at `max` at the latest, but
// for a CPU that is late itself.
struct TimerBounds {
  Nanos min{};
  Nanos max{};
};

// The timer wheel (kernel/time/timer.c) has levels of ever coarser slots: level n takes what is
// less than 63 * 8^n jiffies away, in slots of 8^n, and a timer fires at the end of its slot.
TimerBounds timer_bounds(Nanos timeout, unsigned hz);

inline constexpr Nanos kRtoMin = std::chrono::milliseconds{200};  // TCP_RTO_MIN
inline constexpr Nanos kRtoMax = std::chrono::seconds{120};       // TCP_RTO_MAX
inline constexpr Nanos kInitialRto = std::chrono::seconds{1};     // TCP_TIMEOUT_INIT

// tcp_model_timeout(): how long `retries` retransmissions would take if the first came after
// `first`. The kernel compares time with it, whatever the connection's own timeouts are.
Nanos model_timeout(unsigned retries, Nanos first, Nanos rto_max);

// How long a connect() that nothing answers lasts: `linear` timeouts do not double. It is over
// after as many retransmissions as both allow, or as soon as the model for `retries` is.
Nanos syn_timeout(unsigned retries, unsigned linear, Nanos rto_max);

// How long a half-open connection lasts that nothing answers.
Nanos syn_ack_timeout(unsigned retries, Nanos rto_max);

// How long an orphan waits in FIN_WAIT_2. More than TIME_WAIT's 60 s are waited in two parts, of
// which each is what is above 60 s.
Nanos orphan_timeout(Nanos fin_timeout);

}  // namespace tcpdwell
