// SPDX-License-Identifier: Apache-2.0
// Input: kernel records, each after a byte with its length. They are decoded and applied to the
// table.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "pipeline/decode.h"
#include "pipeline/event_pipeline.h"
#include "sinks/ndjson_sink.h"

namespace {

using namespace tcpdwell;

class Lines final : public Sink {
 public:
  void write(const Record& record) noexcept override { write_json(line_, record); }

 private:
  JsonLine line_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace std::chrono_literals;
  auto rest = std::as_bytes(std::span(data, size));
  const Filter filter;
  const StartRecord start;
  Lines lines;
  LifecycleConfig config;
  config.thresholds.set(State::CloseWait, 1ms);
  Lifecycle lifecycle(config, filter, lines);
  EventPipeline pipeline(start, lifecycle, lines);
  pipeline.user_event(Began{});
  Nanos now{};
  while (!rest.empty()) {
    const auto length = std::to_integer<std::size_t>(rest.front());
    rest = rest.subspan(1);
    if (length == 0) {
      now += 200ms;
      pipeline.user_event(Ticked{now});
      continue;
    }
    const auto record = rest.first(std::min(length, rest.size()));
    rest = rest.subspan(record.size());
    (void)decode_holding(record);
    pipeline.record(record);
  }
  pipeline.user_event(Finished{.at = now});
  return 0;
}
