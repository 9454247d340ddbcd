// SPDX-License-Identifier: Apache-2.0
// What is known of the ports of a network namespace, as an entry, and back.
#pragma once

#include "model/event.h"
#include "recording/pack.h"

namespace tcpdwell::recording {

void put_namespace(Packer& packer, const NamespaceEvent& range);
// Whole only if the unpacker says so. An older version wrote less.
NamespaceEvent get_namespace(Unpacker& unpacker);

}  // namespace tcpdwell::recording
