// SPDX-License-Identifier: Apache-2.0
#include "where/dwarf_names.h"

#include <dwarf.h>

#include <algorithm>
#include <optional>

#include "where/demangle.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostUnitRanges = 1'000'000;
constexpr int kMostRanges = 10'000;  // of one unit
constexpr int kDeepestScope = 64;
constexpr int kMostVisited = 5'000'000;  // entries, for one address

bool contains_code(int tag) {
  switch (tag) {
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type:
    case DW_TAG_lexical_block: return true;
    default: return false;
  }
}

// From the function in to the innermost inlined one.
class ScopeSearch {
 public:
  explicit ScopeSearch(std::uint64_t address) : address_(address) {}

  std::vector<Dwarf_Die> run(Dwarf_Die& unit) {
    if (find_function(unit, 0)) return std::move(found_);
    in_all_functions_ = true;
    find_function(unit, 0);
    return std::move(found_);
  }

 private:
  bool find_function(Dwarf_Die& parent, int depth) {
    Dwarf_Die child;
    if (depth > kDeepestScope || dwarf_child(&parent, &child) != 0) return false;
    do {
      if (++visited_ > kMostVisited) return false;
      const int tag = dwarf_tag(&child);
      if (tag == DW_TAG_subprogram) {
        Dwarf_Addr begin = 0;
        const bool removed = dwarf_lowpc(&child, &begin) == 0 && begin == 0;
        if (!removed && dwarf_haspc(&child, address_) == 1) {
          found_.push_back(child);
          find_inlined(child, depth + 1);
          return true;
        }
        // Rust and Ada nest functions in functions that have no code themselves. g++ nests a lambda
        // in the function that has it; to look into all functions takes long.
        const bool has_code =
            dwarf_hasattr(&child, DW_AT_low_pc) == 1 || dwarf_hasattr(&child, DW_AT_ranges) == 1;
        if ((in_all_functions_ || !has_code) && find_function(child, depth + 1)) return true;
      } else if (contains_code(tag) && find_function(child, depth + 1)) {
        return true;
      }
    } while (dwarf_siblingof(&child, &child) == 0);
    return false;
  }

  void find_inlined(Dwarf_Die& parent, int depth) {
    Dwarf_Die child;
    if (depth > kDeepestScope || dwarf_child(&parent, &child) != 0) return;
    do {
      if (++visited_ > kMostVisited) return;
      const int tag = dwarf_tag(&child);
      const bool inlined = tag == DW_TAG_inlined_subroutine;
      if ((inlined || tag == DW_TAG_lexical_block) && dwarf_haspc(&child, address_) == 1) {
        if (inlined) found_.push_back(child);
        return find_inlined(child, depth + 1);
      }
    } while (dwarf_siblingof(&child, &child) == 0);
  }

  std::uint64_t address_;
  bool in_all_functions_ = false;
  int visited_ = 0;
  std::vector<Dwarf_Die> found_;
};

// The linkage name says more than the name: Pool::checkout(int).
std::string function_name(Dwarf_Die& function) {
  Dwarf_Attribute attribute;
  for (const unsigned linkage : {DW_AT_linkage_name, DW_AT_MIPS_linkage_name})
    if (dwarf_attr_integrate(&function, linkage, &attribute) != nullptr)
      if (const char* name = dwarf_formstring(&attribute); name != nullptr) return demangle(name);
  if (dwarf_attr_integrate(&function, DW_AT_name, &attribute) != nullptr)
    if (const char* name = dwarf_formstring(&attribute); name != nullptr) return name;
  return {};
}

std::optional<Dwarf_Word> number_of(Dwarf_Die& die, unsigned name) {
  Dwarf_Attribute attribute;
  Dwarf_Word value = 0;
  if (dwarf_attr(&die, name, &attribute) == nullptr || dwarf_formudata(&attribute, &value) != 0)
    return std::nullopt;
  return value;
}

std::string text_or_empty(const char* text) { return text != nullptr ? text : ""; }

void set_line(Dwarf_Die& unit, std::uint64_t address, SourcePlace& place) {
  Dwarf_Line* line = dwarf_getsrc_die(&unit, address);
  int number = 0;
  if (line == nullptr || dwarf_lineno(line, &number) != 0 || number <= 0) return;
  place.line = static_cast<std::uint32_t>(number);
  place.file = text_or_empty(dwarf_linesrc(line, nullptr, nullptr));
}

// Where an inlined function was called.
void set_call_line(Dwarf_Die& unit, Dwarf_Die& inlined, SourcePlace& place) {
  const auto line = number_of(inlined, DW_AT_call_line);
  const auto file = number_of(inlined, DW_AT_call_file);
  Dwarf_Files* files = nullptr;
  std::size_t count = 0;
  if (!line || *line > UINT32_MAX || !file || dwarf_getsrcfiles(&unit, &files, &count) != 0 ||
      *file >= count)
    return;
  place.line = static_cast<std::uint32_t>(*line);
  place.file = text_or_empty(dwarf_filesrc(files, *file, nullptr, nullptr));
}

}  // namespace

DwarfNames::DwarfNames(const ElfFile& file)
    : dwarf_(dwarf_begin_elf(file.get(), DWARF_C_READ, nullptr)) {
  if (dwarf_ != nullptr) list_units();
}

DwarfNames::~DwarfNames() {
  if (dwarf_ != nullptr) dwarf_end(dwarf_);
}

void DwarfNames::list_units() {
  Dwarf_CU* unit = nullptr;
  Dwarf_Die die;
  while (dwarf_get_units(dwarf_, unit, &unit, nullptr, nullptr, &die, nullptr) == 0) {
    if (dwarf_tag(&die) != DW_TAG_compile_unit) continue;
    Dwarf_Addr base = 0, begin = 0, end = 0;
    std::ptrdiff_t offset = 0;
    for (int i = 0; i < kMostRanges; ++i) {
      offset = dwarf_ranges(&die, offset, &base, &begin, &end);
      if (offset <= 0 || units_.size() >= kMostUnitRanges) break;
      // The linker leaves ranges of removed functions at 0.
      if (begin != 0 && begin < end) units_.push_back({begin, end, dwarf_dieoffset(&die)});
    }
  }
  std::sort(units_.begin(), units_.end(),
            [](const Unit& a, const Unit& b) { return a.begin < b.begin; });
}

std::vector<SourcePlace> DwarfNames::find(std::uint64_t address) {
  std::vector<SourcePlace> places;
  const auto after =
      std::upper_bound(units_.begin(), units_.end(), address,
                       [](std::uint64_t at, const Unit& unit) { return at < unit.begin; });
  Dwarf_Die unit;
  if (after == units_.begin() || address >= std::prev(after)->end ||
      dwarf_offdie(dwarf_, std::prev(after)->die, &unit) == nullptr)
    return places;
  std::vector<Dwarf_Die> scopes = ScopeSearch(address).run(unit);
  SourcePlace innermost;
  set_line(unit, address, innermost);
  if (scopes.empty() && innermost.line == 0) return places;
  places.push_back(std::move(innermost));
  for (std::size_t i = scopes.size(); i-- > 0;) {
    places.back().function = function_name(scopes[i]);
    if (i == 0) break;
    SourcePlace caller;
    set_call_line(unit, scopes[i], caller);
    places.push_back(std::move(caller));
  }
  return places;
}

}  // namespace tcpdwell
