// SPDX-License-Identifier: Apache-2.0
// The lives of single connections: controls for the script of the page, and a drawing of the first
// ones for readers without it.
#include <fmt/format.h>

#include <algorithm>

#include "model/dwell_order.h"
#include "report/html.h"
#include "report/pictures.h"
#include "report/svg.h"
#include "sinks/text_format.h"
#include "util/duration.h"

namespace tcpdwell::reporting {
namespace {

constexpr std::size_t kDrawn = 40, kListed = 100;

std::string draw_span(const Canvas& canvas, const ReportData& data, const Span& span, double y,
                      double height) {
  const double x = x_of(canvas, data, span.begin), end = x_of(canvas, data, span.end);
  const std::string style = state_class(span.state);
  const std::string place = fmt::format("x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"", number(x),
                                        number(y), number(std::max(end - x, 0.8)), number(height));
  std::string text =
      fmt::format("<rect class=\"s-{}{}\" {}/>", style, span.error ? "" : " unsure", place);
  if (span.state != State::Established && end - x > 1)
    text += fmt::format("<rect fill=\"url(#p-{})\" {}/>", style, place);
  return text + '\n';
}

std::string draw_lives(const Canvas& canvas, const ReportData& data, std::size_t count,
                       double height) {
  std::string text;
  double y = canvas.top;
  for (std::size_t i = 0; i < count; ++i, y += height) {
    const Life& life = data.lives[i];
    std::vector<Span> spans = life.spans;
    // Each has a pixel at least: where several share one, the longest is seen.
    std::stable_sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
      return a.end - a.begin < b.end - b.begin;
    });
    for (const Span& span : spans) text += draw_span(canvas, data, span, y, height - 4);
    for (const Mark& mark : life.marks) {
      const double x = x_of(canvas, data, mark.raised);
      text += fmt::format("<path class=\"flag\" d=\"M{} {}v{}l6 -4l-6 -4\"/>\n", number(x),
                          number(y + height - 4), number(4 - height));
    }
    if (!canvas.narrow)
      text += text_at(canvas.left - 6, y + height - 6,
                      format_endpoint(life.flow.remote, life.flow.family), "", "end");
  }
  return text + time_axis(canvas, data);
}

std::string drawing(const ReportData& data) {
  const std::size_t count = std::min(data.lives.size(), kDrawn);
  constexpr double kTall = 16;
  Canvas wide = kWide, narrow = kNarrow;
  wide.left = 210;
  narrow.left = 8;
  wide.height = narrow.height =
      wide.top + wide.bottom + static_cast<int>(kTall * static_cast<double>(count));
  return "<div class=\"no-script\">" +
         drawn_twice(
             fmt::format("The first {} as spans of states", format_count(count, "connection")),
             wide, narrow,
             [&](const Canvas& canvas) { return draw_lives(canvas, data, count, kTall); }) +
         fmt::format(
             "<p class=\"note\">The first {}. With scripts allowed, this is a timeline of "
             "all of them.</p></div>\n",
             format_count(count, "connection"));
}

std::string path_text(const Life& life) {
  std::string text;
  for (const Span& span : life.spans) {
    if (!text.empty()) text += ", ";
    text += fmt::format("{} {}", name(span.state),
                        format_dwell({.value = span.end - span.begin, .error = span.error}));
  }
  return text;
}

std::string life_numbers(const ReportData& data) {
  Table table(
      "The first connections",
      {{"cookie"}, {"begin"}, {"service"}, {"owner"}, {"local"}, {"peer"}, {"states"}, {"ended"}});
  for (std::size_t i = 0; i < std::min(data.lives.size(), kListed); ++i) {
    const Life& life = data.lives[i];
    table.row({life.cookie != 0 ? fmt::format("{:x}", life.cookie) : "-",
               clock_text(data.when(life.begin()), true),
               html(data.services[data.places[life.service]].name),
               life.owner ? html(format_process(life.owner->process)) : "-",
               html(format_endpoint(life.flow.local, life.flow.family)),
               html(format_endpoint(life.flow.remote, life.flow.family)), path_text(life),
               life.over ? std::string(name(life.ended)) : "open"});
  }
  return table.text();
}

std::string lives_legend(const ReportData& data) {
  std::array<bool, kStates> used{};
  for (const Life& life : data.lives)
    for (const Span& span : life.spans) used[index(span.state)] = true;
  std::string text = "<ul class=\"legend\">";
  for (const State state : kDwellOrder)
    if (used[index(state)]) text += fmt::format("<li>{} {}</li>", swatch(state), name(state));
  return text + "</ul>\n";
}

constexpr const char* kControls = R"(<div class="script" hidden>
<div class="controls">
<label>Search <input type="search" id="tl-search" placeholder="owner, peer, port, state, cookie" autocomplete="off" spellcheck="false"></label>
<label>Group by <select id="tl-group"><option value="service">service</option><option value="owner">owner</option><option value="peer">peer</option><option value="port">port</option><option value="state">last state</option><option value="ended">end</option><option value="none">nothing</option></select></label>
<span class="buttons"><button type="button" id="tl-in" aria-label="Zoom in">+</button><button type="button" id="tl-out" aria-label="Zoom out">&minus;</button><button type="button" id="tl-all">All</button></span>
</div>
<p id="tl-status" class="note" role="status"></p>
<div id="tl-box"><canvas id="tl-canvas" tabindex="0" role="application" aria-label="Timeline of connections. Arrow left and right move in time, plus and minus zoom, arrow up and down choose a connection." aria-describedby="tl-keys"></canvas><div id="tl-tall"></div></div>
<p id="tl-keys" class="note">Drag or <kbd>&larr;</kbd> <kbd>&rarr;</kbd> moves in time, <kbd>+</kbd> <kbd>&minus;</kbd> or Ctrl and the wheel zooms, <kbd>[</kbd> <kbd>]</kbd> changes the height of a line, <kbd>Home</kbd> shows all, <kbd>&uarr;</kbd> <kbd>&darr;</kbd> or a click chooses a connection, <kbd>/</kbd> searches. A span that fades in began earlier, or its begin is not exact.</p>
<div id="tl-life" class="card" hidden tabindex="-1" aria-label="The chosen connection"></div>
<details id="tl-list"><summary>The matching connections as a list</summary><div class="scroll" tabindex="0" role="region" aria-label="Connections"><table><thead><tr><th scope="col">begin</th><th scope="col">service</th><th scope="col">owner</th><th scope="col">local</th><th scope="col">peer</th><th scope="col">states</th><th scope="col">ended</th></tr></thead><tbody></tbody></table></div><button type="button" id="tl-more">More</button></details>
</div>
)";

}  // namespace

std::string timeline_picture(const ReportData& data) {
  if (data.lives.empty()) return "";
  const auto flagged = static_cast<std::size_t>(std::count_if(
      data.lives.begin(), data.lives.end(), [](const Life& life) { return !life.marks.empty(); }));
  const std::size_t others = data.lives.size() - flagged;
  std::string lead;
  if (data.lives.size() >= data.connections()) {
    lead = fmt::format("All <b>{}</b>", format_count(data.lives.size(), "connection"));
  } else {
    lead = fmt::format("<b>{}</b> of {}: {} of {} flagged", format_number(data.lives.size()),
                       format_count(data.connections(), "connection"), format_number(flagged),
                       format_number(data.flagged_lives));
    if (flagged < data.flagged_lives) lead += " (the oldest)";
    if (others != 0)
      lead += fmt::format(", and of the others a random one of {:.1f}", std::max(data.one_of, 1.0));
  }
  lead += ". Each line shows whole connections as spans in the colours of their states.";
  return section({.id = "timeline",
                  .title = "Timeline of connections",
                  .lead = lead,
                  .body = lives_legend(data) + kControls + drawing(data),
                  .notes = "",
                  .table = life_numbers(data)});
}

}  // namespace tcpdwell::reporting
