// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/questions.h"

#include <algorithm>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kAskEvery = 5ms;
constexpr std::int64_t kAskAtOnce = 200;

// A minisock copies the cookie of its socket when it is created: none if no cookie was assigned
// until then.
std::uint64_t cookie_now(const Connection& connection) {
  return connection.carrier == Carrier::Minisock && !connection.minisock_cookie ? 0
                                                                                : connection.cookie;
}

}  // namespace

bool QuestionBudget::take(Nanos now) {
  const Nanos from = std::max(until_, now - kAskAtOnce * kAskEvery);
  if (from + kAskEvery > now) return false;
  until_ = from + kAskEvery;
  return true;
}

void Questions::ask(Id id, const Purpose& purpose) {
  Connection& connection = table_[id];
  // A socket whose first event is its end had no cookie before, and its minisock has none.
  const bool just_given =
      purpose.for_end && connection.carrier == Carrier::Full && !connection.entered_known;
  questions_.push_back({.id = id,
                        .generation = table_.generation(id),
                        .serial = ++connection.question,
                        .cookie = just_given ? 0 : cookie_now(connection),
                        .flow = table_.flow(connection),
                        .state = connection.state,
                        .for_flag = purpose.for_flag,
                        .for_end = purpose.for_end,
                        .mptcp = purpose.mptcp});
}

// A minisock changes into no other object, a request never into a minisock.
bool Questions::is_successor(Id id, const InquiryEvent& answer) const {
  const Connection& connection = table_[id];
  const bool other = cookie_now(connection) == 0 && answer.cookie != 0 &&
                     table_.by_cookie(answer.cookie) != ConnectionTable::kNone &&
                     table_.by_cookie(answer.cookie) != id;
  const bool minisock = answer.kind == SocketKind::Minisock;
  return other || (connection.carrier == Carrier::Minisock && !minisock) ||
         (connection.carrier == Carrier::Request && minisock);
}

std::optional<Questions::Subject> Questions::subject_of(const InquiryEvent& answer) const {
  if (!table_.alive(answer.id, answer.generation)) return std::nullopt;
  const Connection& connection = table_[answer.id];
  if (answer.serial != connection.question) return std::nullopt;
  return Subject{connection.cookie, connection.object, connection.entered};
}

bool Questions::retarget(InquiryEvent& answer, const Subject& subject) const {
  Id id = subject.object == 0 ? ConnectionTable::kNone : table_.by_object(subject.object);
  if (id == ConnectionTable::kNone && subject.cookie != 0) id = table_.by_cookie(subject.cookie);
  if (id == ConnectionTable::kNone) return false;
  const Connection& connection = table_[id];
  if (connection.cookie != subject.cookie || connection.entered != subject.entered) return false;
  const bool end_asked = connection.pending_end != PendingEnd::None && connection.end_asked;
  if (connection.flag == FlagStage::Waiting && !end_asked) return false;
  answer.id = id;
  answer.generation = table_.generation(id);
  answer.serial = connection.question;
  return true;
}

}  // namespace tcpdwell
