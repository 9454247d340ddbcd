// SPDX-License-Identifier: Apache-2.0
// What a walk read of MPTCP, as the bytes of an entry, and back.
#pragma once

#include "model/event.h"
#include "recording/pack.h"

namespace tcpdwell::recording {

void put_subflow(Packer& packer, const MptcpSubflow& subflow);
// Whole only if the unpacker says so.
MptcpSubflow get_subflow(Unpacker& unpacker);

}  // namespace tcpdwell::recording
