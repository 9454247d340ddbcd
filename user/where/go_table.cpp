// SPDX-License-Identifier: Apache-2.0
// Layouts: runtime/symtab.go (pcHeader, _func) and internal/abi of Go 1.16, 1.18 and 1.20.
#include "where/go_table.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace tcpdwell {
namespace {

constexpr std::uint32_t kMagic116 = 0xfffffffa, kMagic118 = 0xfffffff0, kMagic120 = 0xfffffff1;
constexpr std::uint64_t kWord = 8;
constexpr std::uint64_t kAnyText = 1;  // for a table that is not asked for functions
constexpr std::uint64_t kMostFunctions = 10'000'000;
constexpr int kMostValueSteps = 1'000'000;  // of one table of values
constexpr std::size_t kLongestGoText = 1024;

// Fields of _func after its entry, each of 4 bytes: nameoff, args, deferreturn, pcsp, pcfile, pcln,
// npcdata, cuOffset.
enum FunctionField : std::uint64_t {
  kName = 0,
  kFrameSizes = 12,
  kFileNumbers = 16,
  kLines = 20,
  kDataCount = 24,
  kUnit = 28
};

constexpr std::array<std::string_view, 3> kOutermost = {"runtime.goexit", "runtime.mstart",
                                                        "runtime.rt0_go"};
constexpr std::array<std::string_view, 7> kSwitchStack = {
    "runtime.systemstack", "runtime.mcall",    "runtime.asmcgocall",          "runtime.morestack",
    "runtime.cgocallback", "runtime.sigtramp", "runtime.sigreturn__sigaction"};

template <std::size_t size>
bool is_one_of(const std::array<std::string_view, size>& names, std::string_view name) {
  // "runtime.mcall.abi0"
  if (name.ends_with(".abi0")) name.remove_suffix(5);
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::optional<std::uint64_t> GoTable::number(std::uint64_t at, unsigned size) const {
  std::uint64_t value = 0;
  if (at > bytes_.size() || size > bytes_.size() - at) return std::nullopt;
  std::memcpy(&value, bytes_.data() + at, size);  // little-endian, as all our machines
  return value;
}

std::string GoTable::text(std::uint64_t at) const {
  if (at >= bytes_.size()) return {};
  const auto* begin = reinterpret_cast<const char*>(bytes_.data() + at);
  return {begin, ::strnlen(begin, std::min(bytes_.size() - at, kLongestGoText))};
}

// Not the layout of Go 1.16, which is older than any toolchain that is still maintained.
std::optional<std::size_t> GoTable::find_begin(std::span<const std::byte> bytes) {
  for (std::size_t at = 0; at + 8 < bytes.size(); at += kWord) {
    std::uint64_t head = 0;
    std::memcpy(&head, bytes.data() + at, sizeof head);
    const std::uint64_t magic = head & 0xffffffffU, quantum = head >> 48U & 0xffU;
    const bool pads = (head >> 32U & 0xffffU) == 0;
    if ((magic == kMagic118 || magic == kMagic120) && pads && head >> 56U == kWord &&
        (quantum == 1 || quantum == 4) && parse(bytes.subspan(at), kAnyText))
      return at;
  }
  return std::nullopt;
}

std::optional<GoTable> GoTable::parse(std::span<const std::byte> bytes, std::uint64_t text) {
  constexpr std::uint64_t kHead = 8;  // magic, two zeros, quantum, size of a pointer
  GoTable table(bytes);
  const auto magic = table.number(0, 4), quantum = table.number(6, 1), word = table.number(7, 1);
  if (!magic || !quantum || word != kWord || *quantum == 0 || *quantum > 4) return std::nullopt;
  if (*magic != kMagic116 && *magic != kMagic118 && *magic != kMagic120) return std::nullopt;
  table.quantum_ = static_cast<std::uint32_t>(*quantum);
  table.relative_ = *magic != kMagic116;
  if (*magic == kMagic120) table.function_size_ += 4;   // its first line
  const std::uint64_t first = table.relative_ ? 3 : 2;  // before it: counts, and the text's begin
  std::array<std::uint64_t, 5> offsets{};
  for (std::uint64_t i = 0; i < offsets.size(); ++i) {
    const auto offset = table.number(kHead + (first + i) * kWord, kWord);
    if (!offset || *offset >= bytes.size()) return std::nullopt;
    offsets[i] = *offset;
  }
  const auto functions = table.number(kHead, kWord);
  if (!functions || *functions > kMostFunctions) return std::nullopt;
  table.functions_ = *functions;
  if (table.relative_) {
    table.text_ = table.number(kTextField, kWord).value_or(0);
    if (table.text_ == 0) table.text_ = text;
    if (table.text_ == 0) return std::nullopt;
  }
  table.names_ = offsets[0];
  table.units_ = offsets[1];
  table.files_ = offsets[2];
  table.values_ = offsets[3];
  table.table_ = offsets[4];
  return table;
}

std::uint64_t GoTable::entry_address(std::uint64_t index) const {
  const unsigned size = relative_ ? 4 : 8;
  return text_ + number(table_ + index * 2 * size, size).value_or(0);
}

// A table of values: pairs of variable-length numbers, the change of the value and the length of
// its code.
std::optional<std::int64_t> GoTable::value_at(std::uint64_t table, std::uint64_t entry,
                                              std::uint64_t address) const {
  if (table == 0) return std::nullopt;
  std::uint64_t at = values_ + table, pc = entry;
  std::int64_t value = -1;
  const auto take = [&]() -> std::optional<std::uint32_t> {
    std::uint32_t taken = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
      const auto byte = number(at++, 1);
      if (!byte) return std::nullopt;
      taken |= static_cast<std::uint32_t>((*byte & 0x7fU) << shift);
      if ((*byte & 0x80U) == 0) return taken;
    }
    return std::nullopt;
  };
  for (int step = 0; step < kMostValueSteps; ++step) {
    const auto change = take();
    if (!change || (*change == 0 && step > 0)) return std::nullopt;
    const auto length = take();
    if (!length) return std::nullopt;
    const std::uint32_t half = *change >> 1U;
    value += static_cast<std::int32_t>((*change & 1U) != 0 ? ~half : half);
    pc += std::uint64_t{*length} * quantum_;
    if (address < pc) return value;
  }
  return std::nullopt;
}

bool GoTable::is_inlined(std::uint64_t function, std::uint64_t entry, std::uint64_t address) const {
  constexpr std::uint64_t kInlinedCalls = 2;  // PCDATA_InlTreeIndex
  const auto count = number(function + kDataCount, 4);
  if (!count || *count <= kInlinedCalls) return false;
  const auto data = number(function + function_size_ + kInlinedCalls * 4, 4);
  const auto index = value_at(data.value_or(0), entry, address);
  return index && *index >= 0;
}

std::string GoTable::file_name(std::uint64_t function, std::uint64_t entry,
                               std::uint64_t address) const {
  const auto numbers = number(function + kFileNumbers, 4), unit = number(function + kUnit, 4);
  const auto file = value_at(numbers.value_or(0), entry, address);
  if (!file || *file < 0 || !unit) return {};
  const auto offset = number(units_ + (*unit + static_cast<std::uint64_t>(*file)) * 4, 4);
  constexpr std::uint64_t kNone = 0xffffffff;
  return offset && *offset != kNone ? text(files_ + *offset) : std::string{};
}

std::optional<GoTable::Function> GoTable::find(std::uint64_t address) const {
  // The entry behind the last function is the end of the code.
  if (functions_ == 0 || address < entry_address(0) || address >= entry_address(functions_))
    return std::nullopt;
  std::uint64_t low = 0, high = functions_;
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (entry_address(middle) <= address ? low : high) = middle;
  }
  const unsigned size = relative_ ? 4 : 8;
  const std::uint64_t entry = entry_address(low);
  const auto offset = number(table_ + low * 2 * size + size, size);
  if (!offset) return std::nullopt;
  const std::uint64_t function = table_ + *offset + size;  // behind its entry
  const auto name = number(function + kName, 4);
  const auto line = value_at(number(function + kLines, 4).value_or(0), entry, address);
  const auto frame = value_at(number(function + kFrameSizes, 4).value_or(0), entry, address);
  if (!name) return std::nullopt;
  Function found{.name = text(names_ + *name),
                 .file = file_name(function, entry, address),
                 .line = line && *line > 0 ? static_cast<std::uint32_t>(*line) : 0,
                 .frame_size = std::nullopt};
  found.is_inlined = is_inlined(function, entry, address);
  if (frame && *frame >= 0) found.frame_size = static_cast<std::uint32_t>(*frame);
  found.is_outermost = is_one_of(kOutermost, found.name);
  found.switches_stack = is_one_of(kSwitchStack, found.name);
  return found.name.empty() ? std::nullopt : std::optional(std::move(found));
}

}  // namespace tcpdwell
