// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes the entry about the ports of a network namespace.
#pragma once

#include "model/event.h"
#include "recording/pack.h"

namespace tcpdwell::recording {

void put_namespace(Packer& packer, const NamespaceEvent& range);
// Valid only if unpacker.ok(). Fields that an older version did not write keep their defaults.
NamespaceEvent get_namespace(Unpacker& unpacker);

}  // namespace tcpdwell::recording
