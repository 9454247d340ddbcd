// SPDX-License-Identifier: Apache-2.0
// Finds the file with the symbols of a stripped one: in the directory of --symbols, else in the
// usual places of the process's own view (/usr/lib/debug). It is only taken if it has the same
// build id: a name of another version would be wrong. Nothing is downloaded.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "where/elf_file.h"

namespace tcpdwell {

class DebugFiles {
 public:
  // Of --symbols; empty: none.
  explicit DebugFiles(std::string directory) : directory_(std::move(directory)) {}

  // `root` is a descriptor of the process's root directory, or -1; `path` is the file's path there.
  std::unique_ptr<ElfFile> find(const ElfFile& stripped, int root, const std::string& path);

 private:
  void list_directory();
  std::string directory_;
  std::optional<std::map<std::string, std::string>> by_build_id_;  // path; nullopt: not yet listed
};

// Opens a regular file below `root`, following links within it. Does not open devices or FIFOs.
std::optional<UniqueFd> open_below(int root, const std::string& path);

}  // namespace tcpdwell
