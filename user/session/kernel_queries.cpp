// SPDX-License-Identifier: Apache-2.0
#include "session/kernel_queries.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "kernel/rights.h"
#include "kernel/sock_diag.h"
#include "session/cpu_share.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kRangesAgain = 10s;
// A little longer than the collector waits for the names of one batch.
constexpr std::chrono::milliseconds kPatienceForStacks = 6s;

// Cookies whose holders to ask for. Minisocks and requests have no holders.
std::vector<std::uint64_t> held_cookies(const std::vector<Question>& questions,
                                        const std::vector<InquiryEvent>& answers) {
  std::vector<std::uint64_t> cookies;
  for (std::size_t i = 0; i < answers.size(); ++i)
    if (questions[i].for_flag && answers[i].presence == Presence::Present &&
        answers[i].kind == SocketKind::Full && questions[i].cookie != 0)
      cookies.push_back(questions[i].cookie);
  return cookies;
}

// The answer may raise a flag.
bool may_raise(const std::vector<Question>& questions, const std::vector<InquiryEvent>& answers) {
  for (std::size_t i = 0; i < answers.size(); ++i)
    if (questions[i].for_flag && answers[i].presence == Presence::Present) return true;
  return false;
}

// Keeps only answers about queried sockets, if the query has a set.
std::optional<Error> add_subflows(const BpfIterators& iterators,
                                  const std::vector<Question>* questions, MptcpEvent& mptcp) {
  auto subflows = iterators.mptcp_subflows();
  mptcp.at = monotonic_now();
  if (!subflows) return subflows.error();
  const auto is_asked_for = [&](const MptcpSubflow& subflow) {
    return questions == nullptr ||
           std::any_of(questions->begin(), questions->end(), [&](const Question& question) {
             return question.mptcp && question.cookie == subflow.cookie;
           });
  };
  std::copy_if(subflows->begin(), subflows->end(), std::back_inserter(mptcp.subflows),
               is_asked_for);
  return std::nullopt;
}

bool asks_for_mptcp(const std::vector<Question>& questions) {
  return std::any_of(questions.begin(), questions.end(),
                     [](const Question& question) { return question.mptcp; });
}

// A socket that was accepted between the two queries is attached by now.
void add_holders(const std::vector<Question>& questions, const std::vector<Holding>& holdings,
                 std::vector<InquiryEvent>& answers) {
  std::unordered_map<std::uint64_t, std::size_t> by_cookie;
  for (std::size_t i = questions.size(); i-- > 0;)  // of two about the same, the last counts
    by_cookie.emplace(questions[i].cookie, i);
  for (const Holding& holding : holdings) {
    const auto it = by_cookie.find(holding.cookie);
    if (it == by_cookie.end()) continue;
    answers[it->second].attached = true;
    answers[it->second].holders.push_back(holding.holder);
  }
}

}  // namespace

KernelQueries::KernelQueries(const Programs& programs, Lifecycle& lifecycle,
                             EventPipeline& pipeline, BlockedReader* blocked,
                             StackCollector* stacks)
    : iterators_(programs.iterators()),
      namespaces_(iterators_),
      other_ends_(namespaces_),
      blocked_(blocked),
      stacks_(stacks),
      cgroups_(find_cgroup2_mount()),
      lifecycle_(lifecycle),
      pipeline_(pipeline),
      tracing_(programs.sees().tracing) {
  if (lifecycle.wants_queue_walks())
    queue_watch_.emplace(iterators_, lifecycle.thresholds().accept, blocked_);
  worker_.ask([]() -> Worker::Answer {
    keep_only(~needed_by_loop_only());
    return {};
  });
}

KernelQueries::~KernelQueries() { stop_ = true; }

void KernelQueries::keep_snapshots(std::optional<std::uint64_t> netns_cookie) {
  keeps_snapshots_ = true;
  snapshot_of_ = netns_cookie;
  ask_for_snapshot(monotonic_now(), true);
}

void KernelQueries::walk_once_more(Nanos now) { ask_for_snapshot(now, false); }

void KernelQueries::ask_for_snapshot(Nanos now, bool with_holders) {
  walking_ = true;
  snapshot_wanted_ = false;
  schedule_.begins(now);
  pipeline_.user_event(SnapshotBegan{});
  if (queue_watch_ && with_holders) pipeline_.user_event(QueueWalkBegan{});
  worker_.ask([this, with_holders] { return take_snapshot(with_holders); });
}

bool KernelQueries::snapshot_is_due(Nanos now) const {
  return keeps_snapshots_ && !walking_ &&
         schedule_.due(now, snapshot_wanted_ || lifecycle_.wants_snapshot());
}

// A namespace that could not be entered may be gone by now.
std::uint64_t KernelQueries::still_there(const std::vector<std::uint64_t>& closed) {
  const auto there = namespaces_.find();
  return static_cast<std::uint64_t>(
      std::count_if(there.begin(), there.end(), [&](const auto& name) {
        return std::find(closed.begin(), closed.end(), name.cookie) != closed.end();
      }));
}

Worker::Answer KernelQueries::take_snapshot(bool with_holders) {
  const Nanos before = thread_cpu_time();
  std::vector<std::uint64_t> closed;
  std::vector<NamespaceEvent> ranges;
  Nanos reading_ranges{};
  MptcpEvent mptcp;
  std::optional<Error> error;
  auto names = namespaces_.find();
  if (snapshot_of_)
    names = {{.cookie = *snapshot_of_}};  // even if it was not found: it may be our own
  const bool with_queues = queue_watch_ && with_holders;
  if (with_queues) queue_watch_->begin_anew();
  for (const Namespaces::Name& name : names) {
    if (stop_) return {};
    const bool entered = namespaces_.enter(name.cookie, [&] {
      const std::uint32_t met = iterators_.subflows_met();
      if (auto failed = iterators_.snapshot(stop_)) error = std::move(failed);
      const Nanos walked = thread_cpu_time();
      ranges.push_back(port_reader_.read_here(name.cookie));
      reading_ranges += thread_cpu_time() - walked;
      if (iterators_.subflows_met() != met)
        if (auto failed = add_subflows(iterators_, nullptr, mptcp)) error = std::move(failed);
      if (!with_queues) return;
      if (auto failed = queue_watch_->walk(name.cookie)) error = std::move(failed);
    });
    if (!entered) closed.push_back(name.cookie);
  }
  const bool missing = snapshot_of_ && !closed.empty() && !namespaces_.fates(closed).empty();
  std::optional<QueueWatch::Found> queues;
  if (with_queues) queues = queue_watch_->end_walk();
  HoldersEvent holders{.at = monotonic_now(), .holdings = {}};
  std::optional<DeadWalk> dead;
  if (with_holders) {
    if (auto holdings = iterators_.holders({}))
      holders.holdings = std::move(*holdings);
    else
      error = holdings.error();
    if (lifecycle_.watches_descriptors()) {
      if (auto walk = dead_descriptors())
        dead = std::move(*walk);
      else
        error = walk.error();
    }
  }
  std::uint64_t not_entered = 0;
  if (!closed.empty() && !missing)
    not_entered = !snapshot_of_ ? still_there(closed)
                  : error       ? 0
                                : 1;  // a failure is reported once
  const Nanos cost = thread_cpu_time() - before;
  return [this, not_entered, missing, error, cost, reading_ranges, ranges, mptcp = std::move(mptcp),
          queues = std::move(queues), holders = std::move(holders), dead = std::move(dead)] {
    if (error) spdlog::warn("{}: sockets may be missing", error->text());
    for (const NamespaceEvent& range : ranges) pipeline_.user_event(range);
    read_ranges_again_after(reading_ranges);
    if (!mptcp.subflows.empty()) pipeline_.user_event(mptcp);
    pipeline_.user_event(holders);
    if (dead) tell(*dead);
    if (queues) tell(*queues, Nanos{0});
    pipeline_.user_event(SnapshotOver{});
    not_entered_ = not_entered;
    netns_missing_ = missing;
    schedule_.ended(cost);
    snapshot_taken_ = true;
    snapshot_failed_ = error.has_value();
    walking_ = false;
  };
}

Worker::Answer KernelQueries::read_port_ranges(const std::vector<std::uint64_t>& netns_cookies,
                                               bool again) {
  const Nanos before = thread_cpu_time();
  std::vector<NamespaceEvent> ranges = port_reader_.read(netns_cookies);
  if (again)
    for (NamespaceEvent& range : port_reader_.read_again()) ranges.push_back(std::move(range));
  const Nanos cost = thread_cpu_time() - before;
  return [this, cost, ranges, again] {
    for (const NamespaceEvent& range : ranges) pipeline_.user_event(range);
    next_ranges_ = monotonic_now() + std::max(kShares * cost, kMostWait);
    if (again) read_ranges_again_after(cost);
  };
}

void KernelQueries::read_ranges_again_after(Nanos cost) {
  next_ranges_again_ = monotonic_now() + std::max(kRareShares * cost, kRangesAgain);
}

// The walk of the first snapshot reads the namespaces that exist at the start.
void KernelQueries::ask_for_port_ranges(Nanos now) {
  if (walking_ || now < next_ranges_) return;
  const auto unknown = lifecycle_.take_unknown_namespaces();
  if (next_ranges_again_.count() == 0) next_ranges_again_ = now + kRangesAgain;
  const bool again = now >= next_ranges_again_;
  if (unknown.empty() && !again) return;
  next_ranges_ = Nanos::max();  // until the answer comes
  worker_.ask([this, unknown, again] { return read_port_ranges(unknown, again); });
}

// Minisocks may outlive a namespace for a moment: it is gone only without them.
void KernelQueries::check_netns(Nanos now) {
  if (!snapshot_of_ || netns_gone_ || now < next_netns_check_) return;
  next_netns_check_ = Nanos::max();  // until it is answered
  worker_.ask([this, cookie = *snapshot_of_]() -> Worker::Answer {
    const auto fates = namespaces_.fates(std::span(&cookie, 1));
    const bool gone = fates.contains(cookie) && fates.at(cookie) == Namespaces::Fate::Gone;
    return [this, gone] {
      netns_gone_ = gone;
      next_netns_check_ = monotonic_now() + kMostWait;
    };
  });
}

void KernelQueries::tick(Nanos now) {
  check_netns(now);
  ask_for_port_ranges(now);
  walk_for_dead(now);
  ask_for_queues(now);
  for (const std::uint64_t id : lifecycle_.take_unknown_cgroups())
    worker_.ask([this, id]() -> Worker::Answer {
      return [this, event = CgroupEvent{monotonic_now(), id, cgroups_.path_of(id)}] {
        pipeline_.user_event(event);
      };
    });
  schedule_.note_unseen(lifecycle_.unseen(), now);
  if (snapshot_is_due(now)) ask_for_snapshot(now, true);
  if (!put_off_.empty() && now >= put_off_until_) enqueue(std::exchange(put_off_, {}), now);
  enqueue(lifecycle_.take_questions(), now);
  if (asking_ || waiting_.empty() || now < *questions_due()) return;
  asking_ = true;
  question_schedule_.asks(now);
  log_questions();
  worker_.ask([this, questions = std::exchange(waiting_, {})] { return answer(questions); });
}

void KernelQueries::log_questions() {
  const auto ends = std::count_if(waiting_.begin(), waiting_.end(),
                                  [](const Question& question) { return question.for_end; });
  spdlog::debug(
      "querying {} sockets, {} of which seem to have ended; the last query took {} us of CPU",
      waiting_.size(), ends, question_schedule_.last_cost().count() / 1000);
}

void KernelQueries::enqueue(const std::vector<Question>& questions, Nanos now) {
  for (const Question& question : questions) question_schedule_.waits(now, question.for_flag);
  waiting_.insert(waiting_.end(), questions.begin(), questions.end());
}

// The state of their namespace will be known soon.
void KernelQueries::put_off(const std::vector<Question>& questions) {
  if (questions.empty()) return;
  if (put_off_.empty()) put_off_until_ = monotonic_now() + kMostWait;
  put_off_.insert(put_off_.end(), questions.begin(), questions.end());
}

std::optional<Nanos> KernelQueries::due() const {
  const auto questions = questions_due();
  const auto walk = walking_dead_ || walking_ ? std::nullopt : lifecycle_.dead_walk_due();
  Nanos due = questions.value_or(Nanos::max());
  if (walk) due = std::min(due, std::max(*walk, next_dead_walk_));
  if (queue_watch_ && tracing_ && !walking_ && !walking_queues_)
    due = std::min(due, next_queue_walk_);
  return due == Nanos::max() ? std::nullopt : std::optional(due);
}

std::optional<Nanos> KernelQueries::questions_due() const {
  return asking_ ? std::nullopt : question_schedule_.due();
}

// Finds the holders of flagged sockets, the other ends, and facts about the processes.
ProcessesEvent KernelQueries::find_holders(const std::vector<Question>& questions,
                                           std::vector<InquiryEvent>& answers) {
  ProcessReader processes;
  other_ends_.find(questions, answers);
  auto cookies = held_cookies(questions, answers);
  const auto others = other_ends_.cookies();
  cookies.insert(cookies.end(), others.begin(), others.end());
  if (cookies.empty()) return {};
  auto holdings = iterators_.holders(cookies);
  if (!holdings) return {};
  add_holders(questions, *holdings, answers);
  for (const InquiryEvent& answer : answers)
    for (const Holder& holder : answer.holders) processes.read(holder.process);
  other_ends_.learn(*holdings, answers, processes);
  return facts_from(processes);
}

ProcessesEvent KernelQueries::facts_from(ProcessReader& processes) {
  ProcessesEvent event = processes.event();
  if (blocked_ != nullptr) blocked_->add_to(event);
  return event;
}

// A flag shows where its socket was opened. Those names may take seconds if a file is read for the
// first time.
void KernelQueries::wait_for_stacks() {
  if (stacks_ != nullptr) stacks_->catch_up(kPatienceForStacks);
}

Worker::Answer KernelQueries::answer(const std::vector<Question>& questions) {
  const Nanos before = thread_cpu_time();
  std::vector<InquiryEvent> answers(questions.size());
  std::optional<Error> refused;
  std::map<std::uint64_t, std::vector<std::size_t>> places;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    answers[i] = {.at = monotonic_now(),
                  .id = questions[i].id,
                  .generation = questions[i].generation,
                  .serial = questions[i].serial};
    places[questions[i].flow.netns_cookie].push_back(i);
  }
  MptcpEvent mptcp;
  std::vector<std::uint64_t> closed;
  for (const auto& [netns, indices] : places) {
    const bool entered = namespaces_.enter(netns, [&, &which = indices] {
      std::vector<Question> here;
      for (const std::size_t i : which) here.push_back(questions[i]);
      if (asks_for_mptcp(here))
        if (auto failed = add_subflows(iterators_, &here, mptcp)) refused = std::move(failed);
      auto found = ask_kernel(here);
      if (!found) refused = found.error();
      if (!found) return;
      for (std::size_t k = 0; k < which.size(); ++k) answers[which[k]] = std::move((*found)[k]);
    });
    if (!entered) closed.push_back(netns);
  }
  std::vector<Question> unanswered;
  for (const auto& [netns, fate] : namespaces_.fates(closed))
    for (const std::size_t i : places[netns]) {
      if (fate == Namespaces::Fate::Gone) answers[i].presence = Presence::Gone;
      if (fate == Namespaces::Fate::Going) unanswered.push_back(questions[i]);
    }
  const ProcessesEvent processes = find_holders(questions, answers);
  if (may_raise(questions, answers)) wait_for_stacks();
  const Nanos cost = thread_cpu_time() - before;
  return [this, cost, refused, processes, mptcp = std::move(mptcp), answers = std::move(answers),
          unanswered = std::move(unanswered)] {
    asking_ = false;
    put_off(unanswered);
    if (refused && !std::exchange(refused_, true))
      spdlog::warn("{}: no socket can be flagged", refused->text());
    question_schedule_.ended(cost);
    if (!mptcp.subflows.empty()) pipeline_.user_event(mptcp);
    if (!processes.processes.empty()) pipeline_.user_event(processes);
    for (const InquiryEvent& answer : answers) pipeline_.user_event(answer);
  };
}

}  // namespace tcpdwell
