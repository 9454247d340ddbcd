// SPDX-License-Identifier: Apache-2.0
#include "kernel/rights.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <initializer_list>

namespace tcpdwell {
namespace {

struct Sets {
  Capabilities effective, permitted, inheritable;
};

Capabilities set_of(std::initializer_list<unsigned> all) {
  Capabilities set;
  for (const unsigned capability : all) set.set(capability);
  return set;
}

Capabilities join(std::uint32_t low, std::uint32_t high) {
  return Capabilities{std::uint64_t{high} << 32U | low};
}

std::optional<Sets> read_sets() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) return std::nullopt;
  return Sets{.effective = join(data[0].effective, data[1].effective),
              .permitted = join(data[0].permitted, data[1].permitted),
              .inheritable = join(data[0].inheritable, data[1].inheritable)};
}

bool write_sets(const Sets& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  for (std::size_t i = 0; i < data.size(); ++i) {
    const auto part = [i](const Capabilities& set) {
      return static_cast<std::uint32_t>(set.to_ullong() >> (32 * i));
    };
    data[i] = {part(sets.effective), part(sets.permitted), part(sets.inheritable)};
  }
  return ::syscall(SYS_capset, &header, data.data()) == 0;
}

// setns() into a network namespace: CAP_SYS_ADMIN. Opening /proc/PID/ns/net, pidfd_getfd():
// ptrace_may_access(), which requires at least the capabilities of the target. SIOCGSKNS:
// CAP_NET_ADMIN.
Capabilities entering_namespaces() {
  return set_of({CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_NET_ADMIN});
}

std::string names_of_missing(const Capabilities& have, bool* plural) {
  std::string names;
  *plural = false;
  for (const auto& [capability, name] : {std::pair{CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
                                         {CAP_SYS_PTRACE, "CAP_SYS_PTRACE"},
                                         {CAP_NET_ADMIN, "CAP_NET_ADMIN"}}) {
    if (have[static_cast<std::size_t>(capability)]) continue;
    *plural = !names.empty();
    if (*plural) names += ", ";
    names += name;
  }
  return names;
}

}  // namespace

Capabilities bpf_capabilities() { return set_of({CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN}); }

Capabilities effective_capabilities() {
  const auto sets = read_sets();
  return sets ? sets->effective : Capabilities{};
}

std::optional<Error> why_not_trace(const Capabilities& have) {
  if (have[CAP_SYS_ADMIN] || (have[CAP_BPF] && have[CAP_PERFMON])) return std::nullopt;
  const std::string missing = have[CAP_BPF]       ? "CAP_PERFMON is missing"
                              : have[CAP_PERFMON] ? "CAP_BPF is missing"
                                                  : "both are missing";
  return Error{"tracing needs CAP_BPF and CAP_PERFMON; " + missing,
               {},
               "Run it as root (sudo tcpdwell), or give it these capabilities"};
}

Capabilities needed_by_loop_only() { return set_of({CAP_DAC_OVERRIDE, CAP_KILL}); }

Capabilities needed_for(const NeededRights& needs) {
  Capabilities needed = set_of({CAP_DAC_READ_SEARCH});  // open_by_handle_at(): a cgroup's name
  if (needs.other_namespaces) needed |= entering_namespaces();
  // map_files needs CAP_SYS_ADMIN (or CAP_CHECKPOINT_RESTORE), memory CAP_SYS_PTRACE.
  if (needs.reads_processes) needed |= set_of({CAP_SYS_ADMIN, CAP_SYS_PTRACE});
  if (needs.calls_bpf) needed.set(CAP_BPF);
  if (needs.opens_files) needed.set(CAP_DAC_OVERRIDE);
  if (needs.signals_command) needed.set(CAP_KILL);
  return needed;
}

std::vector<Limitation> missing_rights(const Capabilities& have, const NeededRights& needs) {
  if (!needs.other_namespaces || (entering_namespaces() & ~have).none()) return {};
  bool plural = false;
  const std::string names = names_of_missing(have, &plural);
  const bool none = !have[CAP_SYS_ADMIN];
  return {{.what = names + (plural ? " are missing" : " is missing"),
           .effect = std::string(none ? "no" : "not every") +
                     " other network namespace can be entered, so in those sockets older than the "
                     "trace are not known and nothing is flagged",
           .hint = "--netns self leaves them out"}};
}

std::optional<Error> keep_only(const Capabilities& capabilities) {
  const auto sets = read_sets();
  if (!sets) return system_error("reading our capabilities");
  const Capabilities kept = sets->effective & capabilities;
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (!write_sets({.effective = kept, .permitted = kept, .inheritable = {}}))
    return system_error("dropping capabilities");
  return std::nullopt;
}

Without::Without(const Capabilities& capabilities) : before_(effective_capabilities()) {
  if (auto sets = read_sets()) {
    sets->effective &= ~capabilities;
    write_sets(*sets);
  }
}

Without::~Without() {
  if (auto sets = read_sets()) {
    sets->effective = before_;
    write_sets(*sets);
  }
}

}  // namespace tcpdwell
