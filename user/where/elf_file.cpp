// SPDX-License-Identifier: Apache-2.0
#include "where/elf_file.h"

#include <elf.h>
#include <gelf.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

namespace tcpdwell {
namespace {

constexpr std::size_t kMostSegments = 256;
constexpr std::uint64_t kLargestSection = 256U << 20U;
constexpr std::size_t kLongestBuildId = 64;
#if defined(__aarch64__)
constexpr unsigned kMachine = EM_AARCH64;
#else
constexpr unsigned kMachine = EM_X86_64;
#endif

std::string hex(const unsigned char* bytes, std::size_t size) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    text += kDigits[bytes[i] >> 4U];
    text += kDigits[bytes[i] & 15U];
  }
  return text;
}

// A note's build id; empty: it has none.
std::string build_id_of(Elf_Data* notes) {
  GElf_Nhdr note;
  std::size_t at = 0, name = 0, desc = 0;
  while (notes != nullptr && (at = gelf_getnote(notes, at, &note, &name, &desc)) > 0)
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof "GNU" && note.n_descsz > 0 &&
        note.n_descsz <= kLongestBuildId &&
        std::memcmp(static_cast<char*>(notes->d_buf) + name, "GNU", sizeof "GNU") == 0)
      return hex(static_cast<unsigned char*>(notes->d_buf) + desc, note.n_descsz);
  return {};
}

}  // namespace

std::unique_ptr<ElfFile> ElfFile::open(UniqueFd file) {
  elf_version(EV_CURRENT);
  Elf* elf = elf_begin(file.get(), ELF_C_READ, nullptr);
  if (elf == nullptr) return nullptr;
  std::unique_ptr<ElfFile> opened(new ElfFile(std::move(file), elf));
  GElf_Ehdr header;
  if (elf_kind(elf) != ELF_K_ELF || gelf_getclass(elf) != ELFCLASS64 ||
      gelf_getehdr(elf, &header) == nullptr || header.e_machine != kMachine ||
      !opened->read_segments())
    return nullptr;
  opened->read_build_id();
  return opened;
}

ElfFile::Version ElfFile::version() const {
  struct stat info {};
  if (::fstat(file_.get(), &info) != 0) return {};
  return {
      .size = info.st_size, .changed_s = info.st_ctim.tv_sec, .changed_ns = info.st_ctim.tv_nsec};
}

bool ElfFile::is_unchanged() const { return version() == version_; }

ElfFile::~ElfFile() { elf_end(elf_); }

bool ElfFile::read_segments() {
  std::size_t count = 0;
  if (elf_getphdrnum(elf_, &count) != 0 || count > kMostSegments) return false;
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Phdr header;
    if (gelf_getphdr(elf_, static_cast<int>(i), &header) == nullptr) return false;
    const bool overflows = header.p_offset + header.p_filesz < header.p_offset;
    if (header.p_type == PT_LOAD && (header.p_flags & PF_X) != 0 && !overflows)
      code_.push_back({header.p_offset, header.p_filesz, header.p_vaddr});
  }
  return true;
}

void ElfFile::read_build_id() {
  std::size_t count = 0;
  if (elf_getphdrnum(elf_, &count) != 0) return;
  for (std::size_t i = 0; i < count && build_id_.empty(); ++i) {
    GElf_Phdr header;
    if (gelf_getphdr(elf_, static_cast<int>(i), &header) == nullptr || header.p_type != PT_NOTE ||
        header.p_filesz > kLargestSection)
      continue;
    build_id_ = build_id_of(elf_getdata_rawchunk(elf_, static_cast<std::int64_t>(header.p_offset),
                                                 header.p_filesz,
                                                 header.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR));
  }
}

// The loader maps whole pages.
std::optional<std::uint64_t> ElfFile::address_of(std::uint64_t offset) const {
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  for (const Segment& segment : code_) {
    const std::uint64_t begin = segment.offset & ~(page - 1);
    if (offset >= begin && offset < segment.offset + segment.size)
      return segment.address + offset - segment.offset;
  }
  return std::nullopt;
}

Elf_Scn* ElfFile::find_section(std::string_view name) const {
  std::size_t names = 0;
  if (elf_getshdrstrndx(elf_, &names) != 0) return nullptr;
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf_, section)) != nullptr;) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr) continue;
    const char* found = elf_strptr(elf_, names, header.sh_name);
    if (found != nullptr && name == found) return section;
  }
  return nullptr;
}

const Elf_Data* ElfFile::section(std::string_view name) const { return data_of(name); }

Elf_Data* ElfFile::data_of(std::string_view name) const {
  Elf_Scn* found = find_section(name);
  GElf_Shdr header;
  if (found == nullptr || gelf_getshdr(found, &header) == nullptr || header.sh_type == SHT_NOBITS ||
      header.sh_size > kLargestSection)
    return nullptr;
  Elf_Data* data = elf_getdata(found, nullptr);
  return data != nullptr && data->d_buf != nullptr ? data : nullptr;
}

std::uint64_t ElfFile::section_address(std::string_view name) const {
  Elf_Scn* found = find_section(name);
  GElf_Shdr header;
  return found != nullptr && gelf_getshdr(found, &header) != nullptr ? header.sh_addr : 0;
}

std::optional<std::uint64_t> ElfFile::relocated(std::uint64_t address) const {
  Elf_Data* data = data_of(".rela.dyn");
  if (data == nullptr || data->d_type != ELF_T_RELA) return std::nullopt;
  const std::size_t count = data->d_size / sizeof(Elf64_Rela);
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Rela one;
    if (gelf_getrela(data, static_cast<int>(i), &one) == nullptr) break;
    const auto type = GELF_R_TYPE(one.r_info);
    if (one.r_offset == address && (type == R_X86_64_RELATIVE || type == R_AARCH64_RELATIVE))
      return static_cast<std::uint64_t>(one.r_addend);
  }
  return std::nullopt;
}

std::string ElfFile::debug_link() const {
  const Elf_Data* data = section(".gnu_debuglink");
  if (data == nullptr) return {};
  const auto* text = static_cast<const char*>(data->d_buf);
  const std::string name(text, ::strnlen(text, data->d_size));
  return name.find('/') == name.npos ? name : std::string{};
}

}  // namespace tcpdwell
