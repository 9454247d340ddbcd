// SPDX-License-Identifier: Apache-2.0
// What /proc says of a process, as a part of an entry, and back.
#pragma once

#include "model/process_facts.h"
#include "recording/pack.h"

namespace tcpdwell::recording {

void put_process_facts(Packer& packer, const ProcessFacts& facts);
// Whole only if the unpacker says so.
ProcessFacts get_process_facts(Unpacker& unpacker);

}  // namespace tcpdwell::recording
