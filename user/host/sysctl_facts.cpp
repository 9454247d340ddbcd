// SPDX-License-Identifier: Apache-2.0
#include "host/sysctl_facts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "host/tcp_timeouts.h"
#include "model/kernel_time.h"
#include "model/port_ranges.h"

namespace tcpdwell {
namespace {

// nullopt: not a number, or outside the range of the kernel's int.
std::optional<std::int64_t> to_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  return whole && value >= 0 && value <= INT32_MAX ? std::optional(value) : std::nullopt;
}

class Values {
 public:
  Values(const SysctlValues& all, unsigned hz) : all_(all), hz_(hz) {}
  const std::string* text(std::string_view name) const {
    const auto found = all_.find(name);
    return found == all_.end() ? nullptr : &found->second;
  }
  // `name` is without its prefix "net.ipv4.".
  std::optional<std::int64_t> number(std::string_view name) const {
    const std::string* value = text("net.ipv4." + std::string(name));
    return value ? to_number(*value) : std::nullopt;
  }
  Nanos rto_max() const {
    const auto ms = number("tcp_rto_max_ms");
    return ms ? Nanos{std::chrono::milliseconds{std::clamp<std::int64_t>(*ms, 1000, 120'000)}}
              : kRtoMax;
  }
  unsigned hz() const { return hz_; }

 private:
  const SysctlValues& all_;
  unsigned hz_;
};

// "60 s", "924.6 s", "62.048 s"
std::string seconds(Nanos duration) {
  const std::int64_t millis = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  std::string text = std::to_string(millis / 1000);
  if (millis % 1000 != 0) {
    text += '.' + std::to_string(1000 + millis % 1000).substr(1);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text + " s";
}

std::string seconds(std::int64_t value) { return std::to_string(value) + " s"; }

unsigned retries(std::int64_t value) {
  return static_cast<unsigned>(std::min<std::int64_t>(value, 255));  // the kernel keeps a byte
}

// For a timeout that is a single kernel timer: the timeout, and how late the timer wheel can fire.
std::string rounded(Nanos timeout, unsigned hz) {
  return seconds(timeout) + " (" + seconds(timer_bounds(timeout, hz).max) +
         " with the timer wheel's rounding)";
}

std::string fin_timeout(std::int64_t value, const Values& values) {
  constexpr std::string_view kNothingElse = "; TIME_WAIT does not depend on it";
  const Nanos timeout = std::chrono::seconds{value};
  if (value == 0)
    return "an orphan waits in FIN_WAIT_2 for 3.5 of its retransmission timeouts" +
           std::string(kNothingElse);
  const Nanos waits = orphan_timeout(timeout);
  std::string text = "an orphan waits in FIN_WAIT_2 for up to ";
  text += waits == timeout ? rounded(waits, values.hz())
                           : seconds(waits) + ": twice what is above 60 s";
  if (waits == timeout && value < 60) text += ", or 3.5 retransmission timeouts if that is more";
  return text + std::string(kNothingElse);
}

std::string tw_reuse(std::int64_t value, const Values& values) {
  if (value == 0) return "connect() never takes the port of a TIME_WAIT";
  const auto delay = values.number("tcp_tw_reuse_delay");
  std::string text = "connect() " + std::string(value == 2 ? "over loopback " : "") +
                     "may take the port of a TIME_WAIT after " +
                     seconds(Nanos{std::chrono::milliseconds{delay.value_or(1000)}}) +
                     " (time_wait_ended: reused)";
  if (values.number("tcp_timestamps") == 0)
    text += ", but only with TCP timestamps, and tcp_timestamps is 0";
  return text;
}

std::string tw_reuse_delay(std::int64_t value, const Values&) {
  return "where tcp_tw_reuse allows it, a TIME_WAIT is reused after " +
         seconds(Nanos{std::chrono::milliseconds{value}});
}

std::string max_tw_buckets(std::int64_t value, const Values&) {
  if (value == 0)
    return "no connection enters TIME_WAIT, and no orphan stays in FIN_WAIT_2 (ended: overflow)";
  return "with " + std::to_string(value) +
         " connections in TIME_WAIT or orphaned in FIN_WAIT_2, a further one ends at once instead "
         "(ended: overflow)";
}

std::string rfc1337(std::int64_t value, const Values&) {
  return value == 0 ? "an RST ends a TIME_WAIT early (time_wait_ended: reset)"
                    : "an RST does not end a TIME_WAIT";
}

std::string timestamps(std::int64_t value, const Values&) {
  return value == 0 ? "off: connect() cannot reuse a TIME_WAIT, and a SYN recycles one only by its "
                      "sequence number"
                    : "a SYN with a newer timestamp may recycle a TIME_WAIT (time_wait_ended: "
                      "recycled), and tcp_tw_reuse can work";
}

std::string max_orphans(std::int64_t value, const Values&) {
  return "beyond " + std::to_string(value) +
         " orphans on the host, close() resets a connection (ended: overflow)";
}

// tcp_orphan_retries(): 0 counts as 8, but as none once a connection's timeout is at its maximum.
std::string orphan_retries(std::int64_t value, const Values& values) {
  Nanos least = model_timeout(retries(value == 0 ? 8 : value), kRtoMin, values.rto_max());
  std::string_view zero;
  if (value == 0) {
    zero = least <= values.rto_max() ? "; 0 counts as 8"
                                     : "; 0: once its retransmission timeout is at the maximum";
    least = std::min(least, values.rto_max());
  }
  return "a closed connection whose FIN is not acknowledged (FIN_WAIT_1, CLOSING, LAST_ACK) ends "
         "at "
         "least " +
         seconds(least) + " after its first retransmit" +
         (value > 8 ? ", earlier after an ICMP error" : "") + " (ended: timeout" +
         std::string(zero) + ")";
}

std::string retries2(std::int64_t value, const Values& values) {
  return "an open connection (ESTABLISHED, CLOSE_WAIT) whose data is not acknowledged ends at "
         "least " +
         seconds(model_timeout(retries(value), kRtoMin, values.rto_max())) +
         " after its first retransmit (ended: timeout)";
}

std::string syn_retries(std::int64_t value, const Values& values) {
  const auto linear = values.number("tcp_syn_linear_timeouts").value_or(0);
  return "an unanswered connect() stays in SYN_SENT for about " +
         seconds(syn_timeout(retries(value), retries(linear), values.rto_max())) +
         " (ended: timeout)";
}

std::string syn_linear_timeouts(std::int64_t value, const Values&) {
  if (value == 0) return "the timeouts of a SYN double from the first";
  return "the first " + std::to_string(value + 1) +
         " timeouts of a SYN are 1 s each, then they double";
}

std::string synack_retries(std::int64_t value, const Values& values) {
  return "a half-open connection (SYN_RECEIVED) ends after about " +
         seconds(syn_ack_timeout(retries(value), values.rto_max())) +
         ", earlier while its listener's queue is over half full (ended: timeout)";
}

std::string rto_max(std::int64_t, const Values& values) {
  return "retransmission timeouts grow to at most " + seconds(values.rto_max());
}

std::string syncookies(std::int64_t value, const Values&) {
  if (value == 0) return "off: a listener whose queue is full drops SYNs";
  if (value == 1)
    return "while a listener's queue is full, half-open connections cannot be seen: counts of "
           "SYN_RECEIVED are lower bounds";
  return "always: half-open connections cannot be seen, and counts of SYN_RECEIVED are lower "
         "bounds";
}

std::string max_syn_backlog(std::int64_t value, const Values& values) {
  if (values.number("tcp_syncookies").value_or(0) != 0)
    return "limits nothing while tcp_syncookies is on: the backlog of listen() and somaxconn limit "
           "half-open connections";
  return "with more than " + std::to_string(value - value / 4) +
         " half-open connections, a listener drops SYNs of unknown peers";
}

// sk_acceptq_is_full() is true only beyond the backlog, so one more connection fits.
std::string somaxconn(std::int64_t value, const Values&) {
  return "at most " + std::to_string(value + 1) +
         " connections wait for accept() at a listener, fewer if its listen() asks for fewer";
}

std::string abort_on_overflow(std::int64_t value, const Values&) {
  return value == 0 ? "with a full accept queue the last ACK of the handshake is ignored: "
                      "SYN_RECEIVED here, ESTABLISHED at the peer"
                    : "with a full accept queue a handshake ends with an RST";
}

std::string keepalive_time(std::int64_t value, const Values& values) {
  const auto interval = values.number("tcp_keepalive_intvl");
  const auto probes = values.number("tcp_keepalive_probes");
  if (!interval || !probes)
    return "with SO_KEEPALIVE, an idle connection is probed after " + seconds(value);
  return "with SO_KEEPALIVE, an idle connection whose peer is gone ends after " +
         seconds(value + *interval * *probes) + " (ended: timeout); without, never";
}

std::string keepalive_interval(std::int64_t value, const Values&) {
  return "keepalive probes are sent every " + seconds(value);
}

std::string keepalive_probes(std::int64_t value, const Values&) {
  return "a connection ends after " + std::to_string(value) + " unanswered keepalive probes";
}

constexpr std::string_view kStrange = "a value that tcpdwell cannot explain";
constexpr std::string_view kReserved = "net.ipv4.ip_local_reserved_ports";

std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

// The rate of new connections that the ports can sustain if each ends in TIME_WAIT on this host.
std::string lasting_rate(std::int64_t ports, const Values& values) {
  const double lasts =
      std::chrono::duration<double>(timer_bounds(kTimeWaitLength, values.hz()).max).count();
  const auto tenths = static_cast<std::int64_t>(static_cast<double>(ports) / lasts * 10);
  std::string rate = grouped(tenths / 10);
  if (tenths < 100) rate += '.' + std::to_string(tenths % 10);
  std::string text = "enough for " + rate + " new connections a second if each ends in TIME_WAIT";
  const auto reuse = values.number("tcp_tw_reuse").value_or(0);
  if (reuse == 1) text += ", or more if tcp_tw_reuse frees ports";
  if (reuse == 2) text += ", or more over loopback, where tcp_tw_reuse frees ports";
  return text;
}

// "32768\t60999"
std::string port_range(std::string_view text, const Values& values) {
  const auto gap = text.find_first_of(" \t");
  const auto first = to_number(text.substr(0, gap));
  const auto begin = text.find_first_not_of(" \t", gap);
  if (!first || begin == text.npos) return std::string(kStrange);
  const auto last = to_number(text.substr(begin));
  if (!last || *last < *first || *last > UINT16_MAX) return std::string(kStrange);
  const std::string* list = values.text(kReserved);
  const std::uint32_t reserved =
      list ? count_ports(parse_ports(*list, static_cast<std::uint16_t>(*first),
                                     static_cast<std::uint16_t>(*last)))
           : 0;
  const std::int64_t ports = *last - *first + 1 - reserved;
  return grouped(ports) + (ports == 1 ? " port" : " ports") +
         " for connect() without bind() to one address and port, minus the bound ones: " +
         lasting_rate(ports, values);
}

// "", "8080,9000-9010"
std::string reserved_ports(std::string_view text, const Values&) {
  if (text.empty()) return "connect() without bind() chooses any of ip_local_port_range";
  const auto ports = count_ports(parse_ports(text, 1, UINT16_MAX));
  if (ports == 0) return std::string(kStrange);
  return "connect() without bind() does not choose " +
         (ports == 1 ? "this one" : "these " + grouped(ports));
}

struct Sysctl {
  std::string_view name;
  std::string (*effect)(std::int64_t, const Values&);  // nullptr: not one number
  std::string_view absent = "not in this kernel";
  std::string (*effect_of_text)(std::string_view, const Values&) = nullptr;
};

constexpr auto kAll = std::to_array<Sysctl>({
    {"net.ipv4.tcp_fin_timeout", fin_timeout},
    {"net.ipv4.tcp_tw_reuse", tw_reuse},
    {"net.ipv4.tcp_tw_reuse_delay", tw_reuse_delay, "not in this kernel: it is 1 s"},
    {"net.ipv4.tcp_max_tw_buckets", max_tw_buckets},
    {"net.ipv4.tcp_rfc1337", rfc1337},
    {"net.ipv4.tcp_timestamps", timestamps},
    {"net.ipv4.tcp_max_orphans", max_orphans,
     "one limit for the whole host, visible only in its initial network namespace"},
    {"net.ipv4.tcp_orphan_retries", orphan_retries},
    {"net.ipv4.tcp_retries2", retries2},
    {"net.ipv4.tcp_syn_retries", syn_retries},
    {"net.ipv4.tcp_syn_linear_timeouts", syn_linear_timeouts,
     "not in this kernel: the timeouts of a SYN double from the first"},
    {"net.ipv4.tcp_synack_retries", synack_retries},
    {"net.ipv4.tcp_rto_max_ms", rto_max, "not in this kernel: it is 120 s"},
    {"net.ipv4.tcp_syncookies", syncookies, "not in this kernel: no SYN cookies are sent"},
    {"net.ipv4.tcp_max_syn_backlog", max_syn_backlog},
    {"net.core.somaxconn", somaxconn},
    {"net.ipv4.tcp_abort_on_overflow", abort_on_overflow},
    {"net.ipv4.tcp_keepalive_time", keepalive_time},
    {"net.ipv4.tcp_keepalive_intvl", keepalive_interval},
    {"net.ipv4.tcp_keepalive_probes", keepalive_probes},
    {"net.ipv4.ip_local_port_range", nullptr, "not in this kernel", port_range},
    {kReserved, nullptr, "not in this kernel", reserved_ports},
});
constexpr auto kSysctlNames = [] {
  std::array<std::string_view, kAll.size()> names;
  std::transform(kAll.begin(), kAll.end(), names.begin(), [](const Sysctl& s) { return s.name; });
  return names;
}();

std::string effect_of(const Sysctl& sysctl, const std::string* text, const Values& values) {
  if (!text) return std::string(sysctl.absent);
  if (sysctl.effect_of_text) return sysctl.effect_of_text(*text, values);
  const auto number = to_number(*text);
  return number ? sysctl.effect(*number, values) : std::string(kStrange);
}

}  // namespace

std::span<const std::string_view> sysctl_names() { return kSysctlNames; }

std::vector<SysctlFact> explain_sysctls(const SysctlValues& all, unsigned hz) {
  const Values values(all, hz);
  std::vector<SysctlFact> facts;
  for (const Sysctl& sysctl : kAll) {
    const std::string* text = values.text(sysctl.name);
    facts.push_back({.name = std::string(sysctl.name),
                     .value = text ? std::optional(*text) : std::nullopt,
                     .effect = effect_of(sysctl, text, values)});
  }
  return facts;
}

}  // namespace tcpdwell
