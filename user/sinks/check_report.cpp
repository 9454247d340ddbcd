// SPDX-License-Identifier: Apache-2.0
#include "sinks/check_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "model/kernel_time.h"
#include "sinks/escape.h"
#include "sinks/json_line.h"
#include "sinks/screen.h"
#include "sinks/text_table.h"
#include "sinks/text_wrap.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kLongestValue = 24;  // in text: a list of ports can be long
constexpr std::size_t kCheckHang = 9;      // "missing: "

// --- JSON ---------------------------------------------------------------------------------------

std::string quoted(std::string_view text) {
  std::string all(json_string_room(text), '\0');
  all.resize(static_cast<std::size_t>(write_json_string(all.data(), text) - all.data()));
  return all;
}

std::string time_text(const When& when) {
  std::array<char, 40> text{};
  return {text.data(), json::time(text.data(), when.unix_time)};
}

// "[{...},{...}]"
template <typename Range, typename Fn>
std::string list(const Range& range, char open, char close, Fn&& one) {
  std::string all(1, open);
  for (const auto& each : range) {
    if (all.size() > 1) all += ',';
    all += one(each);
  }
  return all + close;
}

// --- text ---------------------------------------------------------------------------------------

std::string printable(std::string_view text) {
  std::string all;
  append_printable(all, text);
  return all;
}

std::string painted(std::string_view text, std::string_view color, const TextStyle& style) {
  if (!style.color || color.empty()) return std::string(text);
  return std::string(color).append(text).append(ansi::kReset);
}

std::string_view color_of(std::string_view how) {
  return how == "exact" ? "" : how == "no" ? ansi::kRed : ansi::kYellow;
}

std::string verdict(const CheckReport& report, const TextStyle& style) {
  const std::string text =
      fmt::format("this host can{} be traced (Linux {}, HZ {})", report.traceable ? "" : "not",
                  printable(report.kernel), report.hz);
  return painted(text, report.traceable ? ansi::kGreen : ansi::kRed, style) + "\n\n";
}

std::string sees_text(const CheckReport& report, const TextStyle& style) {
  TextTable table({{"SEES"}, {"HOW"}, {.title = "WHAT", .wraps = true}});
  for (const auto& [capability, how] : report.sees)
    table.add({capability, how, std::string(capability_text(capability))}, color_of(how));
  return table.text(true, style.color, columns_of(style.screen)) + '\n';
}

std::string missing_text(const CheckReport& report, const TextStyle& style) {
  std::string all;
  const std::string_view color = report.traceable ? ansi::kYellow : ansi::kRed;
  for (const Limitation& missing : report.missing) {
    all += painted("missing: " + printable(missing.what), color, style) + '\n';
    all += "         " + printable(missing.effect) + '\n';
    if (!missing.hint.empty()) all += "         next: " + printable(missing.hint) + '\n';
  }
  return all;
}

std::string time_wait_text(const CheckReport& report) {
  return fmt::format("TIME_WAIT lasts {} to {} here: kernel timers round {} up, by at most {}\n\n",
                     format_duration(report.time_wait.min), format_duration(report.time_wait.max),
                     format_duration(kTimeWaitLength),
                     format_duration(report.time_wait.max - kTimeWaitLength));
}

std::string sysctls_text(const CheckReport& report, const TextStyle& style) {
  if (report.sysctls.empty()) return {};
  TextTable table({{"SYSCTL"},
                   {.title = "VALUE", .right = true, .least = 12},
                   {.title = "WHAT IT MEANS HERE", .wraps = true}});
  for (const SysctlFact& fact : report.sysctls) {
    std::string value = printable(fact.value.value_or("-"));
    // ip_local_port_range has a tab between its numbers.
    if (const auto tab = value.find("\\x09"); tab != value.npos) value.replace(tab, 4, " ");
    if (value.size() > kLongestValue) value.replace(kLongestValue - 3, value.npos, "...");
    table.add({fact.name, std::move(value), fact.effect}, fact.value ? "" : ansi::kDim);
  }
  return fmt::format("sysctls of network namespace {}:\n", report.netns) +
         table.text(true, style.color, columns_of(style.screen));
}

std::string sysctl_mistakes_text(const CheckReport& report, const TextStyle& style) {
  std::string all;
  for (const SysctlMistake& found : report.sysctl_mistakes)
    all +=
        painted(fmt::format("{}:{}: {}", printable(found.file), found.line, printable(found.name)),
                ansi::kYellow, style) +
        "\n         " + found.says + '\n';
  return all;
}

std::string separated(const std::string& text, bool header) {
  return header && !text.empty() ? text + '\n' : text;
}

}  // namespace

std::string_view capability_text(std::string_view capability) {
  constexpr std::pair<std::string_view, std::string_view> kMeanings[] = {
      {"time_wait", "when TIME_WAIT begins and ends"},
      {"fin_wait_2_orphan", "how long FIN_WAIT_2 lasts once the process has closed"},
      {"syn_received", "half-open connections, from the SYN on"},
      {"accept_owner", "which process accepted a connection"},
      {"reset_reason", "whether an RST was sent or received"},
      {"opened", "where a socket was opened (--where)"},
      {"eof_read", "where its end of stream was read (--where)"}};
  for (const auto& [name, what] : kMeanings)
    if (name == capability) return what;
  return {};
}

std::string check_json(const CheckReport& report) {
  const auto colon = [](const auto& pair) {
    return quoted(pair.first) + ':' + quoted(pair.second);
  };
  const std::string sees = list(report.sees, '{', '}', colon);
  const std::string missing = list(report.missing, '[', ']', [](const Limitation& each) {
    return fmt::format(R"({{"what":{},"effect":{},"hint":{}}})", quoted(each.what),
                       quoted(each.effect), quoted(each.hint));
  });
  const std::string sysctls = list(report.sysctls, '[', ']', [](const SysctlFact& each) {
    return fmt::format(R"({{"name":{},"value":{},"effect":{}}})", quoted(each.name),
                       each.value ? quoted(*each.value) : "null", quoted(each.effect));
  });
  const std::string folklore =
      list(report.sysctl_mistakes, '[', ']', [](const SysctlMistake& each) {
        return fmt::format(R"({{"file":{},"line":{},"name":{},"says":{}}})", quoted(each.file),
                           each.line, quoted(each.name), quoted(each.says));
      });
  return fmt::format(
      R"({{"type":"check","time":"{}","mono_ns":{},"kernel":{},"hz":{},"netns":{},"traceable":{},)"
      R"("sees":{},"missing":{},"sysctls":{},"folklore":{},"time_wait_ns":{{"min":{},"max":{}}}}})"
      "\n",
      time_text(report.when), report.when.mono.count(), quoted(report.kernel), report.hz,
      report.netns, report.traceable, sees, missing, sysctls, folklore,
      report.time_wait.min.count(), report.time_wait.max.count());
}

std::string check_text(const CheckReport& report, const TextStyle& style) {
  const std::string missing = separated(missing_text(report, style), style.header);
  std::string folklore = sysctl_mistakes_text(report, style);
  const std::size_t width = columns_of(style.screen);
  if (!style.header) return wrap_lines(missing + folklore, width, kCheckHang);
  if (!folklore.empty())
    folklore = "\nsettings applied at boot that do not do what they seem to:\n" + folklore;
  return wrap_lines(verdict(report, style) + sees_text(report, style) + missing +
                        time_wait_text(report) + sysctls_text(report, style) + folklore,
                    width, kCheckHang);
}

}  // namespace tcpdwell
