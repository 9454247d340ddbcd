// SPDX-License-Identifier: Apache-2.0
// Puts the native and the Python frames of a thread together.
#pragma once

#include <functional>
#include <optional>

#include "where/packing.h"
#include "where/process_view.h"
#include "where/python_frames.h"
#include "where/unwinder.h"

namespace tcpdwell {

// Names a call: name_call(), or a cache of it.
using NameCall = std::function<Stack(std::uint64_t address)>;

// The native frames down to those of the interpreter, then the Python frames.
ResolvedStack put_together(const ProcessView& process, const Calls& calls, Stack python_frames,
                           const std::optional<PythonInterpreter>& python, const NameCall& name);

}  // namespace tcpdwell
