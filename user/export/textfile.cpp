// SPDX-License-Identifier: Apache-2.0
#include "export/textfile.h"

#include <unistd.h>

#include <cstdio>

namespace tcpdwell::exporter {
namespace {

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

// The collector reads *.prom only, so it never reads the unfinished file.
std::optional<Error> write_textfile(const std::string& path, const std::string& text,
                                    const FilePolicy& policy) {
  const std::string unfinished = path + ".new", doing = "--textfile: writing " + path;
  auto file = make_file(unfinished, Opening::Exclusive, policy, doing);
  if (!file) return file.error();
  if (!write_all(file->get(), text) || ::rename(unfinished.c_str(), path.c_str()) != 0) {
    Error error = system_error(doing);
    ::unlink(unfinished.c_str());
    return error;
  }
  return std::nullopt;
}

}  // namespace tcpdwell::exporter
