// SPDX-License-Identifier: Apache-2.0
#include "report/page_data.h"

#include <fmt/format.h>

#include <iterator>

#include "report/html.h"
#include "report/packed_lives.h"

namespace tcpdwell::reporting {
namespace {

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

PageData page_data(ReportData& data, std::size_t most) {
  PackedLives packed(data);
  for (const Life& life : data.lives)
    if (!packed.add(life, most)) break;
  if (const std::size_t count = packed.lives(); count < data.lives.size()) {
    data.lives.resize(count);
    if (count != 0 && data.lives.back().marks.empty())
      data.one_of = one_of_hash(data.lives.back().order);
  }
  std::string services;
  for (const Service& service : data.services)
    services += (services.empty() ? "" : ",") + json_text(service.name);
  const Nanos date = data.begin.unix_time;
  std::string json = fmt::format(
      "{{\"begin_us\":{},\"length\":{},\"states\":{},\"whys\":{},\"sides\":{},\"roles\":{},"
      "\"endeds\":{},\"time_wait_endeds\":{},\"services\":[{}],\"texts\":{},\"series\":{},"
      "\"lives\":{},\"spans\":{}}}",
      date.count() / 1000, data.length().count() / 1000, state_names(),
      names_of<Why>(static_cast<std::size_t>(Why::Unreachable) + 1), names_of<Side>(kSides),
      names_of<Role>(static_cast<std::size_t>(Role::Listener) + 1),
      names_of<Ended>(static_cast<std::size_t>(Ended::Unreachable) + 1),
      names_of<TimeWaitEnded>(static_cast<std::size_t>(TimeWaitEnded::Netns) + 1), services,
      packed.texts_json(), series(data), packed.lives(), packed.spans());
  return {.json = std::move(json), .lives = packed.take_chunks()};
}

}  // namespace tcpdwell::reporting
