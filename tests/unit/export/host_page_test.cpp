// SPDX-License-Identifier: Apache-2.0
#include "export/host_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "export/write_text.h"

namespace tcpdwell::exporter {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string text_of(ListenerMetrics& metrics,
                    const std::optional<std::vector<ListenerNow>>& listeners) {
  PageBuilder page(1000);
  metrics.add(page, listeners);
  std::string text;
  write_prometheus(text, page.take());
  return text;
}

TEST(ListenerMetrics, AddUpListenersOfOnePort) {
  ListenerMetrics metrics;
  const std::string text = text_of(
      metrics, {{{.cookie = 1, .port = 80, .length = 3, .backlog = 128, .syns_dropped = 4},
                 {.cookie = 2, .port = 80, .length = 1, .backlog = 128, .syns_dropped = 5}}});
  EXPECT_THAT(text, HasSubstr("tcpdwell_accept_queue_length{port=\"80\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("tcpdwell_accept_queue_limit{port=\"80\"} 256\n"));
  EXPECT_THAT(text, HasSubstr("tcpdwell_syns_dropped_total{port=\"80\"} 9\n"));
}

TEST(ListenerMetrics, DropsNeverShrinkWhileThePortIsListenedTo) {
  ListenerMetrics metrics;
  text_of(metrics, {{{.cookie = 1, .port = 80, .syns_dropped = 4},
                     {.cookie = 2, .port = 80, .syns_dropped = 5}}});
  EXPECT_THAT(text_of(metrics, {{{.cookie = 2, .port = 80, .syns_dropped = 7}}}),
              HasSubstr("tcpdwell_syns_dropped_total{port=\"80\"} 11\n"));
  EXPECT_THAT(text_of(metrics, {{{.cookie = 3, .port = 80, .syns_dropped = 1}}}),
              HasSubstr("tcpdwell_syns_dropped_total{port=\"80\"} 12\n"));
  EXPECT_THAT(text_of(metrics, {{{.cookie = 3, .port = 80, .syns_dropped = UINT32_MAX}}}),
              HasSubstr("tcpdwell_syns_dropped_total{port=\"80\"} 4294967306\n"));
  EXPECT_THAT(text_of(metrics, {{{.cookie = 3, .port = 80, .syns_dropped = 2}}}),
              HasSubstr("tcpdwell_syns_dropped_total{port=\"80\"} 4294967309\n"))
      << "the kernel's counter wrapped around";
}

TEST(ListenerMetrics, UnknownIsAbsent) {
  ListenerMetrics metrics;
  EXPECT_EQ(text_of(metrics, std::nullopt), "");
}

TEST(ListenerMetrics, ShowTheFullestQueues) {
  ListenerMetrics metrics;
  std::vector<ListenerNow> many;
  for (std::uint16_t port = 1; port <= 100; ++port)
    many.push_back({.cookie = port, .port = port, .length = port == 77 ? 9U : 0U, .backlog = 1});
  const std::string text = text_of(metrics, many);
  EXPECT_THAT(text, HasSubstr("tcpdwell_accept_queue_length{port=\"77\"} 9\n"));
  EXPECT_THAT(text, Not(HasSubstr("port=\"100\"")));
}

TEST(ProcessMetrics, AreThoseOfThisProcess) {
  PageBuilder page(100);
  add_process(page);
  std::string text;
  write_prometheus(text, page.take());
  for (const char* name :
       {"process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_open_fds ",
        "process_max_fds ", "process_virtual_memory_bytes ", "process_start_time_seconds 1"})
    EXPECT_THAT(text, HasSubstr(std::string("\n") + name));
}

}  // namespace
}  // namespace tcpdwell::exporter
