// SPDX-License-Identifier: Apache-2.0
#include "recording/mptcp_entry.h"

namespace tcpdwell::recording {

void put_subflow(Packer& packer, const MptcpSubflow& subflow) {
  const MptcpSocket& socket = subflow.socket;
  packer.put(subflow.at);
  packer.put(subflow.cookie);
  packer.put(subflow.stands);
  packer.put(socket.object);
  packer.put(socket.cookie);
  packer.put(socket.state);
  packer.put(socket.dead);
  packer.put(socket.attached);
  packer.put(socket.unread);
  packer.put(socket.unread_bytes);
  packer.put(socket.unsent_bytes);
  packer.put(socket.subflows);
  packer.put(socket.acked_ago);
  packer.put(socket.received_ago);
  packer.put(socket.sent_ago);
}

MptcpSubflow get_subflow(Unpacker& unpacker) {
  MptcpSubflow subflow;
  MptcpSocket& socket = subflow.socket;
  unpacker.get(subflow.at);
  unpacker.get(subflow.cookie);
  unpacker.get(subflow.stands);
  unpacker.get(socket.object);
  unpacker.get(socket.cookie);
  unpacker.get(socket.state, State::Established, State::Closing);
  unpacker.get(socket.dead);
  unpacker.get(socket.attached);
  unpacker.get(socket.unread);
  unpacker.get(socket.unread_bytes);
  unpacker.get(socket.unsent_bytes);
  unpacker.get(socket.subflows);
  unpacker.get(socket.acked_ago);
  unpacker.get(socket.received_ago);
  unpacker.get(socket.sent_ago);
  return subflow;
}

}  // namespace tcpdwell::recording
