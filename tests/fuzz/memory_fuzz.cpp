// SPDX-License-Identifier: Apache-2.0
// Input: a byte that chooses a version of Python, then the memory of a process with that
// interpreter; the same bytes as mappings, as a table of Go, as a perf map, and as messages of the
// resolver.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "where/go_table.h"
#include "where/packing.h"
#include "where/perf_map.h"
#include "where/process_maps.h"
#include "where/python_frames.h"
#include "where/python_lines.h"

namespace {

using namespace tcpdwell;

class Memory final : public MemoryReader {
 public:
  explicit Memory(std::span<const std::byte> bytes) : bytes_(bytes) {}
  // Its addresses repeat, so that most of them are in it.
  std::size_t read(std::uint64_t at, std::span<std::byte> to) const override {
    if (bytes_.empty()) return 0;
    const std::size_t from = at % bytes_.size();
    const std::size_t size = std::min(to.size(), bytes_.size() - from);
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(from), size, to.begin());
    return size;
  }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(1);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const Memory memory(bytes);
  constexpr std::uint64_t kVersions[] = {0x030b0000, 0x030c0000, 0};
  if (const auto layout = find_layout(kVersions[data[0] % 3], bytes)) {
    python_frames(*layout, 0, {.native_id = 0, .thread_id = 0}, memory);
    python_frame(*layout, {}, memory);
  }
  for (int offset = -2; offset < 64; offset += 2) python_line(bytes, 1, offset);
  const auto mappings = parse_maps(text);
  find_mapping(mappings, 0x400000);
  const std::size_t begin = GoTable::find_begin(bytes).value_or(0);
  if (const auto table = GoTable::parse(bytes.subspan(begin), 0x401000))
    for (std::uint64_t at = 0x401000; at < 0x401100; at += 16) table->find(at);
  const PerfMap map{std::string(text)};
  for (std::uint64_t at = 0; at < 0x100; ++at) map.find(at);
  unpack_question(text);
  unpack_stacks(text);
  unpack_python(text);
  return 0;
}
