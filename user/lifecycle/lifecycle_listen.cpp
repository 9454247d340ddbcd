// SPDX-License-Identifier: Apache-2.0
// Listeners: listen() changes the state before it has a port, or knows that it will get one.
#include <algorithm>
#include <cerrno>
#include <variant>

#include "lifecycle/lifecycle.h"

namespace tcpdwell {

// Does nothing if it is told already.
void Lifecycle::tell_listening(Id id) {
  const auto pending =
      std::find_if(listens_.begin(), listens_.end(), [&](const PendingSyn& listen) {
        return listen.id == id && listen.generation == table_.generation(id);
      });
  if (pending == listens_.end()) return;
  listens_.erase(pending);
  publisher_.opened(table_[id], State::Closed, Why::Listen);
}

// Those that began by `since` do listen. A port that listen() chose comes with no event: the kernel
// is asked.
void Lifecycle::tell_listening_until(Nanos since) {
  while (!listens_.empty() && listens_.front().at <= since) {
    const auto [at, id, generation] = listens_.front();
    if (!table_.alive(id, generation)) {
      listens_.pop_front();
      continue;
    }
    tell_listening(id);
    if (hidden_by_flow(id)) {
      forget(id);
    } else if (table_[id].local_port == 0) {
      silent_syns_.push_back({at, id, generation});
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

// listen() that fails has been in LISTEN for the moment of that call: that was no life.
bool Lifecycle::has_failed_to_listen(Id id, const TransitionEvent& event) const {
  return event.from == State::Listen && event.listen_failed &&
         std::any_of(listens_.begin(), listens_.end(), [&](const PendingSyn& listen) {
           return listen.id == id && listen.generation == table_.generation(id);
         });
}

// SOCK_DESTROY takes a listener to CLOSED as shutdown() does, and then once more, with an error.
// True: this was the second half.
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
