// SPDX-License-Identifier: Apache-2.0
#include "recording/surroundings_entry.h"

#include <utility>

namespace tcpdwell::recording {

bool has_surroundings(const InquiryEvent& answer) {
  return answer.other_end || answer.inherited_from || answer.send_wait != SendWait::None ||
         answer.bytes;
}

void put_surroundings(Packer& packer, const InquiryEvent& answer) {
  packer.put(answer.send_wait);
  packer.put(answer.other_end.has_value());
  if (answer.other_end) {
    packer.put(answer.other_end->process);
    packer.put(answer.other_end->fd);
    packer.put(answer.other_end->state);
    packer.put(answer.other_end->receive_queue);
  }
  packer.put(answer.inherited_from);
  packer.put(answer.bytes.has_value());
  if (!answer.bytes) return;
  packer.put(answer.bytes->sent);
  packer.put(answer.bytes->received);
}

InquiryEvent get_surroundings(Unpacker& unpacker) {
  InquiryEvent answer;
  bool known = false;
  unpacker.get(answer.send_wait, SendWait::None, SendWait::WindowProbe);
  unpacker.get(known);
  if (known) {
    OtherEnd& end = answer.other_end.emplace();
    unpacker.get(end.process);
    unpacker.get(end.fd);
    unpacker.get(end.state, State::Established, State::Closing);
    unpacker.get(end.receive_queue);
  }
  unpacker.get(answer.inherited_from);
  if (!unpacker.has_more()) return answer;
  unpacker.get(known);
  if (!known) return answer;
  ByteCounts& bytes = answer.bytes.emplace();
  unpacker.get(bytes.sent);
  unpacker.get(bytes.received);
  return answer;
}

void add_surroundings(InquiryEvent& answer, InquiryEvent&& surroundings) {
  answer.send_wait = surroundings.send_wait;
  answer.other_end = std::move(surroundings.other_end);
  answer.inherited_from = surroundings.inherited_from;
  answer.bytes = surroundings.bytes;
}

}  // namespace tcpdwell::recording
