// SPDX-License-Identifier: Apache-2.0
// `replay FILE top`: the screen of `top`, at any time of a recording.
#pragma once

#include "commands/open_recording.h"
#include "options/options.h"
#include "top/terminal.h"

namespace tcpdwell {

// Returns the exit status. Call it before any other thread exists: it forks.
int replay_top(const Options& options, OpenRecording& recording, top::Terminal& terminal);

}  // namespace tcpdwell
