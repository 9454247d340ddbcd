// SPDX-License-Identifier: Apache-2.0
#include "where/debug_files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <filesystem>

namespace tcpdwell {
namespace {

constexpr std::size_t kMostListed = 100'000;

UniqueFd open_at(int directory, const std::string& path, std::uint64_t flags,
                 std::uint64_t resolve) {
  open_how how{.flags = flags | O_CLOEXEC, .mode = 0, .resolve = resolve};
  return UniqueFd(
      static_cast<int>(::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how)));
}

// First without opening it: a FIFO would wait, and a device may act.
std::optional<UniqueFd> open_regular(int directory, const std::string& path,
                                     std::uint64_t resolve) {
  const UniqueFd place = open_at(directory, path, O_PATH, resolve);
  struct stat info {};
  if (!place || ::fstat(place.get(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  UniqueFd file(::open(("/proc/self/fd/" + std::to_string(place.get())).c_str(),
                       O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  return file ? std::optional(std::move(file)) : std::nullopt;
}

std::unique_ptr<ElfFile> open_if_same(std::optional<UniqueFd> file, const ElfFile& stripped) {
  if (!file) return nullptr;
  auto elf = ElfFile::open(std::move(*file));
  return elf != nullptr && elf->build_id() == stripped.build_id() ? std::move(elf) : nullptr;
}

}  // namespace

std::optional<UniqueFd> open_below(int root, const std::string& path) {
  return open_regular(root, path, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

void DebugFiles::list_directory() {
  by_build_id_.emplace();
  std::error_code error;
  std::size_t listed = 0;
  using Iterator = std::filesystem::recursive_directory_iterator;
  const auto options = std::filesystem::directory_options::skip_permission_denied;
  for (Iterator it(directory_, options, error), end; !error && it != end; it.increment(error)) {
    if (++listed > kMostListed) break;
    auto file = open_regular(AT_FDCWD, it->path().string(), RESOLVE_NO_MAGICLINKS);
    if (!file) continue;
    const auto elf = ElfFile::open(std::move(*file));
    // A stripped copy may be there, too.
    if (elf != nullptr && !elf->build_id().empty() &&
        (elf->section(".symtab") != nullptr || elf->section(".debug_info") != nullptr))
      by_build_id_->emplace(elf->build_id(), it->path().string());
  }
}

std::unique_ptr<ElfFile> DebugFiles::find(const ElfFile& stripped, int root,
                                          const std::string& path) {
  const std::string& id = stripped.build_id();
  if (id.size() < 4) return nullptr;
  if (!directory_.empty()) {
    if (!by_build_id_) list_directory();
    if (const auto it = by_build_id_->find(id); it != by_build_id_->end())
      return open_if_same(open_regular(AT_FDCWD, it->second, RESOLVE_NO_MAGICLINKS), stripped);
  }
  if (root < 0) return nullptr;
  const std::string by_id =
      "/usr/lib/debug/.build-id/" + id.substr(0, 2) + '/' + id.substr(2) + ".debug";
  if (auto found = open_if_same(open_below(root, by_id), stripped)) return found;
  const std::string link = stripped.debug_link();
  const auto slash = path.rfind('/');
  if (link.empty() || slash == path.npos) return nullptr;
  const std::string directory = path.substr(0, slash + 1);
  for (const std::string& name :
       {directory + link, directory + ".debug/" + link, "/usr/lib/debug" + directory + link})
    if (auto found = open_if_same(open_below(root, name), stripped)) return found;
  return nullptr;
}

}  // namespace tcpdwell
