// SPDX-License-Identifier: Apache-2.0
#include "options/option_values.h"

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <system_error>

#include "kernel/cgroups.h"
#include "kernel/netns_files.h"
#include "options/suggest.h"
#include "recording/recorder.h"
#include "tcpdwell/wire.h"
#include "util/duration.h"
#include "util/unique_fd.h"

namespace tcpdwell {
namespace {

// "65536", "64K", "16M", "1G"
std::optional<std::uint64_t> size_in_bytes(std::string_view digits) {
  std::uint64_t unit = 1;
  if (!digits.empty()) {
    const auto suffix = std::string_view("KMG").find(static_cast<char>(digits.back() & ~0x20));
    if (suffix != std::string_view::npos && digits.back() > '9') {
      unit = 1ULL << 10U * (suffix + 1);
      digits.remove_suffix(1);
    }
  }
  const auto value = number(digits);
  if (!value || *value > INT64_MAX / unit) return std::nullopt;
  return *value * unit;
}

}  // namespace

void refuse(const std::string& option, const std::string& text, const std::string& what) {
  throw CLI::ValidationError(option, '"' + text + "\" is not " + what);
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Kinds kind_set(const std::vector<std::string>& texts) {
  Kinds kinds{.transitions = false, .flags = false, .connections = false};
  for (const std::string& text : texts) {
    if (text == "transition")
      kinds.transitions = true;
    else if (text == "connection")
      kinds.connections = true;
    else if (text == "flag")
      kinds.flags = true;
    else
      refuse("--only", text,
             "a kind of record (transition, flag, connection)" +
                 did_you_mean(text, {"transition", "flag", "connection"}));
  }
  return kinds;
}

Nanos duration_value(const std::string& option, const std::string& text) {
  // now + duration must not overflow the clock: a deadline would lie in the past.
  constexpr Nanos kLongest = std::chrono::hours{24 * 365 * 100};
  const auto duration = parse_duration(text);
  if (!duration || duration->count() == 0 || *duration > kLongest)
    refuse(option, text, "a duration (250ms, 30s, 2m30s, 1d; a bare number is seconds)");
  return *duration;
}

namespace {
std::vector<std::string> flag_names() {
  auto names = state_names();
  names.emplace_back(kAcceptFlag);
  return names;
}
}  // namespace

void set_flag(const std::string& text, Thresholds& thresholds) {
  const auto equals = text.find('=');
  const std::string_view flag = std::string_view(text).substr(0, equals);
  const auto state = parse_state(flag);
  const bool accept = std::equal(flag.begin(), flag.end(), kAcceptFlag.begin(), kAcceptFlag.end(),
                                 [](char a, char b) { return (a & ~0x20) == b; });
  if (equals == std::string::npos || (!state && !accept))
    refuse("--flag", text,
           "a state, or ACCEPT, and a duration (CLOSE_WAIT=30s, fin-wait-2=5m, ACCEPT=10s)" +
               (state || accept ? "" : did_you_mean(flag, flag_names())));
  const Nanos threshold = duration_value("--flag", text.substr(equals + 1));
  if (accept)
    thresholds.accept = threshold;
  else
    thresholds.set(*state, threshold);
}

State dwell_state_value(const std::string& option, const std::string& text) {
  const auto state = parse_state(text);
  if (!state || *state == State::Closed)
    refuse(option, text,
           "a state that a connection stays in (CLOSE_WAIT, fin-wait-2, estab, ...)" +
               did_you_mean(text, state_names()));
  return *state;
}

GroupBy group_by_value(const std::string& text) {
  const auto by = parse_group_by(text);
  if (!by) {
    std::string all;
    for (const std::string& each : group_names()) all += (all.empty() ? "" : ", ") + each;
    refuse("--by", text, "one of " + all + did_you_mean(text, group_names()));
  }
  return *by;
}

LeakOrder leak_order_value(const std::string& text) {
  if (text != "count" && text != "age") refuse("--sort", text, "count or age");
  return text == "age" ? LeakOrder::Age : LeakOrder::Count;
}

double growth_value(const std::string& text) {
  constexpr std::string_view kUnit = "/min";
  const char* const end = text.data() + text.size() - (text.ends_with(kUnit) ? kUnit.size() : 0);
  double value = 0;
  const auto [parsed_to, error] =
      std::from_chars(text.data(), end, value, std::chars_format::fixed);
  if (!text.ends_with(kUnit) || error != std::errc{} || parsed_to != end || !(value > 0) ||
      value > 1e9)
    refuse("--growth", text, "a number of sockets a minute (5/min, 0.5/min)");
  return value;
}

ReplayTime replay_time_value(const std::string& option, const std::string& text) {
  const auto time = parse_replay_time(text);
  if (!time)
    refuse(option, text,
           "a time (03:12, 2026-11-21T03:12:05Z, or +90s from the beginning of the recording)");
  return *time;
}

std::vector<std::string> state_names() {
  std::vector<std::string> names;
  for (std::size_t i = 1; i < kStates; ++i) names.emplace_back(name(static_cast<State>(i)));
  return names;
}

int status_value(const std::string& option, const std::string& text) {
  const auto value = number(text);
  if (!value || *value > 255) refuse(option, text, "an exit status (0 to 255)");
  return static_cast<int>(*value);
}

std::uint64_t size_value(const std::string& option, const std::string& text) {
  constexpr std::uint64_t kMost = 1ULL << 30U;
  const auto value = size_in_bytes(text);
  if (!value || *value == 0 || *value > kMost)
    refuse(option, text, "a size in bytes (up to 1G; 64K, 16M)");
  return *value;
}

std::size_t output_buffer_value(const std::string& text) {
  const auto value = size_in_bytes(text);
  if (!value || *value < (64U << 10U) || *value > (1U << 30U))
    refuse("--output-buffer", text, "a size in bytes (64K to 1G)");
  return *value;
}

std::uint64_t recording_size_value(const std::string& text) {
  const auto value = size_in_bytes(text);
  if (!value || *value < recording::kLeastSize)
    refuse("--max-size", text, "a size in bytes (256K at least; 64M, 1G)");
  return *value;
}

mode_t mode_value(const std::string& text) {
  unsigned mode = 0;
  const char* end = text.data() + text.size();
  const auto [parsed_to, error] = std::from_chars(text.data(), end, mode, 8);
  if (error != std::errc{} || parsed_to != end || mode > 0777 || (mode & 0200U) == 0)
    refuse("--mode", text, "octal permissions that let tcpdwell write (0600 to 0777)");
  return mode;
}

unsigned rotate_value(const std::string& text) {
  const auto value = number(text);
  if (!value || *value == 0 || *value > 1000) refuse("--rotate", text, "a number from 1 to 1000");
  return static_cast<unsigned>(*value);
}

std::uint64_t count_value(const std::string& option, const std::string& text) {
  const auto value = number(text);
  if (!value || *value == 0 || *value > 1'000'000'000)
    refuse(option, text, "a number from 1 to 1000000000");
  return *value;
}

std::string netns_file(const std::string& text) {
  if (text == "self") return "/proc/self/ns/net";
  return text.find('/') == std::string::npos ? "/run/netns/" + text : text;
}

std::string netns_path(const std::string& text) {
  if (text == "self") return "/proc/thread-self/ns/net";
  return text.find_first_not_of("0123456789") == std::string::npos ? std::string()
                                                                   : netns_file(text);
}

std::uint32_t netns_value(const std::string& text) {
  if (const auto inode = number(text); inode && *inode != 0 && *inode <= UINT32_MAX)
    return static_cast<std::uint32_t>(*inode);
  const std::string path = netns_file(text);
  const UniqueFd file = open_netns_path(path);
  const int failed = errno;
  if (!file && failed != EINVAL) {
    const bool forbidden = failed == EACCES || failed == EPERM;
    throw CLI::ValidationError(
        "--netns", "cannot open " + path + ": " + std::generic_category().message(failed) +
                       (forbidden ? " (run it as root)" : " (list them with: ip netns)"));
  }
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0)
    refuse("--netns", text,
           "a network namespace (a name that `ip netns` lists, a path, an inode number, or "
           "\"self\")");
  return static_cast<std::uint32_t>(info.st_ino);
}

std::string cgroup_value(const std::string& text) {
  const std::string mount = find_cgroup2_mount();
  if (mount.empty())
    throw CLI::ValidationError("--cgroup", "cgroup v2 is not mounted on this host");
  std::string path = text;
  if (path == mount || path.starts_with(mount + '/')) path.erase(0, mount.size());
  // Paths are compared as text: without this, "a/../b" or "a//b" would match nothing in silence.
  std::error_code missing;
  const std::string real = std::filesystem::canonical(mount + '/' + path, missing).string();
  const bool below = real == mount || real.starts_with(mount + '/');
  if (missing || !below || !std::filesystem::is_directory(real, missing))
    refuse("--cgroup", text, "a cgroup below " + mount);
  return real == mount ? "/" : real.substr(mount.size());
}

}  // namespace tcpdwell
