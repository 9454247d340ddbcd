// SPDX-License-Identifier: Apache-2.0
#include "model/meanings.h"

namespace tcpdwell {

std::string_view meaning(State state) {
  switch (state) {
    case State::Listen: return "waits for connections";
    case State::SynSent: return "connect() sent a SYN and waits for the answer";
    case State::SynReceived:
      return "a SYN came and was answered; the last ACK of the handshake is missing";
    case State::Established: return "open in both directions, also while it waits for accept()";
    case State::FinWait1: return "this side closed first; its FIN is not acknowledged yet";
    case State::FinWait2:
      return "this side closed first and its FIN is acknowledged; the peer has not closed";
    case State::CloseWait: return "the peer closed; this side's application has not closed";
    case State::Closing: return "both sides closed at the same time; the last ACK is missing";
    case State::LastAck:
      return "the peer closed, then this side; the ACK of this side's FIN is missing";
    case State::TimeWait:
      return "over; this side closed first (or both at once): the kernel keeps its port for some "
             "60 s";
    case State::Closed:
      return "over. As a flag: a process still holds the descriptor of a connection that is over";
  }
  return {};
}

std::string_view meaning(Cause cause) {
  switch (cause) {
    case Cause::None: return {};
    case Cause::NotAccepted: return "the connection is in the listener's accept queue";
    case Cause::DataUnread:
      return "data came before the end of the stream, and the application has not read it";
    case Cause::Sending: return "its own data is not acknowledged yet";
    case Cause::EofUnread: return "all data is read, the end of the stream is not";
    case Cause::EofRead: return "everything is read and the socket is not closed: a leak";
    case Cause::HalfClosed: return "shut down and still held: no timeout ends it";
    case Cause::Orphaned: return "no process holds it: the kernel ends it after tcp_fin_timeout";
    case Cause::NotClosed: return "the connection is over, and its descriptor is open";
    case Cause::ConnectFailed: return "connect() failed, and the descriptor is open";
  }
  return {};
}

std::string_view remedy(Cause cause) {
  switch (cause) {
    case Cause::None: return {};
    case Cause::NotAccepted: return "see what the application does instead of accept()";
    case Cause::DataUnread: return "see what the application does instead of read()";
    case Cause::Sending: return "check whether the peer reads and the network delivers";
    case Cause::EofUnread: return "watch idle connections; close when read() returns 0";
    case Cause::EofRead: return "find the path in the code that lacks close()";
    case Cause::HalfClosed: return "wait for the peer with a timeout, then close";
    case Cause::Orphaned: return "nothing here; if there are many, look at the peer";
    case Cause::NotClosed: return "close on every error; let a pool test its connections";
    case Cause::ConnectFailed: return "close it, if it is not used again";
  }
  return {};
}

std::string_view flag_of(Cause cause) {
  switch (cause) {
    case Cause::None: return {};
    case Cause::NotAccepted: return "ACCEPT";
    case Cause::DataUnread: return "CLOSE_WAIT, CLOSED";
    case Cause::Sending:
    case Cause::EofUnread:
    case Cause::EofRead: return "CLOSE_WAIT";
    case Cause::HalfClosed:
    case Cause::Orphaned: return "FIN_WAIT_2";
    case Cause::NotClosed:
    case Cause::ConnectFailed: return "CLOSED";
  }
  return {};
}

}  // namespace tcpdwell
