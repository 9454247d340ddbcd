// SPDX-License-Identifier: Apache-2.0
// One JSON object a line, as docs/json.md defines them: compact, `type` first.
#pragma once

#include "model/record.h"
#include "sinks/json_line.h"
#include "sinks/kinds.h"
#include "sinks/output.h"

namespace tcpdwell {

class NdjsonSink final : public Sink {
 public:
  NdjsonSink(Output& output, const Kinds& kinds) : output_(output), kinds_(kinds) {}
  void write(const Record& record) noexcept override;
  Needs needs() const noexcept override {
    return {.transitions = kinds_.transitions, .connections = kinds_.connections};
  }

 private:
  void write_end(EndRecord end) noexcept;

  Output& output_;
  Kinds kinds_;
  JsonLine line_;
};

// With its '\n'.
void write_json(JsonLine& line, const Record& record);

}  // namespace tcpdwell
