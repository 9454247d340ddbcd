// SPDX-License-Identifier: Apache-2.0
#include "report/page_data.h"

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "report/html.h"
#include "sinks/text_format.h"

namespace tcpdwell::reporting {
namespace {

// Texts that many lives share, by number.
class Texts {
 public:
  std::size_t operator()(const std::string& text) {
    const auto [it, is_new] = places_.emplace(text, texts_.size());
    if (is_new) {
      texts_.push_back(text);
      bytes_ += json_text(text).size() + 1;
    }
    return it->second;
  }
  std::string json() const {
    std::string all;
    for (const std::string& text : texts_) all += (all.empty() ? "" : ",") + json_text(text);
    return '[' + all + ']';
  }
  std::size_t bytes() const { return bytes_; }  // of json()

 private:
  absl::flat_hash_map<std::string, std::size_t> places_;
  std::vector<std::string> texts_;
  std::size_t bytes_ = 2;
};

template <typename Enum>
std::string names_of(std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i)
    all += (all.empty() ? "" : ",") + json_text(name(static_cast<Enum>(i)));
  return '[' + all + ']';
}

std::string state_names() {
  std::string all = "\"\"";
  for (std::size_t i = 1; i < kStates; ++i) all += ',' + json_text(name(static_cast<State>(i)));
  return '[' + all + ']';
}

class Writer {
 public:
  explicit Writer(const ReportData& data) : data_(data) {}

  std::string life(const Life& life) {
    std::string text;
    const auto add = [&](auto value) { fmt::format_to(std::back_inserter(text), "{},", value); };
    text += fmt::format("[\"{:x}\",", life.cookie);
    add(life.number);
    add(data_.places[life.service]);
    add(life.owner ? texts_(format_process(life.owner->process)) : texts_("-"));
    add(texts_(format_address(life.flow.local, life.flow.family)));
    add(life.flow.local.port);
    add(texts_(format_address(life.flow.remote, life.flow.family)));
    add(life.flow.remote.port);
    add(static_cast<int>(life.role));
    add(static_cast<int>(life.opened_by));
    add(static_cast<int>(life.closed_by));
    add(life.over ? static_cast<int>(life.ended) : -1);
    add(life.time_wait_ended ? static_cast<int>(*life.time_wait_ended) : -1);
    add(static_cast<int>(life.end_why));
    add(static_cast<int>(life.syns_sent));
    add(life.closer ? texts_(format_process(life.closer->process)) : texts_("-"));
    add(life.flow.netns);
    if (life.tally)
      text += fmt::format("[{},{},{},{}],", life.tally->bytes_sent, life.tally->bytes_received,
                          life.tally->retransmits, life.tally->srtt_us);
    else
      text += "0,";
    add(micros(life.begin()));
    text += spans(life) + ',' + marks(life) + ']';
    return text;
  }

  std::string texts() const { return texts_.json(); }
  std::size_t text_bytes() const { return texts_.bytes(); }

 private:
  std::int64_t micros(Nanos at) const { return (at - data_.begin.mono).count() / 1000; }

  // Five numbers each: state, why, gap before it, length, error (-1: a lower bound).
  std::string spans(const Life& life) const {
    std::string text = "[";
    Nanos end = life.begin();
    for (const Span& span : life.spans) {
      fmt::format_to(std::back_inserter(text), "{}{},{},{},{},{}", text.size() > 1 ? "," : "",
                     static_cast<int>(span.state), static_cast<int>(span.why),
                     micros(span.begin) - micros(end), micros(span.end) - micros(span.begin),
                     span.error ? span.error->count() / 1000 : -1);
      end = span.end;
    }
    return text + ']';
  }

  std::string marks(const Life& life) {
    if (life.marks.empty()) return "0";
    std::string text = "[";
    for (const Mark& mark : life.marks)
      fmt::format_to(
          std::back_inserter(text), "{}[{},{},{},{},{},{},{},{}]", text.size() > 1 ? "," : "",
          texts_(std::string(flag_name(mark.kind, mark.state))),
          texts_(std::string(name(mark.cause))), micros(mark.raised),
          mark.cleared == Nanos{0} ? std::string("null") : std::to_string(micros(mark.cleared)),
          mark.threshold.count() / 1000, micros(mark.since), texts_(mark.holders),
          texts_(mark.where));
    return text + ']';
  }

  const ReportData& data_;
  Texts texts_;
};

std::string series(const ReportData& data) {
  std::string rows;
  for (const Counts& counts : data.series.now) {
    if (!rows.empty()) rows += ',';
    rows += '[';
    for (std::size_t i = 0; i < kStates; ++i)
      fmt::format_to(std::back_inserter(rows), "{}{}", i == 0 ? "" : ",", counts[i]);
    rows += ']';
  }
  return fmt::format("{{\"step\":{},\"now\":[{}]}}", data.series.step.count() / 1000, rows);
}

}  // namespace

std::string page_data(ReportData& data, std::size_t most) {
  Writer writer(data);
  std::string lives;
  std::size_t count = 0;
  for (const Life& life : data.lives) {
    const std::string one = writer.life(life);
    if (lives.size() + one.size() + writer.text_bytes() > most) break;
    if (count++ != 0) lives += ",\n";
    lives += one;
  }
  if (count < data.lives.size()) {
    data.lives.resize(count);
    if (count != 0 && data.lives.back().marks.empty())
      data.one_of = one_of_hash(data.lives.back().order);
  }
  std::string services;
  for (const Service& service : data.services)
    services += (services.empty() ? "" : ",") + json_text(service.name);
  const Nanos date = data.begin.unix_time;
  return fmt::format(
      "{{\"begin_us\":{},\"length\":{},\"states\":{},\"whys\":{},\"sides\":{},\"roles\":{},"
      "\"endeds\":{},\"time_wait_endeds\":{},\"services\":[{}],\"texts\":{},\"series\":{},"
      "\"lives\":[\n{}\n]}}",
      date.count() / 1000, data.length().count() / 1000, state_names(),
      names_of<Why>(static_cast<std::size_t>(Why::Unreachable) + 1), names_of<Side>(kSides),
      names_of<Role>(static_cast<std::size_t>(Role::Listener) + 1),
      names_of<Ended>(static_cast<std::size_t>(Ended::Unreachable) + 1),
      names_of<TimeWaitEnded>(static_cast<std::size_t>(TimeWaitEnded::Netns) + 1), services,
      writer.texts(), series(data), lives);
}

}  // namespace tcpdwell::reporting
