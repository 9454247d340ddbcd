// SPDX-License-Identifier: Apache-2.0
// `check`: whether and how exactly this host can be traced, found by attaching the programs; what
// its TCP sysctls mean for a trace; and which settings of sysctl files are mistakes.
#include <spdlog/spdlog.h>
#include <sys/utsname.h>

#include <csignal>
#include <ctime>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "commands/common.h"
#include "commands/table.h"
#include "kernel/sysctl_files.h"
#include "kernel/sysctls.h"
#include "lifecycle/filter.h"
#include "model/kernel_time.h"
#include "session/limits.h"
#include "session/privileges.h"
#include "session/sees.h"
#include "session/session.h"
#include "sinks/check_report.h"
#include "sinks/escape.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostMistakes = 1000;

struct Checked {
  CheckReport report;
  // Why the host cannot be traced or --netns not entered; also part of the report.
  std::optional<Error> refusal;
};

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

// Attaches as a trace does: only that shows what the verifier and the attachment refuse.
void try_to_trace(const Filter& filter, Result<Programs>& programs, Checked& checked) {
  CheckReport& report = checked.report;
  report.traceable = static_cast<bool>(programs);
  Sees sees = programs ? programs->sees() : Sees{};
  sees.opened = sees.accept;
  sees.eof_read = programs && can_see_receives();
  report.sees = sees_words(sees);
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
                    iterators ? "Run it as root, and list the namespaces with: lsns -t net"
                              : "Run it as root, and give its path: finding a namespace by its "
                                "number needs BPF"};
  report.missing.push_back({error.doing, "its sysctls are unknown", error.hint});
  if (!checked.refusal) checked.refusal = error;
}

std::string printable_path(const std::string& path) {
  std::string text;
  append_printable(text, path);
  return text;
}

std::vector<SysctlMistake> all_sysctl_mistakes() {
  std::vector<SysctlMistake> all;
  visit_sysctl_files(
      "", {.file =
               [&](const std::string& path, std::string_view text) {
                 auto found = find_sysctl_mistakes(path, text, kMostMistakes - all.size());
                 std::move(found.begin(), found.end(), std::back_inserter(all));
                 if (text.size() == kMostOfSysctlFile)
                   spdlog::warn("{} is too long: read only its first MiB", printable_path(path));
               },
           .unreadable =
               [](const std::string& path, const std::string& why) {
                 spdlog::warn("cannot read {}: {}", printable_path(path), why);
               }});
  return all;
}

// `netns`: whose sysctls to read; nullopt: our own. Detaches all programs. Warns on stderr of each
// sysctl file that it could not read in full.
Checked check(const std::optional<NetnsChoice>& netns) {
  Checked checked;
  checked.report.kernel = kernel_release();
  checked.report.hz = kernel_hz();
  checked.report.time_wait = timer_bounds(kTimeWaitLength, checked.report.hz);
  checked.report.sysctl_mistakes = all_sysctl_mistakes();
  Filter filter;
  if (netns) filter.netns = netns->inum;
  auto programs = Programs::attach({.ring_bytes = ring_size(0)});
  try_to_trace(filter, programs, checked);
  add_sysctls(netns.value_or(NetnsChoice{.inum = own_netns(), .path = {}}),
              programs ? &programs->iterators() : nullptr, checked);
  checked.report.when = now();
  return checked;
}

}  // namespace

int run_check(const Options& options) {
  if (const auto error = settle_limits(kDescriptorsOfATrace)) return fail(*error);
  ::signal(SIGPIPE, SIG_IGN);  // a closed pipe ends it quietly
  auto output = Output::open(options.output, 0, options.files);
  if (!output) return fail(output.error());
  std::optional<NetnsChoice> netns;
  if (options.filter.netns)
    netns = NetnsChoice{.inum = *options.filter.netns, .path = options.netns_path};
  const auto [report, refusal] = check(netns);
  output->write(
      options.json ? check_json(report) : check_text(report, text_style(options, *output)), true);
  output->finish();
  if (const auto error = output->error()) return fail(*error);
  return refusal ? fail(*refusal) : kDone;
}

}  // namespace tcpdwell
