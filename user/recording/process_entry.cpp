// SPDX-License-Identifier: Apache-2.0
#include "recording/process_entry.h"

#include <algorithm>

namespace tcpdwell::recording {

void put_process_facts(Packer& packer, const ProcessFacts& facts) {
  packer.put(facts.pid);
  packer.put(facts.state);
  packer.put(facts.parent);
  packer.put(facts.live_thread);
  packer.put(facts.runtime);
  packer.put(std::string_view(facts.program).substr(0, kLongestProgram));
  packer.put(facts.descriptors);
  packer.put(facts.descriptor_limit);
}

ProcessFacts get_process_facts(Unpacker& unpacker) {
  ProcessFacts facts;
  unpacker.get(facts.pid);
  unpacker.get(facts.state);
  unpacker.get(facts.parent);
  unpacker.get(facts.live_thread);
  unpacker.get(facts.runtime, Runtime::Native, Runtime::Perl);
  unpacker.get(facts.program);
  unpacker.get(facts.descriptors);
  unpacker.get(facts.descriptor_limit);
  facts.program.resize(std::min(facts.program.size(), kLongestProgram));
  return facts;
}

}  // namespace tcpdwell::recording
