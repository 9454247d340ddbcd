// SPDX-License-Identifier: Apache-2.0
// Input: a recording, replayed to NDJSON. This build does not check checksums, which fuzzed
// input cannot pass.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "pipeline/event_pipeline.h"
#include "recording/player.h"
#include "sinks/ndjson_sink.h"

namespace {

using namespace tcpdwell;

class Lines final : public Sink {
 public:
  void write(const Record& record) noexcept override { write_json(line_, record); }

 private:
  JsonLine line_;
};

void play(recording::Player& player, Filter filter) {
  const recording::Setting& setting = player.setting();
  const bool same = passes_all_of(filter, setting.filter);
  filter.recorded = std::make_shared<Filter>(setting.filter);
  Lines lines;
  Lifecycle lifecycle(setting.config, filter, lines);
  EventPipeline pipeline(setting.start, lifecycle, lines);
  player.begin(pipeline, lifecycle, same);
  while (true) {
    auto more = player.step();
    if (!more || !*more) return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  auto part = recording::Reader::open(std::make_unique<recording::MemorySource>(bytes), "it");
  if (!part) return 0;
  std::vector<recording::Reader> parts;
  parts.push_back(std::move(*part));
  auto player = recording::Player::open(std::move(parts));
  if (!player) return 0;
  Filter filter;
  if (size % 2 != 0) filter.ports = {80};  // then answers are retargeted
  play(**player, std::move(filter));
  return 0;
}
