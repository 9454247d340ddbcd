// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes ProcessFacts, as a part of an entry.
#pragma once

#include "model/process_facts.h"
#include "recording/pack.h"

namespace tcpdwell::recording {

void put_process_facts(Packer& packer, const ProcessFacts& facts);
// Valid only if unpacker.ok().
ProcessFacts get_process_facts(Unpacker& unpacker);

}  // namespace tcpdwell::recording
