// SPDX-License-Identifier: Apache-2.0
#include "where/python_frames.h"

#include <gelf.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "tcpdwell/where_wire.h"
#include "where/python_lines.h"

namespace tcpdwell {
namespace {

constexpr int kMostInterpreters = 64;
constexpr int kMostThreads = 4096;
constexpr std::uint64_t kLargestTable = 1U << 20U;
constexpr unsigned kKindShift = 2;     // of a str's state: its kind, then compact, then ASCII
constexpr std::uint64_t kTagBits = 7;  // of a reference, in the low bits of an address

// The value of a data symbol; nullopt: the file does not have it.
std::optional<std::uint64_t> find_object(const ElfFile& file, std::string_view wanted) {
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(file.get(), section)) != nullptr;) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr ||
        (header.sh_type != SHT_DYNSYM && header.sh_type != SHT_SYMTAB))
      continue;
    Elf_Data* data = elf_getdata(section, nullptr);
    const std::size_t count = data != nullptr ? data->d_size / sizeof(Elf64_Sym) : 0;
    for (std::size_t i = 0; i < count; ++i) {
      GElf_Sym symbol;
      if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr) break;
      if (GELF_ST_TYPE(symbol.st_info) != STT_OBJECT || symbol.st_shndx == SHN_UNDEF) continue;
      const char* name = elf_strptr(file.get(), header.sh_link, symbol.st_name);
      if (name != nullptr && wanted == name) return symbol.st_value;
    }
  }
  return std::nullopt;
}

void append_utf8(std::string& text, std::uint32_t point) {
  const auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xc0U | point >> 6U);
  } else if (point < 0x10000) {
    put(0xe0U | point >> 12U);
    put(0x80U | (point >> 6U & 63U));
  } else {
    put(0xf0U | (point >> 18U & 7U));
    put(0x80U | (point >> 12U & 63U));
    put(0x80U | (point >> 6U & 63U));
  }
  put(0x80U | (point & 63U));
}

class FrameReader {
 public:
  FrameReader(const PythonLayout& layout, const MemoryReader& memory)
      : layout_(layout), memory_(memory) {}

  // Several interpreters can know a thread. If several run in it, one inside the other, nothing
  // shows which one is the innermost.
  Stack frames_of_thread(std::uint64_t runtime, const PythonThread& wanted) const {
    Stack found;
    auto interpreter = memory_.word(runtime + layout_.interpreters);
    for (int i = 0; i < kMostInterpreters && interpreter && *interpreter != 0; ++i) {
      auto thread = memory_.word(*interpreter + layout_.threads);
      for (int j = 0; j < kMostThreads && thread && *thread != 0; ++j) {
        Stack frames = is_thread(*thread, wanted) ? frames_of(*thread) : Stack{};
        if (!frames.empty() && !found.empty()) return {};
        if (!frames.empty()) found = std::move(frames);
        thread = memory_.word(*thread + layout_.next_thread);
      }
      interpreter = memory_.word(*interpreter + layout_.next_interpreter);
    }
    return found;
  }

  Stack frames_of(std::uint64_t thread) const {
    Stack frames;
    auto frame = memory_.word(thread + layout_.frame_holder);
    if (frame && layout_.frame_in_holder) frame = memory_.word(*frame + *layout_.frame_in_holder);
    // Frames without code count, too: the list may be circular.
    for (std::size_t i = 0; i < 2 * kMostFrames && frames.size() < kMostFrames; ++i) {
      if (!frame || *frame == 0) break;
      const auto owner = memory_.number<std::uint8_t>(*frame + layout_.owner);
      const auto code = memory_.word(*frame + layout_.code);
      const auto instruction = memory_.word(*frame + layout_.instruction);
      if (!owner || !code || !instruction) break;
      if (*owner < layout_.first_owner_without_code)
        frames.push_back(read_frame(*code & ~kTagBits, *instruction));
      frame = memory_.word(*frame + layout_.previous);
    }
    if (!frames.empty() && frame != 0U) frames.back().truncated = true;
    return frames;
  }

  Frame read_frame(std::uint64_t code, std::uint64_t instruction) const {
    Frame frame{.function = {}, .file = {}, .module = {}, .kind = FrameKind::Python};
    frame.function = read_text(memory_.word(code + layout_.qualified_name));
    frame.file = read_text(memory_.word(code + layout_.file));
    const auto first = memory_.number<std::uint32_t>(code + layout_.first_line);
    const auto lines = memory_.word(code + layout_.lines);
    if (!first || !lines) return frame;
    const auto offset = static_cast<std::int64_t>(instruction - code - layout_.first_instruction);
    frame.line = python_line(read_table(*lines), *first, offset).value_or(0);
    return frame;
  }

  std::uint32_t lines_sum(std::uint64_t object) const {
    std::array<__u64, TCPDWELL_LINES_WORDS> words{};
    const std::uint64_t size = memory_.word(object + layout_.bytes_size).value_or(0);
    memory_.read(object + layout_.bytes,
                 std::as_writable_bytes(std::span(words)).first(std::min(size, sizeof words)));
    return tcpdwell_lines_sum(size, words.data());
  }

 private:
  bool is_thread(std::uint64_t thread, const PythonThread& wanted) const {
    if (wanted.thread_id != 0) return memory_.word(thread + layout_.thread_id) == wanted.thread_id;
    return memory_.word(thread + layout_.native_thread_id) == wanted.native_id;
  }

  std::vector<std::byte> read_table(std::uint64_t object) const {
    const auto size = memory_.word(object + layout_.bytes_size);
    if (!size || *size > kLargestTable) return {};
    std::vector<std::byte> table(*size);
    table.resize(memory_.read(object + layout_.bytes, table));
    return table;
  }

  std::string read_text(std::optional<std::uint64_t> object) const {
    if (!object) return {};
    const auto length = memory_.word(*object + layout_.text_length);
    const auto state = memory_.number<std::uint32_t>(*object + layout_.text_state);
    if (!length || !state) return {};
    const std::uint32_t bits = *state >> kKindShift;
    const std::uint32_t kind = bits & 7U;
    const bool compact = (bits & 8U) != 0, ascii = (bits & 16U) != 0;
    if (!compact || (kind != 1 && kind != 2 && kind != 4)) return {};
    std::vector<std::byte> raw(std::min<std::uint64_t>(*length, kLongestFrameText) * kind);
    raw.resize(memory_.read(*object + (ascii ? layout_.ascii_text : layout_.other_text), raw));
    std::string text;
    for (std::size_t at = 0; at + kind <= raw.size() && text.size() < kLongestFrameText;
         at += kind) {
      std::uint32_t point = 0;
      for (std::uint32_t i = 0; i < kind; ++i)
        point |= std::to_integer<std::uint32_t>(raw[at + i]) << 8 * i;
      append_utf8(text, point);
    }
    if (text.size() > kLongestFrameText) text.resize(kLongestFrameText);
    return text;
  }

  const PythonLayout& layout_;
  const MemoryReader& memory_;
};

}  // namespace

std::optional<PythonInterpreter> find_python(const ProcessView& process,
                                             const MemoryReader& memory) {
  for (const ProcessView::Place& place : process.modules()) {
    const auto runtime = find_object(place.module->file(), "_PyRuntime");
    if (!runtime) continue;
    PythonInterpreter found{
        .runtime = *runtime + place.bias, .layout = std::nullopt, .module = place.module};
    std::uint64_t version = 0;
    if (const auto at = find_object(place.module->file(), "Py_Version"))
      version = memory.word(*at + place.bias).value_or(0);
    std::array<std::byte, kDebugOffsets> head{};
    const std::size_t got = memory.read(found.runtime, head);
    found.layout = find_layout(version, std::span(head).first(got));
    return found;
  }
  return std::nullopt;
}

Frame python_frame(const PythonLayout& layout, const PythonCall& call, const MemoryReader& memory) {
  const FrameReader reader(layout, memory);
  const auto is_same = [&] {
    return memory.word(call.code + layout.file) == call.file &&
           memory.word(call.code + layout.qualified_name) == call.qualified_name &&
           memory.word(call.code + layout.lines) == call.lines &&
           memory.number<std::uint32_t>(call.code + layout.first_line) == call.first_line &&
           reader.lines_sum(call.lines) == call.lines_sum;
  };
  if (is_same()) {
    Frame frame = reader.read_frame(call.code, call.instruction);
    if (is_same()) return frame;  // it was not freed meanwhile
  }
  return {.function = {}, .file = {}, .module = {}, .kind = FrameKind::Python};
}

Stack python_frames(const PythonLayout& layout, std::uint64_t runtime, const PythonThread& thread,
                    const MemoryReader& memory) {
  const FrameReader reader(layout, memory);
  return reader.frames_of_thread(runtime, thread);
}

}  // namespace tcpdwell
