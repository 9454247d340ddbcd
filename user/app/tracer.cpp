// SPDX-License-Identifier: Apache-2.0
#include "app/tracer.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <csignal>
#include <ctime>

#include "app/kernel_filter.h"
#include "app/pump.h"
#include "app/signals.h"
#include "kernel/cgroups.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr int kBatch = 8192;  // records; some milliseconds at the most
constexpr Nanos kTick = 50ms;
constexpr Nanos kFlush = 20ms;
constexpr Nanos kMissedCheck = 1s;
constexpr Nanos kClockNoise = 50us;
// With more than this in a round, the next is left to collect for a while without any wakeup: one
// for each event would cost the traced programs more than all the rest.
constexpr std::uint64_t kBusy = 16;
constexpr Nanos kNap = 5ms;

// CLOCK_REALTIME - CLOCK_MONOTONIC
Nanos clock_offset() {
  timespec wall{};
  const Nanos before = monotonic_now();
  ::clock_gettime(CLOCK_REALTIME, &wall);
  const Nanos after = monotonic_now();
  return std::chrono::seconds{wall.tv_sec} + Nanos{wall.tv_nsec} - (before + after) / 2;
}

// 8 MiB a CPU: some ten thousand events, more than a consumer that waits for its turn on a busy
// CPU lets pile up; never over a 64th of the memory.
std::uint32_t ring_size(std::uint64_t asked) {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  if (asked == 0) {
    const auto memory = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * page;
    const auto cpus = static_cast<std::uint64_t>(::sysconf(_SC_NPROCESSORS_ONLN));
    asked = std::min(cpus * (8U << 20U), std::bit_floor(memory / 64));
  }
  const std::uint64_t most = 1U << 30U;
  return static_cast<std::uint32_t>(std::bit_ceil(std::clamp(asked, page, most)));
}

class Session {
 public:
  Session(const TracerConfig& config, Programs programs, Sink& sink, Output& output)
      : config_(config),
        programs_(std::move(programs)),
        sink_(sink),
        output_(output),
        resolver_(find_cgroup2_mount()),
        lifecycle_({.hz = kernel_hz(),
                    .began = programs_.began(),
                    .watches_resets = programs_.sees().resets,
                    .max_connections = config.max_connections},
                   config.filter, sink),
        pump_(lifecycle_) {}

  std::optional<Error> prepare(int signal_fd);
  std::optional<Error> loop(Signals& signals);
  EndRecord finish();

 private:
  void watch(int fd, std::uint32_t events);
  std::optional<Error> announce();
  bool drain_batch();
  void answer();
  void follow_clock();
  bool write_out(bool now);
  std::optional<Error> sleep(Nanos wait);
  void handle(int signal);

  const TracerConfig& config_;
  Programs programs_;
  Sink& sink_;
  Output& output_;
  CgroupResolver resolver_;
  Lifecycle lifecycle_;
  Pump pump_;
  std::unique_ptr<RingReader> reader_;
  UniqueFd epoll_;
  Nanos clock_offset_{};
  Nanos last_flush_{}, last_missed_check_{};
  bool stop_ = false;
};

StartRecord start_record(const Programs& programs, const When& when) {
  utsname host{};
  ::uname(&host);
  const Sees& sees = programs.sees();
  const std::string orphan = sees.minisock_segments ? "exact" : "jiffy";
  return {.when = when,
          .version = TCPDWELL_VERSION,
          .kernel = host.release,
          .host = host.nodename,
          .hz = kernel_hz(),
          .thresholds = {},
          .sees = {{"time_wait", orphan},
                   {"fin_wait_2_orphan", orphan},
                   {"syn_received", "exact"},
                   {"accept_owner", sees.accept ? "exact" : "no"},
                   {"reset_reason", sees.resets ? "exact" : "no"}}};
}

void Session::watch(int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);  // a plain file cannot be watched: fine
}

std::optional<Error> Session::prepare(int signal_fd) {
  auto reader = RingReader::open(programs_.ring_fd(), programs_.shared(), pump_);
  if (!reader) return reader.error();
  reader_ = std::move(*reader);
  epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return system_error("making an epoll instance");
  watch(reader_->epoll_fd(), EPOLLIN);
  watch(signal_fd, EPOLLIN);
  watch(resolver_.fd(), EPOLLIN);
  watch(output_.fd(), 0);  // only that its reader went away
  for (CgroupName& name : list_cgroups(find_cgroup2_mount()))
    lifecycle_.on(CgroupEvent{programs_.began(), name.id, std::move(name.path)});
  follow_clock();
  return announce();
}

std::optional<Error> Session::announce() {
  sink_.write(start_record(programs_, lifecycle_.when(programs_.began())));
  if (!write_out(true)) return output_.error();
  if (config_.ready_file.empty()) return std::nullopt;
  const UniqueFd ready(
      ::open(config_.ready_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!ready) return system_error("making the ready file " + config_.ready_file);
  return std::nullopt;
}

// True if the ring was emptied.
bool Session::drain_batch() {
  const Nanos now = monotonic_now();
  const bool emptied = reader_->drain(kBatch);
  pump_.check_ring_loss(programs_.shared(), now);
  if (now - last_missed_check_ >= kMissedCheck) {
    pump_.check_missed(programs_.missed(), now);
    last_missed_check_ = now;
  }
  lifecycle_.tick(emptied ? now : std::min(now, pump_.last_at()));
  resolver_.ask(lifecycle_.take_unknown_cgroups());
  return emptied;
}

void Session::answer() {
  for (CgroupName& name : resolver_.take_answers())
    lifecycle_.on(CgroupEvent{monotonic_now(), name.id, std::move(name.path)});
}

void Session::follow_clock() {
  const Nanos offset = clock_offset();
  if (std::chrono::abs(offset - clock_offset_) < kClockNoise) return;
  clock_offset_ = offset;
  lifecycle_.on(ClockEvent{monotonic_now(), offset});
}

// False if there is nobody to write for any more.
bool Session::write_out(bool now) {
  if (!now && monotonic_now() - last_flush_ < kFlush) return true;
  last_flush_ = monotonic_now();
  if (output_.flush() == Output::Status::Ok) return true;
  stop_ = true;
  return false;
}

std::optional<Error> Session::loop(Signals& signals) {
  const Nanos until = config_.duration ? monotonic_now() + *config_.duration : Nanos::max();
  while (!stop_) {
    follow_clock();
    const std::uint64_t before = pump_.events();
    if (drain_batch()) {
      const bool busy = pump_.events() - before > kBusy;
      if (!busy) reader_->arm();
      if (busy || drain_batch())
        if (auto error = sleep(busy ? kNap : kTick)) return error;
    }
    while (const auto signal = signals.next()) handle(*signal);
    answer();
    write_out(false);
    if (monotonic_now() >= until) stop_ = true;
  }
  return output_.error();
}

std::optional<Error> Session::sleep(Nanos wait) {
  if (output_.pending()) wait = std::min(wait, kFlush);
  const auto timeout = std::chrono::duration_cast<std::chrono::milliseconds>(wait);
  std::array<epoll_event, 8> events{};
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                 static_cast<int>(timeout.count()));
  if (count < 0 && errno != EINTR) return system_error("waiting for events");
  for (int i = 0; i < count; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    if (event.data.fd == output_.fd() && (event.events & (EPOLLERR | EPOLLHUP)) != 0) stop_ = true;
  }
  return std::nullopt;
}

void Session::handle(int signal) {
  if (signal == SIGHUP)
    stop_ = !output_.reopen() || stop_;
  else
    stop_ = true;
}

EndRecord Session::finish() {
  programs_.detach();
  while (!reader_->drain(kBatch)) continue;
  const Nanos now = monotonic_now();
  pump_.check_ring_loss(programs_.shared(), now);
  pump_.check_missed(programs_.missed(), now);
  lifecycle_.finish(now);
  EndRecord end{.when = lifecycle_.when(now),
                .events = pump_.events(),
                .transitions = pump_.transitions(),
                .lost = pump_.lost(),
                .transitions_lost = pump_.transitions_lost(),
                .connections = lifecycle_.connections_ended(),
                .open = lifecycle_.open(),
                .evicted = lifecycle_.evicted(),
                .output_dropped = output_.dropped_lines(),
                .elapsed = now - programs_.began()};
  sink_.write(end);
  output_.finish();
  return end;
}

}  // namespace

Result<EndRecord> trace(const TracerConfig& config, Sink& sink, Output& output) {
  Signals signals;
  auto programs = Programs::attach({.filter = kernel_filter(config.filter),
                                    .accept = config.watch_accept,
                                    .ring_bytes = ring_size(config.ring_bytes),
                                    .hz = kernel_hz()});
  if (!programs) return programs.error();
  Session session(config, std::move(*programs), sink, output);
  if (const auto error = session.prepare(signals.fd())) return *error;
  if (const auto error = session.loop(signals)) return *error;
  EndRecord end = session.finish();
  if (const auto error = output.error()) return *error;
  return end;
}

}  // namespace tcpdwell
