// SPDX-License-Identifier: Apache-2.0
#include "report/html.h"

#include <fmt/format.h>

#include <array>
#include <cctype>

#include "sinks/escape.h"
#include "sinks/json_line.h"
#include "util/duration.h"

namespace tcpdwell::reporting {
namespace {

std::string utc(const When& when) {
  std::array<char, 64> text{};
  return {text.data(), json::time(text.data(), when.unix_time)};
}

}  // namespace

std::string html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  return out;
}

std::string html_of_bytes(std::string_view bytes) {
  std::string text;
  append_printable(text, bytes);
  return html(text);
}

std::string json_text(std::string_view text) {
  std::string all(json_string_room(text), '\0');
  all.resize(static_cast<std::size_t>(write_json_string(all.data(), text) - all.data()));
  for (std::size_t at = 0; (at = all.find('<', at)) != std::string::npos;)
    all.replace(at, 1, "\\u003c");
  return all;
}

std::string clock_text(const When& when, bool milliseconds) {
  constexpr std::size_t kTime = 11, kSeconds = 8, kWithMilliseconds = 12;
  if (when.unix_time == Nanos{0})
    return fmt::format("{:.3f} s", std::chrono::duration<double>(when.mono).count());
  return utc(when).substr(kTime, milliseconds ? kWithMilliseconds : kSeconds);
}

std::string date_text(const When& when) {
  constexpr std::size_t kDate = 10;
  if (when.unix_time == Nanos{0}) return clock_text(when) + " after boot";
  return utc(when).substr(0, kDate) + ' ' + clock_text(when) + " UTC";
}

std::string round_duration(Nanos duration) {
  std::string text = format_duration(duration);
  if (text.ends_with(".000s")) text.replace(text.size() - 5, 5, "s");
  if (text.ends_with("m00s")) text.resize(text.size() - 3);
  if (text.ends_with("h00m")) text.resize(text.size() - 3);
  return text;
}

std::string sentence(std::string text) {
  if (text.empty()) return text;
  text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
  return text + '.';
}

Table::Table(const char* caption, std::vector<Column> columns) : columns_(std::move(columns)) {
  html_ = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"";
  html_ += html(caption);
  html_ += "\"><table><caption>";
  html_ += html(caption);
  html_ += "</caption><thead><tr>";
  for (const Column& column : columns_)
    html_ += fmt::format("<th scope=\"col\"{}>{}</th>", column.number ? " class=\"n\"" : "",
                         html(column.title));
  html_ += "</tr></thead><tbody>\n";
}

Table& Table::row(std::vector<std::string> cells) {
  std::vector<Cell> all;
  for (std::size_t i = 0; i < cells.size(); ++i)
    all.push_back({std::move(cells[i]), columns_[i].number});
  return row(std::move(all));
}

Table& Table::row(std::vector<Cell> cells) {
  ++rows_;
  html_ += "<tr>";
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const Cell& cell = cells[i];
    std::string style = cell.number ? "n" : "";
    if (cell.style != nullptr) style += (style.empty() ? "" : " ") + std::string(cell.style);
    const char* tag = i == 0 ? "th" : "td";
    html_ += fmt::format("<{}{}{}>{}</{}>", tag, i == 0 ? " scope=\"row\"" : "",
                         style.empty() ? "" : " class=\"" + style + '"', cell.text, tag);
  }
  html_ += "</tr>\n";
  return *this;
}

std::string section(const Picture& picture) {
  std::string text = fmt::format(
      "<section id=\"{0}\" aria-labelledby=\"{0}-title\">\n<h2 id=\"{0}-title\">{1}</h2>\n",
      picture.id, html(picture.title));
  if (!picture.lead.empty()) text += "<p class=\"lead\">" + picture.lead + "</p>\n";
  text += picture.body;
  if (!picture.notes.empty()) text += "<p class=\"note\">" + picture.notes + "</p>\n";
  if (!picture.table.empty())
    text += "<details class=\"numbers\"><summary>The same in numbers</summary>\n" + picture.table +
            "</details>\n";
  return text + "</section>\n";
}

}  // namespace tcpdwell::reporting
