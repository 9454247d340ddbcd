// SPDX-License-Identifier: Apache-2.0
#include "commands/check.h"

#include <spdlog/spdlog.h>
#include <sys/utsname.h>

#include <ctime>
#include <iterator>

#include "session/privileges.h"
#include "session/sees.h"
#include "session/session.h"
#include "model/kernel_time.h"
#include "kernel/sysctl_files.h"
#include "sinks/escape.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostFolklore = 1000;

When now() {
  timespec wall{};
  ::clock_gettime(CLOCK_REALTIME, &wall);
  return {.mono = monotonic_now(),
          .unix_time = std::chrono::seconds{wall.tv_sec} + Nanos{wall.tv_nsec}};
}

std::string kernel_release() {
  utsname host{};
  ::uname(&host);
  return host.release;
}

void append(std::vector<Limitation>& to, std::vector<Limitation> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// As a trace does it: what a verifier or an attachment says is not to be known otherwise.
void try_to_trace(const Filter& filter, Result<Programs>& programs, Checked& checked) {
  CheckReport& report = checked.report;
  report.traceable = static_cast<bool>(programs);
  report.sees = sees_words(programs ? programs->sees() : Sees{});
  if (!programs) {
    Error error = programs.error();
    const std::string hint = std::exchange(error.hint, {});
    report.missing.push_back({error.text(), "nothing can be traced", hint});
    checked.refusal = programs.error();
    return;
  }
  programs->detach();
  append(report.missing, missing_by_kernel(programs->sees()));
  append(report.missing, programs->limitations());
  append(report.missing,
         missing_rights(effective_capabilities(), {.other_namespaces = looks_elsewhere(filter)}));
}

void add_sysctls(const NetnsChoice& netns, BpfIterators* iterators, Checked& checked) {
  CheckReport& report = checked.report;
  report.netns = netns.inum;
  if (const auto values = read_sysctls(sysctl_names(), netns, iterators)) {
    report.sysctls = explain_sysctls(*values, report.hz);
    return;
  }
  const Error error{"network namespace " + std::to_string(netns.inum) + " cannot be entered",
                    {},
                    iterators ? "Be root, and see that it is still there"
                          : "Be root, and give its path: what has only a number is looked for with "
                            "BPF"};
  report.missing.push_back({error.doing, "its sysctls are not known", error.hint});
  if (!checked.refusal) checked.refusal = error;
}

std::string printable(const std::string& path) {
  std::string text;
  append_printable(text, path);
  return text;
}

std::vector<SysctlMistake> all_sysctl_mistakes() {
  std::vector<SysctlMistake> all;
  visit_sysctl_files("", {.file =
                              [&](const std::string& path, std::string_view text) {
                                auto found = find_sysctl_mistakes(path, text, kMostFolklore - all.size());
                                std::move(found.begin(), found.end(), std::back_inserter(all));
                                if (text.size() == kMostOfSysctlFile)
                                  spdlog::warn("{} is long: only its first MiB was read",
                                               printable(path));
                              },
                          .unreadable =
                              [](const std::string& path, const std::string& why) {
                                spdlog::warn("{} was not read: {}", printable(path), why);
                              }});
  return all;
}

}  // namespace

Checked check(const CheckConfig& config) {
  Checked checked;
  checked.report.kernel = kernel_release();
  checked.report.hz = kernel_hz();
  checked.report.time_wait = timer_bounds(kTimeWaitLength, checked.report.hz);
  checked.report.sysctl_mistakes = all_sysctl_mistakes();
  Filter filter;
  if (config.netns) filter.netns = config.netns->inum;
  auto programs = Programs::attach({.ring_bytes = ring_size(0)});
  try_to_trace(filter, programs, checked);
  add_sysctls(config.netns.value_or(NetnsChoice{.inum = own_netns(), .path = {}}),
              programs ? &programs->iterators() : nullptr, checked);
  checked.report.when = now();
  return checked;
}

}  // namespace tcpdwell
