// SPDX-License-Identifier: Apache-2.0
#include "session/surroundings.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "kernel/namespaces.h"
#include "kernel/sysctls.h"

namespace tcpdwell {
namespace {

bool is_installed(std::string_view program) {
  const char* value = std::getenv("PATH");
  std::string_view path = value != nullptr ? value : "";
  while (!path.empty()) {
    const std::string_view folder = path.substr(0, path.find(':'));
    path.remove_prefix(std::min(path.size(), folder.size() + 1));
    if (folder.empty()) continue;
    const std::string file = std::string(folder) + '/' + std::string(program);
    if (::access(file.c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace

Surroundings read_surroundings() {
  return {.netns = own_netns(), .named = mounted_namespaces(), .py_spy = is_installed("py-spy")};
}

}  // namespace tcpdwell
