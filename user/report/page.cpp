// SPDX-License-Identifier: Apache-2.0
#include "report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "report/assets.h"
#include "report/findings.h"
#include "report/html.h"
#include "report/page_data.h"
#include "report/pictures.h"
#include "report/svg.h"
#include "sinks/check_report.h"
#include "sinks/text_format.h"
#include "util/base64.h"
#include "util/duration.h"

namespace tcpdwell::reporting {
namespace {

// What the tables and pictures may take beside the lives.
constexpr std::size_t kRoomForPictures = 2U << 20U;

unsigned hex_digit(char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); }

std::string base64_of_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(hex_digit(hex[i]) << 4U | hex_digit(hex[i + 1]));
  return base64(bytes);
}

std::string policy() {
  return fmt::format(
      "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; "
      "form-action 'none'",
      base64_of_hex(kScriptHash), base64_of_hex(kStyleHash));
}

std::string limits(const ReportData& data);

struct Part {
  const char *id, *name;
  std::string (*draw)(const ReportData&);
};
constexpr Part kParts[] = {
    {"states", "States", states_picture},
    {"stuck", "Stuck", stuck_picture},
    {"timeline", "Timeline", timeline_picture},
    {"dwell", "Dwell", dwell_picture},
    {"ports", "Ports", ports_picture},
    {"handshakes", "Handshakes", handshakes_picture},
    {"closers", "Closed first", closers_picture},
    {"diagram", "Diagram", diagram_picture},
    {"limits", "Limits", limits},
};

const char* name_of(std::string_view section) {
  const auto* part = std::find_if(std::begin(kParts), std::end(kParts),
                                  [&](const Part& each) { return each.id == section; });
  return part == std::end(kParts) ? "it" : part->name;
}

struct Look {
  const char *style, *word, *icon;
};
Look look_of(Weight weight) {
  switch (weight) {
    case Weight::Bad: return {"bad", "Problem", "M3 3L13 13M13 3L3 13"};
    case Weight::Doubtful: return {"doubtful", "Note", "M8 2v8M8 12.5v1.5"};
    case Weight::Good: return {"good", "Good", "M2.5 8.5l3.5 4 7.5-9"};
    case Weight::Fact: break;
  }
  return {"fact", "Fact", "M8 2v1.5M8 6v8"};
}

std::string findings(const ReportData& data) {
  std::string text =
      "<section id=\"findings\" aria-labelledby=\"findings-title\">\n<h2 "
      "id=\"findings-title\">Findings</h2>\n<ol class=\"findings\">\n";
  for (const Finding& finding : find_all(data)) {
    const Look look = look_of(finding.weight);
    text += fmt::format(
        "<li class=\"{}\"><svg class=\"icon\" viewBox=\"0 0 16 16\" role=\"img\" "
        "aria-label=\"{}\"><path d=\"{}\"/></svg><p>{} <a href=\"#{}\">See {}</a></p></li>\n",
        look.style, look.word, look.icon, finding.text, finding.about, name_of(finding.about));
  }
  return text + "</ol>\n</section>\n";
}

std::string header(const ReportData& data) {
  const StartRecord& start = data.start;
  std::string facts;
  const auto fact = [&](const char* name, const std::string& value) {
    facts += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", name, value);
  };
  fact("host", html_of_bytes(start.host));
  fact("kernel", "Linux " + html_of_bytes(start.kernel));
  fact("from", date_text(data.begin));
  fact("to", date_text(data.end));
  fact("length", format_duration(data.length()));
  fact("connections",
       fmt::format("{} ended, {} open", format_number(data.ended), format_number(data.open)));
  fact("events in all", format_number(data.totals.events));
  fact("lost", format_number(data.totals.lost));
  return fmt::format(
      "<header>\n<p class=\"brand\">tcpdwell report</p>\n<h1>{}</h1>\n<dl "
      "class=\"facts\">\n{}</dl>\n</header>\n",
      data.source.empty() ? html_of_bytes(start.host) : html(data.source), facts);
}

std::string limits(const ReportData& data) {
  Table sees("What the kernel shows", {{"name"}, {"how"}, {"what"}});
  for (const auto& [what, how] : data.start.sees)
    sees.row({html_of_bytes(what), html_of_bytes(how), html(capability_text(what))});
  Table losses("Lost events", {{"when"},
                               {"cause"},
                               {"events", true},
                               {"transitions", true},
                               {"at most more", true},
                               {"connections corrected", true}});
  for (const LostRecord& lost : data.losses)
    losses.row({clock_text(lost.when, true), std::string(name(lost.cause)),
                format_number(lost.events), format_number(lost.transitions),
                format_number(lost.at_most), format_number(lost.resynced)});
  std::string notes;
  for (const Finding& finding : limit_findings(data)) notes += "<li>" + finding.text + "</li>\n";
  if (notes.empty()) notes = "<li>No event was lost, and nothing is known to be missing.</li>\n";
  const auto thresholds = [&] {
    std::string text;
    for (const auto& [flag, threshold] : data.start.thresholds)
      text += fmt::format("{}{} after {}", text.empty() ? "" : ", ", html_of_bytes(flag),
                          round_duration(threshold));
    return text.empty() ? std::string("none") : text;
  };
  notes += "<li>Sockets were flagged: " + thresholds() + ".</li>\n";
  return section({.id = "limits",
                  .title = "What this report cannot tell",
                  .lead = "",
                  .body = "<ul class=\"plain\">\n" + notes + "</ul>\n" +
                          (losses.is_empty() ? "" : losses.text()) +
                          (sees.is_empty() ? "" : sees.text()),
                  .notes = "exact: by an event of its own. jiffy: from a kernel timer. poll: by "
                           "asking now and then. no: not seen.",
                  .table = ""});
}

}  // namespace

std::string page(ReportData data) {
  const PageData numbers = page_data(data, kMostPageBytes - kRoomForPictures);
  const std::string title =
      "tcpdwell: " + (data.source.empty() ? html_of_bytes(data.start.host) : html(data.source));
  std::string links = "<a href=\"#findings\">Findings</a>";
  std::string sections;
  for (const Part& part : kParts) {
    const std::string text = part.draw(data);
    if (text.empty()) continue;
    sections += text;
    links += fmt::format("<a href=\"#{}\">{}</a>", part.id, part.name);
  }
  std::string text = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
      "http-equiv=\"Content-Security-Policy\" content=\"{}\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" "
      "content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light "
      "dark\">\n<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<a class=\"skip\" "
      "href=\"#findings\">To the findings</a>\n",
      policy(), title, kStyle);
  text += pattern_definitions() + header(data);
  text += "<nav aria-label=\"Sections\">" + links + "</nav>\n<main>\n";
  text += findings(data) + sections + "</main>\n";
  text += fmt::format(
      "<footer>Made by tcpdwell {}. All times are UTC. ≥ marks a lower bound, ~ an inexact "
      "time.</footer>\n",
      html(data.version));
  text += "<script type=\"application/json\" id=\"data\">" + numbers.json + "</script>\n";
  for (const std::string& chunk : numbers.lives)
    text += "<script type=\"text/plain\" class=\"lives\">" + chunk + "</script>\n";
  text += "<script type=\"module\">";
  text += kScript;
  return text + "</script>\n</body>\n</html>\n";
}

}  // namespace tcpdwell::reporting
