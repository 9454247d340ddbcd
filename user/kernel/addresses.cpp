// SPDX-License-Identifier: Apache-2.0
#include "kernel/addresses.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <future>
#include <sstream>

namespace tcpdwell {
namespace {

constexpr std::string_view kTimewaitTimer = "tw_timer_handler";
constexpr std::string_view kRequestTimer = "reqsk_timer_handler";

struct EndingFunction {
  std::string_view function;
  tcpdwell_canceller means;
};
// The innermost of these on the stack cancelled the timer. One symbol for each meaning suffices:
// their names differ between kernels.
constexpr std::array kFrames = {
    EndingFunction{"tcp_timewait_state_process", TCPDWELL_BY_SEGMENT},
    EndingFunction{"tcp_v4_rcv", TCPDWELL_BY_RECEIVE},
    EndingFunction{"tcp_v6_rcv", TCPDWELL_BY_RECEIVE},
    EndingFunction{"__inet_check_established", TCPDWELL_BY_CONNECT},
    EndingFunction{"__inet6_check_established", TCPDWELL_BY_CONNECT},
    EndingFunction{"__inet_hash_connect", TCPDWELL_BY_CONNECT},
    EndingFunction{"tcp_abort", TCPDWELL_BY_ABORT},
    EndingFunction{"inet_twsk_purge", TCPDWELL_BY_NETNS},
    EndingFunction{"tcp_twsk_purge", TCPDWELL_BY_NETNS},
};
static_assert(kFrames.size() <= TCPDWELL_MAX_RANGES);

std::vector<std::string_view> wanted_names() {
  std::vector<std::string_view> names = {kTimewaitTimer, kRequestTimer};
  for (const EndingFunction& frame : kFrames) names.push_back(frame.function);
  return names;
}

bool has_all_meanings(const std::vector<tcpdwell_range>& ranges) {
  return std::all_of(kFrames.begin(), kFrames.end(), [&](const EndingFunction& frame) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](const tcpdwell_range& range) { return range.canceller == frame.means; });
  });
}

// A compiler may split one function into several symbols.
Addresses addresses_of(const std::vector<Symbol>& symbols) {
  Addresses found;
  for (const Symbol& symbol : symbols) {
    if (symbol.name == kTimewaitTimer) found.timewait_timer = symbol.begin;
    if (symbol.name == kRequestTimer) found.request_timer = symbol.begin;
    const auto* frame = std::find_if(kFrames.begin(), kFrames.end(), [&](const EndingFunction& f) {
      return f.function == symbol.name;
    });
    if (frame != kFrames.end())
      found.cancellers.push_back({symbol.begin, symbol.end, frame->means});
  }
  if (!has_all_meanings(found.cancellers) || found.cancellers.size() > TCPDWELL_MAX_RANGES)
    found.cancellers.clear();
  return found;
}

bool has_timers(const Addresses& addresses) {
  return addresses.timewait_timer != 0 && addresses.request_timer != 0;
}

}  // namespace

AddressSources address_sources() {
  return {.kallsyms =
              [](AddressSources::Names names) {
                std::ifstream list("/proc/kallsyms");
                return find_symbols(names, list);
              },
          .ksyms =
              [](AddressSources::Names names) {
                std::istringstream list(list_kernel_functions());
                return find_symbols(names, list);
              },
          .sockets = handlers_of_own_sockets};
}

AddressSources read_ahead(AddressSources sources) {
  // Deferred: if no thread can be made, the caller reads the list. Do not move the argument into
  // async(), which uses it again if it cannot make a thread.
  const auto job = [read = std::move(sources.kallsyms)] { return read(wanted_names()); };
  const std::shared_future<std::vector<Symbol>> symbols =
      std::async(std::launch::async | std::launch::deferred, job);
  sources.kallsyms = [symbols](AddressSources::Names) { return symbols.get(); };
  return sources;
}

Result<Addresses> find_addresses(const AddressSources& sources) {
  const auto names = wanted_names();
  auto symbols = sources.kallsyms(names);
  if (symbols.empty()) symbols = sources.ksyms(names);
  Addresses found = addresses_of(symbols);
  if (has_timers(found)) return found;
  const TimerHandlers handlers = sources.sockets();
  if (found.timewait_timer == 0) found.timewait_timer = handlers.timewait;
  if (found.request_timer == 0) found.request_timer = handlers.request;
  if (has_timers(found)) return found;
  return Error{
      "the kernel shows no address of " +
          std::string(found.timewait_timer == 0 ? kTimewaitTimer : kRequestTimer) +
          ", neither in /proc/kallsyms, nor by iter/ksym, nor in sockets of our own",
      {},
      "Give CAP_SYSLOG, or set `sysctl kernel.kptr_restrict=1`: TIME_WAIT cannot be traced "
      "without it"};
}

}  // namespace tcpdwell
