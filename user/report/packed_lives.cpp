// SPDX-License-Identifier: Apache-2.0
#include "report/packed_lives.h"

#include <utility>

#include "report/html.h"
#include "sinks/text_format.h"
#include "util/base64.h"

namespace tcpdwell::reporting {
namespace {

constexpr std::size_t kChunkBytes = 128U << 10U;
constexpr std::size_t kElementBytes = 64;  // the element of a chunk

// With its element.
std::size_t page_bytes(std::size_t bytes) { return (bytes + 2) / 3 * 4 + kElementBytes; }

}  // namespace

std::size_t PackedLives::text(const std::string& text) {
  const auto [it, is_new] = places_.emplace(text, texts_.size());
  if (is_new) {
    texts_.push_back(text);
    text_bytes_ += json_text(text).size() + 1;
  }
  return it->second;
}

void PackedLives::number(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7U) bytes_ += static_cast<char>((value & 0x7FU) | 0x80U);
  bytes_ += static_cast<char>(value);
}

void PackedLives::signed_number(std::int64_t value) {
  const auto twice = static_cast<std::uint64_t>(value) << 1U;
  number(value < 0 ? ~twice : twice);
}

bool PackedLives::add(const Life& life, std::size_t most) {
  const std::size_t before = bytes_.size();
  number(life.cookie & 0xFFFF'FFFFU);
  number(life.cookie >> 32U);
  number(life.number);
  number(data_.places[life.service]);
  number(text(life.owner ? format_process(life.owner->process) : "-"));
  number(text(format_address(life.flow.local, life.flow.family)));
  number(life.flow.local.port);
  number(text(format_address(life.flow.remote, life.flow.family)));
  number(life.flow.remote.port);
  value(life.role);
  value(life.opened_by);
  value(life.closed_by);
  number(life.over ? static_cast<std::uint64_t>(life.ended) + 1 : 0);
  number(life.time_wait_ended ? static_cast<std::uint64_t>(*life.time_wait_ended) + 1 : 0);
  number(life.syns_sent);
  number(text(life.closer ? format_process(life.closer->process) : "-"));
  number(life.flow.netns);
  number(life.tally ? 1 : 0);
  if (life.tally) {
    number(life.tally->bytes_sent);
    number(life.tally->bytes_received);
    number(life.tally->retransmits);
    number(life.tally->srtt_us);
  }
  write_spans(life);
  write_marks(life);
  if (chunk_bytes_ + page_bytes(bytes_.size()) + text_bytes_ > most) {
    bytes_.resize(before);
    return false;
  }
  ++lives_;
  spans_ += life.spans.size();
  if (bytes_.size() >= kChunkBytes) {
    chunk_bytes_ += page_bytes(bytes_.size());
    chunks_.push_back(base64(std::exchange(bytes_, {})));
  }
  return true;
}

// State, what began it, the gap before it, its length, its error + 1; 0: a lower bound.
void PackedLives::write_spans(const Life& life) {
  signed_number(micros(life.begin()));
  number(life.spans.size());
  Nanos end = life.begin();
  for (const Span& span : life.spans) {
    value(span.state);
    value(span.why);
    signed_number(micros(span.begin) - micros(end));
    signed_number(micros(span.end) - micros(span.begin));
    number(span.error ? static_cast<std::uint64_t>(span.error->count() / 1000) + 1 : 0);
    end = span.end;
  }
}

void PackedLives::write_marks(const Life& life) {
  number(life.marks.size());
  for (const Mark& mark : life.marks) {
    number(text(std::string(flag_name(mark.kind, mark.state))));
    number(text(std::string(name(mark.cause))));
    signed_number(micros(mark.raised));
    const bool is_over = mark.cleared != Nanos{0};
    number(is_over ? 1 : 0);
    if (is_over) signed_number(micros(mark.cleared));
    number(static_cast<std::uint64_t>(mark.threshold.count() / 1000));
    signed_number(micros(mark.since));
    number(text(mark.holders));
    number(text(mark.where));
  }
}

std::vector<std::string> PackedLives::take_chunks() {
  if (!bytes_.empty()) chunks_.push_back(base64(std::exchange(bytes_, {})));
  return std::exchange(chunks_, {});
}

std::string PackedLives::texts_json() const {
  std::string all;
  for (const std::string& text : texts_) all += (all.empty() ? "" : ",") + json_text(text);
  return '[' + all + ']';
}

}  // namespace tcpdwell::reporting
