// SPDX-License-Identifier: Apache-2.0
#include "commands/log.h"

#include <poll.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "sinks/text_wrap.h"

namespace tcpdwell {
namespace {

constexpr int kPatienceMs = 1000;
constexpr int kTries = 3;            // another process may fill a pipe that had room
constexpr std::size_t kPart = 4096;  // PIPE_BUF: if poll() reports room, this much fits

bool has_room(int timeout_ms) {
  pollfd ready{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  return ::poll(&ready, 1, timeout_ms) > 0;
}

// Some files lack RWF_NOWAIT: a terminal with room takes so little without blocking.
ssize_t write_some(std::string_view text) {
  const iovec part{const_cast<char*>(text.data()), text.size()};
  const ssize_t written = ::pwritev2(STDERR_FILENO, &part, 1, -1, RWF_NOWAIT);
  if (written >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)) return written;
  return ::write(STDERR_FILENO, text.data(), text.size());
}

constexpr std::string_view kClear = "\r\033[K";
bool progress_shown = false;  // written on the main thread, which also logs

// Returns false and drops the rest if stderr does not take it in time.
bool write_to_stderr(std::string_view text, int patience_ms) {
  for (int tries = 0; !text.empty() && tries < kTries;) {
    if (!has_room(patience_ms)) return false;
    const ssize_t written = write_some(text.substr(0, kPart));
    if (written < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (written > 0)
      text.remove_prefix(static_cast<std::size_t>(written));
    else
      ++tries;
  }
  return text.empty();
}

std::size_t columns_of_stderr() {
  constexpr std::size_t kColumns = 80;
  winsize window{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col
                                                                               : kColumns;
}

class PatientStderr final : public spdlog::sinks::base_sink<std::mutex> {
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    clear_progress();
    write_to_stderr({line.data(), line.size()}, kPatienceMs);
  }
  void flush_() override {}
};

}  // namespace

void show_progress(std::string_view text) {
  static const bool terminal = ::isatty(STDERR_FILENO) == 1;
  if (!terminal) return;
  // A line that wraps could not be overwritten.
  const std::string line = std::string(kClear) + shortened(text, columns_of_stderr() - 1);
  progress_shown = write_to_stderr(line, 0) || progress_shown;
}

void clear_progress() {
  if (std::exchange(progress_shown, false)) write_to_stderr(kClear, kPatienceMs);
}

void set_up_log(bool verbose) {
  const auto log = std::make_shared<spdlog::logger>("tcpdwell", std::make_shared<PatientStderr>());
  log->set_pattern("tcpdwell: %v");
  log->set_level(verbose ? spdlog::level::debug : spdlog::level::info);
  spdlog::set_default_logger(log);
}

}  // namespace tcpdwell
