// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes the entry of a suspension of the host.
#pragma once

#include "model/suspend_event.h"
#include "recording/pack.h"

namespace tcpdwell::recording {

void put_suspended(Packer& packer, const SuspendEvent& suspended);
// Valid only if unpacker.ok().
SuspendEvent get_suspended(Unpacker& unpacker);

}  // namespace tcpdwell::recording
