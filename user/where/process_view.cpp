// SPDX-License-Identifier: Apache-2.0
#include "where/process_view.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>
#include <set>

namespace tcpdwell {
namespace {

constexpr std::size_t kLargestMaps = 8U << 20U;
constexpr std::size_t kMostModules = 512;         // of the cache: each keeps a descriptor
constexpr std::size_t kMostModulesOfView = 1024;  // mappings that are opened

std::string of_process(std::uint32_t pid, const char* what) {
  return "/proc/" + std::to_string(pid) + '/' + what;
}

std::string read_maps(std::uint32_t pid) {
  const UniqueFd file(::open(of_process(pid, "maps").c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 4096> block{};  // the kernel gives at most a page
  while (file && text.size() < kLargestMaps) {
    const ssize_t got = ::read(file.get(), block.data(), block.size());
    if (got <= 0) break;
    text.append(block.data(), static_cast<std::size_t>(got));
  }
  return text;
}

// The mapped file itself. O_PATH first: opening a device may act.
UniqueFd open_mapped(std::uint32_t pid, const Mapping& mapping, struct stat& info) {
  std::array<char, 64> name{};
  std::snprintf(name.data(), name.size(), "map_files/%lx-%lx", mapping.start, mapping.end);
  const UniqueFd place(::open(of_process(pid, name.data()).c_str(), O_PATH | O_CLOEXEC | O_NOCTTY));
  if (!place || ::fstat(place.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  return UniqueFd(::open(("/proc/self/fd/" + std::to_string(place.get())).c_str(),
                         O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

std::vector<Mapping> executable_mappings(const std::vector<Mapping>& mappings) {
  std::vector<Mapping> executable;
  std::copy_if(mappings.begin(), mappings.end(), std::back_inserter(executable),
               [](const Mapping& mapping) { return mapping.executable; });
  return executable;
}

}  // namespace

std::shared_ptr<Module> ModuleCache::find(std::uint32_t pid, const Mapping& mapping) {
  struct stat info {};
  UniqueFd file = open_mapped(pid, mapping, info);
  if (!file) return nullptr;
  const Key key{.device = info.st_dev,
                .inode = info.st_ino,
                .size = info.st_size,
                .changed_s = info.st_ctim.tv_sec,
                .changed_ns = info.st_ctim.tv_nsec};
  auto [it, is_new] = modules_.try_emplace(key);
  if (is_new) it->second.module = open(pid, mapping, std::move(file));
  it->second.used = ++uses_;
  return it->second.module;
}

std::shared_ptr<Module> ModuleCache::open(std::uint32_t pid, const Mapping& mapping,
                                          UniqueFd file) {
  auto elf = ElfFile::open(std::move(file));
  if (elf == nullptr) return nullptr;
  auto root = std::make_shared<UniqueFd>(
      ::open(of_process(pid, "root").c_str(), O_PATH | O_CLOEXEC | O_DIRECTORY));
  auto find_symbols = [this, root, path = mapping.path](const ElfFile& stripped) {
    auto found = debug_files_.find(stripped, root->get(), path);
    root->reset();  // names are looked up once
    return found;
  };
  return std::make_shared<Module>(std::move(elf), std::move(find_symbols));
}

bool ModuleCache::is_full() const {
  return modules_.size() > kMostModules || ::mallinfo2().uordblks > kMostHeap;
}

void ModuleCache::trim() {
  while (!modules_.empty() && is_full())
    modules_.erase(std::min_element(
        modules_.begin(), modules_.end(),
        [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
}

bool has_python(std::uint32_t pid) {
  const std::vector<Mapping> mappings = parse_maps(read_maps(pid));
  return std::any_of(mappings.begin(), mappings.end(), [](const Mapping& mapping) {
    return mapping.path.find("python") != mapping.path.npos;
  });
}

std::optional<ProcessView> ProcessView::open(std::uint32_t pid, ModuleCache& cache,
                                             const ProcessView* earlier) {
  ProcessView view(pid);
  view.mappings_ = parse_maps(read_maps(pid));
  if (view.mappings_.empty()) return std::nullopt;
  for (const Mapping& mapping : view.mappings_) {
    if (!mapping.executable || !mapping.is_file()) continue;
    if (view.modules_.size() >= kMostModulesOfView) break;
    auto module = earlier != nullptr ? earlier->unchanged_module(mapping) : nullptr;
    if (module == nullptr) module = cache.find(pid, mapping);
    if (module != nullptr) view.modules_.emplace(mapping.start, std::move(module));
  }
  return view;
}

// The module keeps its file open, so that no other file can have its inode number.
std::shared_ptr<Module> ProcessView::unchanged_module(const Mapping& mapping) const {
  const auto it = modules_.find(mapping.start);
  const Mapping* known = find_mapping(mappings_, mapping.start);
  const bool same = it != modules_.end() && known != nullptr && *known == mapping;
  return same && it->second->file().is_unchanged() ? it->second : nullptr;
}

bool ProcessView::has_same_code(const ProcessView& other) const {
  return executable_mappings(mappings_) == executable_mappings(other.mappings_);
}

ProcessView::Place ProcessView::find(std::uint64_t address) const {
  Place place{.mapping = find_mapping(mappings_, address)};
  if (place.mapping == nullptr) return place;
  const auto it = modules_.find(place.mapping->start);
  if (it == modules_.end()) return place;
  const auto begin = it->second->file().address_of(place.mapping->offset);
  if (!begin) return place;
  place.module = it->second.get();
  place.bias = place.mapping->start - *begin;
  place.address = address - place.bias;
  return place;
}

bool ProcessView::is_code(std::uint64_t address) const {
  const Mapping* mapping = find_mapping(mappings_, address);
  return mapping != nullptr && mapping->executable;
}

bool ProcessView::has_code_without_file() const {
  return std::any_of(mappings_.begin(), mappings_.end(), [](const Mapping& mapping) {
    return mapping.executable && !mapping.is_file() && !mapping.path.starts_with("[v");
  });
}

bool ProcessView::has_file(std::string_view name) const {
  return std::any_of(mappings_.begin(), mappings_.end(), [&](const Mapping& mapping) {
    return mapping.executable && mapping.is_file() &&
           mapping.path.ends_with('/' + std::string(name));
  });
}

std::vector<ProcessView::Place> ProcessView::modules() const {
  std::vector<Place> places;
  std::set<Module*> seen;
  for (const auto& [start, module] : modules_)
    if (seen.insert(module.get()).second)
      if (Place place = find(start); place.module != nullptr) places.push_back(place);
  return places;
}

}  // namespace tcpdwell
