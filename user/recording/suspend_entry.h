// SPDX-License-Identifier: Apache-2.0
// A suspension of the host, as the bytes of an entry, and back.
#pragma once

#include "model/suspend_event.h"
#include "recording/pack.h"

namespace tcpdwell::recording {

void put_suspended(Packer& packer, const SuspendEvent& suspended);
// Whole, and one that can be, only if the unpacker says so.
SuspendEvent get_suspended(Unpacker& unpacker);

}  // namespace tcpdwell::recording
