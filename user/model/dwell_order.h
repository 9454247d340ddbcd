// SPDX-License-Identifier: Apache-2.0
// The order in which the states of a connection are printed: the order of its life.
#pragma once

#include <array>

#include "model/types.h"

namespace tcpdwell {

// CLOSED has no dwell.
inline constexpr std::array kDwellOrder = {
    State::Listen,   State::SynSent,   State::SynReceived, State::Established, State::FinWait1,
    State::FinWait2, State::CloseWait, State::Closing,     State::LastAck,     State::TimeWait};

}  // namespace tcpdwell
