// SPDX-License-Identifier: Apache-2.0
// Questions to the kernel about single connections, and matching of the answers.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "lifecycle/table.h"
#include "model/event.h"

namespace tcpdwell {

// Is the socket still there, in which state, and why? Asked before a flag is raised, before an
// improbable end is published, and for each connection that a walk through all sockets did not
// find. The answer is an InquiryEvent with the same id, generation and serial.
struct Question {
  std::uint32_t id = 0, generation = 0;
  std::uint32_t serial = 0;  // a connection can be asked about again before the first answer comes
  std::uint64_t cookie = 0;  // 0: a request sock without one
  Flow flow;
  State state = State::Closed;
  bool for_flag = false;  // else its holders are not needed
  bool for_end = false;   // only a connected socket counts, no listener
  bool mptcp = false;     // a subflow: look at its MPTCP socket first (MptcpEvent)
};

// 200 questions a second, and as many at once.
class QuestionBudget {
 public:
  bool take(Nanos now);

 private:
  Nanos until_{};
};

class Questions {
 public:
  using Id = ConnectionTable::Id;
  // What identifies a connection in another table, with another filter or start: there it has
  // another id.
  struct Subject {
    std::uint64_t cookie = 0, object = 0;
    Nanos entered{};
  };
  struct Purpose {
    bool for_flag = false, for_end = false, mptcp = false;  // as in Question
  };

  // `table` must outlive this object.
  explicit Questions(ConnectionTable& table) : table_(table) {}

  void ask(Id id) { ask(id, Purpose{}); }
  void ask(Id id, const Purpose& purpose);
  std::vector<Question> take() { return std::exchange(questions_, {}); }

  // The answer is about another connection: one that reuses the addresses, or one of a kind that
  // connection `id` cannot become.
  bool is_successor(Id id, const InquiryEvent& answer) const;

  // nullopt: the connection is gone, or a newer question replaced this one.
  std::optional<Subject> subject_of(const InquiryEvent& answer) const;
  // Makes `answer` an answer about `subject` in this table. False: the subject is not in this table
  // in the same state, or no question about it is open.
  bool retarget(InquiryEvent& answer, const Subject& subject) const;

 private:
  ConnectionTable& table_;
  std::vector<Question> questions_;
};

}  // namespace tcpdwell
