// SPDX-License-Identifier: Apache-2.0
#include "kernel/pod_names.h"

#include <filesystem>
#include <system_error>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr auto kReadAgain = 5s;
constexpr std::size_t kIdSize = 64;
constexpr std::size_t kMostLinks = 4096;  // kubelet's limit is 110 pods a node by default
constexpr std::string_view kSuffix = ".log";

}  // namespace

std::string PodNames::name_of(std::string_view id, Clock::time_point now) {
  auto found = names_.find(id);
  if (found == names_.end() && now >= next_read_) {
    next_read_ = now + kReadAgain;
    read();
    found = names_.find(id);
  }
  return found == names_.end() ? std::string() : found->second;
}

// None of the three names has an underscore: they are DNS names.
void PodNames::read() {
  names_.clear();
  std::error_code error;
  std::filesystem::directory_iterator entry(directory_, error);
  for (; !error && entry != std::filesystem::directory_iterator() && names_.size() < kMostLinks;
       entry.increment(error)) {
    const std::string file = entry->path().filename().string();
    std::string_view name = file;
    if (!name.ends_with(kSuffix)) continue;
    name.remove_suffix(kSuffix.size());
    if (name.size() <= kIdSize || name[name.size() - kIdSize - 1] != '-') continue;
    const std::string_view id = name.substr(name.size() - kIdSize);
    name.remove_suffix(kIdSize + 1);
    const std::size_t first = name.find('_'), last = name.rfind('_');
    if (first == std::string_view::npos || first == last) continue;
    names_[std::string(id)] = std::string(name.substr(first + 1, last - first - 1)) + '/' +
                              std::string(name.substr(0, first)) + '/' +
                              std::string(name.substr(last + 1));
  }
}

}  // namespace tcpdwell
