// SPDX-License-Identifier: Apache-2.0
#include "kernel/mountinfo.h"

#include <cstddef>
#include <fstream>
#include <sstream>
#include <utility>

namespace tcpdwell {
namespace {

// "\040" stands for a blank; tab, newline and backslash are written in the same way.
std::string unescape(const std::string& text) {
  const auto digit = [&](std::size_t at) {
    return at < text.size() && text[at] >= '0' && text[at] <= '7' ? text[at] - '0' : -1;
  };
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = digit(i + 1), middle = digit(i + 2), low = digit(i + 3);
    const bool escaped = text[i] == '\\' && high >= 0 && middle >= 0 && low >= 0;
    plain += escaped ? static_cast<char>(high * 64 + middle * 8 + low) : text[i];
    if (escaped) i += 3;
  }
  return plain;
}

}  // namespace

std::vector<Mount> read_mountinfo(std::istream& in) {
  std::vector<Mount> mounts;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string id, parent, device, word;
    Mount mount;
    words >> id >> parent >> device >> mount.root >> mount.path;
    while (words >> word && word != "-") continue;  // options, of any number
    if (!(words >> mount.type)) continue;
    mount.root = unescape(mount.root);
    mount.path = unescape(mount.path);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::vector<Mount> our_mounts() {
  std::ifstream file("/proc/self/mountinfo");
  return read_mountinfo(file);
}

}  // namespace tcpdwell
