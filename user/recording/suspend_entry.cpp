// SPDX-License-Identifier: Apache-2.0
#include "recording/suspend_entry.h"

namespace tcpdwell::recording {

void put_suspended(Packer& packer, const SuspendEvent& suspended) {
  packer.put(suspended.at);
  packer.put(suspended.since);
  packer.put(suspended.length);
}

SuspendEvent get_suspended(Unpacker& unpacker) {
  SuspendEvent suspended;
  unpacker.get(suspended.at);
  unpacker.get(suspended.since);
  unpacker.get(suspended.length);
  if (suspended.since > suspended.at || suspended.length < Nanos{0}) unpacker.fail();
  return suspended;
}

}  // namespace tcpdwell::recording
