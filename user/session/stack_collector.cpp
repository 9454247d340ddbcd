// SPDX-License-Identifier: Apache-2.0
#include "session/stack_collector.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <utility>

#include "kernel/clock.h"
#include "kernel/rights.h"
#include "util/thread.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kPatience = 5s;  // for names that are read for the first time
constexpr std::chrono::milliseconds kPatienceForPython = 500ms;
constexpr std::chrono::milliseconds kPatienceAtStart = 10s;
constexpr std::chrono::milliseconds kIdleStacks = 200ms;
constexpr std::size_t kMostSeen = 16'384, kMostNamed = 65'536, kMostWaiting = 65'536;
// When to look for an interpreter after execve(): one that is a library is mapped some milliseconds
// later. And if the first look had no answer in time.
constexpr std::array kLooks = {0ms, 2ms, 6ms, 15ms, 40ms, 150ms};

void signal_event(int fd) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(fd, &one, sizeof one);
}
void clear_event(int fd) {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(fd, &count, sizeof count);
}

// By the path of the executable, which the kernel knows without asking a file system.
bool may_be_python(std::uint32_t pid) {
  std::array<char, 4096> path{};
  const std::string link = "/proc/" + std::to_string(pid) + "/exe";
  const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
  const std::string_view name(path.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  return name.find("python") != name.npos || name.find("uwsgi") != name.npos;
}

std::vector<std::uint32_t> all_pids() {
  std::vector<std::uint32_t> pids;
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc", error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename();
    std::uint32_t pid = 0;
    const auto [rest, failed] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (failed == std::errc{} && rest == name.data() + name.size()) pids.push_back(pid);
  }
  return pids;
}

}  // namespace

Result<std::unique_ptr<StackCollector>> StackCollector::open(Config config) {
  auto programs = StackPrograms::load(config.filter, config.followed_tasks);
  if (!programs) return programs.error();
  std::unique_ptr<StackCollector> collector(
      new StackCollector(std::move(*programs), std::move(config)));
  if (!collector->ready_ || !collector->wake_) return system_error("making an eventfd");
  return collector;
}

StackCollector::StackCollector(StackPrograms programs, Config config)
    : programs_(std::move(programs)),
      config_(std::move(config)),
      resolver_(config_.symbols),
      ready_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

StackCollector::~StackCollector() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  signal_event(wake_.get());
  thread_.join();
}

void StackCollector::start() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = make_thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  catch_up(kPatienceAtStart);
}

std::vector<StackEvent> StackCollector::take() {
  clear_event(ready_.get());
  const std::lock_guard lock(mutex_);
  return std::exchange(events_, {});
}

void StackCollector::catch_up(std::chrono::milliseconds patience) {
  const Nanos now = monotonic_now();
  std::unique_lock lock(mutex_);
  signal_event(wake_.get());
  caught_up_.wait_for(lock, patience, [&] { return named_until_ >= now; });
}

void StackCollector::deliver(StackEvent event) {
  {
    const std::lock_guard lock(mutex_);
    if (events_.size() >= kMostWaiting) return void(++over_budget_);
    events_.push_back(std::move(event));
  }
  signal_event(ready_.get());
}

void StackCollector::named(Nanos until) {
  {
    const std::lock_guard lock(mutex_);
    named_until_ = std::max(named_until_, until);
  }
  caught_up_.notify_all();
}

void StackCollector::run() {
  ::prctl(PR_SET_NAME, "stacks");
  keep_only(~needed_by_loop_only());
  look_for_python(static_cast<std::uint32_t>(::getpid()), kPatience);  // makes the child
  if (!config_.followed_tasks)
    for (const std::uint32_t pid : all_pids())
      if (may_be_python(pid) && !look_for_python(pid, kPatience)) look_again(pid);
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (stop_) return;
    }
    look_for_pythons();
    while (collect()) look_for_pythons();
    wait();
  }
}

void StackCollector::wait() {
  auto patience = kIdleStacks;
  if (!looks_.empty())
    patience =
        std::clamp(std::chrono::ceil<std::chrono::milliseconds>(looks_.front().at - Clock::now()),
                   0ms, kIdleStacks);
  std::array<pollfd, 2> news{pollfd{.fd = programs_.fd(), .events = POLLIN, .revents = 0},
                             pollfd{.fd = wake_.get(), .events = POLLIN, .revents = 0}};
  ::poll(news.data(), news.size(), static_cast<int>(patience.count()));
  clear_event(wake_.get());
}

// The ring keeps the order of what one task does. So what was captured before some moment has its
// names if a collection that began later found no more, or once a record from later is named.
bool StackCollector::collect() {
  const Nanos began = monotonic_now();
  Nanos last{};
  std::size_t count = 0;
  std::vector<CapturedStack> stacks;
  programs_.drain(kMostAsked, [&](CapturedStack&& captured) {
    ++count;
    last = captured.at;
    switch (captured.what) {
      case CapturedStack::What::Executed: look_again(captured.snapshot.pid); return;
      case CapturedStack::What::OverBudget:
        ++over_budget_;
        publish(captured, {.stack = {}, .missing = NoStack::Budget});
        return;
      case CapturedStack::What::Captured: stacks.push_back(std::move(captured)); return;
    }
  });
  if (!stacks.empty()) resolve(std::move(stacks));
  const bool more = count == kMostAsked;
  named(more ? last : began);
  return more;
}

void StackCollector::look_again(std::uint32_t pid) {
  if (looks_.size() < kMostSeen && may_be_python(pid))
    look_later({.at = Clock::now() + kLooks.front(), .pid = pid});
}

void StackCollector::look_later(const Look& look) {
  looks_.insert(std::upper_bound(looks_.begin(), looks_.end(), look,
                                 [](const Look& a, const Look& b) { return a.at < b.at; }),
                look);
}

void StackCollector::look_for_pythons() {
  const auto now = Clock::now();
  for (std::size_t left = looks_.size(); left > 0 && looks_.front().at <= now; --left) {
    Look look = looks_.front();
    looks_.pop_front();
    if (look_for_python(look.pid, kPatienceForPython) || ++look.tries >= kLooks.size()) continue;
    look.at = now + kLooks[look.tries];
    look_later(look);
  }
}

bool StackCollector::look_for_python(std::uint32_t pid, std::chrono::milliseconds patience) {
  const auto place = resolver_.ask(PythonQuestion{.pid = pid}, patience);
  if (place) programs_.add_python(pid, *place);
  return place.has_value();
}

void StackCollector::first_event_of(const StackSnapshot& snapshot) {
  if (seen_.size() >= kMostSeen) seen_.clear();
  if (!seen_.emplace(snapshot.pid, snapshot.started, snapshot.exec_id).second) return;
  if (!look_for_python(snapshot.pid, kPatienceForPython)) look_again(snapshot.pid);
}

void StackCollector::resolve(std::vector<CapturedStack> captured) {
  StacksQuestion question;
  std::vector<const CapturedStack*> asked;
  for (CapturedStack& one : captured) {
    if (!one.is_native) {
      publish(one, {.stack = {}, .missing = NoStack::UnknownVersion});
      continue;
    }
    if (!one.python_asked) first_event_of(one.snapshot);
    question.snapshots.push_back(std::move(one.snapshot));
    asked.push_back(&one);
  }
  if (asked.empty()) return;
  auto stacks = resolver_.ask(question, kPatience);
  for (std::size_t i = 0; i < asked.size(); ++i) publish(*asked[i], std::move(stacks[i]));
}

void StackCollector::publish(const CapturedStack& captured, ResolvedStack resolved) {
  StackEvent event{.at = captured.at,
                   .cookie = captured.cookie,
                   .moment = captured.moment,
                   .missing = resolved.missing,
                   .stack = nullptr};
  if (!resolved.stack.empty()) {
    Named named = number_of(std::move(resolved));
    event.number = named.number;
    event.stack = std::move(named.stack);
  }
  deliver(std::move(event));
}

StackCollector::Named StackCollector::number_of(ResolvedStack resolved) {
  if (config_.without_paths) leave_out_directories(resolved.stack);
  std::string content = pack(std::span<const ResolvedStack>(&resolved, 1));
  const auto it = named_.find(content);
  if (it != named_.end()) return it->second;
  if (named_.size() >= kMostNamed) named_.clear();
  Named named{.number = next_number_++,
              .stack = std::make_shared<const Stack>(std::move(resolved.stack))};
  named_.emplace(std::move(content), named);
  return named;
}

}  // namespace tcpdwell
