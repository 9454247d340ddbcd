// SPDX-License-Identifier: Apache-2.0
// Tells a person at a terminal what a run does while it prints nothing.
#pragma once

#include <functional>
#include <string>

#include "options/options.h"
#include "session/session.h"

namespace tcpdwell {

// "watching 1,234 sockets in 3 network namespaces": what passes the filter, and in brackets all of
// them if that is more.
std::string watching_text(const Lifecycle& lifecycle);

// "7 s", "1m10s": without fractions, which would flicker.
std::string seconds_text(Nanos time);

// Shows a line that is overwritten once a second. `text`: its contents; empty: it is over, and the
// line is cleared. Returns an empty function with --quiet and where stderr is not a terminal.
std::function<void(const Session&)> progress(
    const Options& options, std::function<std::string(const Session&, Nanos elapsed)> text);

}  // namespace tcpdwell
