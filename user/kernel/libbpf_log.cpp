// SPDX-License-Identifier: Apache-2.0
#include "kernel/libbpf_log.h"

#include <bpf/libbpf.h>
#include <spdlog/spdlog.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <string_view>

#include "kernel/refusal.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kKept = 64 * 1024;

// libbpf's print callback has no context argument: this is the one owner of what it says.
std::string& kept() {
  static std::string text;
  return text;
}
bool quiet = false;

int keep(libbpf_print_level level, const char* format, va_list args) {
  if (quiet || level == LIBBPF_DEBUG) return 0;
  std::array<char, 4096> line{};
  const int size = std::vsnprintf(line.data(), line.size(), format, args);
  std::string_view text(line.data());
  if (kept().size() + text.size() > kKept) kept().erase(0, text.size());
  kept() += text;
  if (text.ends_with('\n')) text.remove_suffix(1);
  spdlog::debug("libbpf: {}", text);
  return size;
}

}  // namespace

LibbpfLog::LibbpfLog() { libbpf_set_print(keep); }
LibbpfLog::Quiet::Quiet() { quiet = true; }
LibbpfLog::Quiet::~Quiet() { quiet = false; }

std::string LibbpfLog::hint() {
  const Quiet quiet;
  return why_refused(kept(), look_around());
}

}  // namespace tcpdwell
