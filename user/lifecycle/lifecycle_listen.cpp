// SPDX-License-Identifier: Apache-2.0
// Listeners: listen() sets the state before it has a port, and can still fail then.
#include <algorithm>
#include <cerrno>
#include <variant>

#include "lifecycle/lifecycle.h"

namespace tcpdwell {

// Does nothing if it is published already.
void Lifecycle::publish_listening(Id id) {
  const auto pending = std::find_if(
      pending_listens_.begin(), pending_listens_.end(), [&](const PendingOpen& listen) {
        return listen.id == id && listen.generation == table_.generation(id);
      });
  if (pending == pending_listens_.end()) return;
  pending_listens_.erase(pending);
  publisher_.opened(table_[id], State::Closed, Why::Listen);
}

// listen() calls that began by `since` did not fail. No event shows a port that listen() chose: ask
// the kernel.
void Lifecycle::publish_listening_until(Nanos since) {
  while (!pending_listens_.empty() && pending_listens_.front().at <= since) {
    const auto [at, id, generation] = pending_listens_.front();
    if (!table_.alive(id, generation)) {
      pending_listens_.pop_front();
      continue;
    }
    publish_listening(id);
    if (hidden_by_flow(id)) {
      forget(id);
    } else if (table_[id].local_port == 0) {
      without_port_.push_back({at, id, generation});
      questions_.ask(id);
    }
  }
}

void Lifecycle::listen_answered(Id id, const InquiryEvent& answer) {
  Connection& connection = table_[id];
  if (connection.local_port != 0 || answer.state != State::Listen) return;
  connection.local_port = answer.local.port;
  publisher_.reconsider(connection, false);
}

// A listen() that fails leaves LISTEN within the call: not a life.
bool Lifecycle::has_failed_to_listen(Id id, const TransitionEvent& event) const {
  return event.from == State::Listen && event.listen_failed &&
         std::any_of(pending_listens_.begin(), pending_listens_.end(),
                     [&](const PendingOpen& listen) {
                       return listen.id == id && listen.generation == table_.generation(id);
                     });
}

// SOCK_DESTROY moves a listener to CLOSED as shutdown() does, then again with an error. True: this
// event is the second of the two.
bool Lifecycle::was_killed(const TransitionEvent& event) {
  if (event.to != State::Closed || event.err != ECONNABORTED) return false;
  const Id id = table_.by_cookie(event.cookie);
  if (id == kNone || table_[id].pending_end != PendingEnd::Closed) return false;
  auto* closed = std::get_if<TransitionEvent>(&table_.cold_state(table_[id]).pending_event);
  if (closed == nullptr || !closed->may_be_killed) return false;
  closed->err = event.err;
  resolve(id);
  return true;
}

}  // namespace tcpdwell
