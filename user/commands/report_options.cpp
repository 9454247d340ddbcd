// SPDX-License-Identifier: Apache-2.0
#include "commands/report_options.h"

#include <filesystem>
#include <memory>

#include "commands/table.h"
#include "options/command_line.h"
#include "options/command_rules.h"
#include "options/option_values.h"
#include "options/options.h"

namespace tcpdwell {

using namespace command_rules;

ReportOptions::ReportOptions()
    : CommandOptions(
          "Write one HTML page that tells what happened, with findings first and pictures, from a "
          "recording or from this host; it needs no network",
          {.reads_recording = true}) {}

std::string ReportOptions::usage() const { return "FILE|--live D -o OUT.html [OPTIONS]"; }

std::vector<Example> ReportOptions::examples() const {
  return {{"report host.tdw -o night.html --since 03:10 --until 03:15", "five minutes of a night"},
          {"report host.tdw -o web.html --lport https", "one service"},
          {"report host.tdw --perfetto host.pftrace", "a trace for ui.perfetto.dev"},
          {"report --live 1m -o now.html", "this host, traced for a minute"}};
}

void ReportOptions::add_to(CLI::App& own, OptionTexts& texts) {
  own.add_option("FILE", texts.replay, "The recording")->type_name("");
  add_window_options(own, texts, "Report only what happened from T on",
                     "Report only what happened before T");
  own.add_option("--live", live_, "Trace this host for D instead of reading a recording")
      ->type_name("D");
  own.add_option("--perfetto", perfetto_, "Also write a trace for the Perfetto UI, or only that")
      ->type_name("FILE");
}

std::vector<std::string> ReportOptions::refused(const OptionTexts& texts) const {
  const Names names = with(recording_options(), {"--json", "--only", "--min-dwell", "--color",
                                                 "--time", "--duration", "--output-buffer"});
  return texts.replay.empty() ? names : with(names, {"--ready-file", "--no-accept", "--ring-size"});
}

void ReportOptions::read(const CLI::App&, const OptionTexts& texts, Options& options) {
  if (texts.replay.empty() == live_.empty())
    throw CLI::ValidationError("report", "needs a recording, or --live D");
  if (options.output.empty() && perfetto_.empty())
    throw CLI::RequiresError("report", "-o OUT.html or --perfetto FILE");
  std::error_code absent;
  if (!perfetto_.empty() && (perfetto_ == options.output ||
                             std::filesystem::equivalent(perfetto_, options.output, absent)))
    throw CLI::ValidationError("--perfetto", "is the same file as --output");
  options.recording = texts.replay;
  if (live_.empty()) {
    read_window(texts, options);
    return;
  }
  for (const auto& [option, text] : {std::pair{"--since", &texts.since}, {"--until", &texts.until}})
    if (!text->empty()) throw CLI::ValidationError(option, "does not go with --live");
  options.duration = duration_value("--live", live_);
  if (!options.filter.cgroup.empty()) options.filter.cgroup = cgroup_value(options.filter.cgroup);
}

std::unique_ptr<CommandOptions> report_options() { return std::make_unique<ReportOptions>(); }

}  // namespace tcpdwell
