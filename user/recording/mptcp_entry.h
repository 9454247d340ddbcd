// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes the entry of an MPTCP subflow.
#pragma once

#include "model/event.h"
#include "recording/pack.h"

namespace tcpdwell::recording {

void put_subflow(Packer& packer, const MptcpSubflow& subflow);
// Valid only if unpacker.ok().
MptcpSubflow get_subflow(Unpacker& unpacker);

}  // namespace tcpdwell::recording
