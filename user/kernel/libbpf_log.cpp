// SPDX-License-Identifier: Apache-2.0
#include "kernel/libbpf_log.h"

#include <bpf/libbpf.h>
#include <spdlog/spdlog.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "kernel/refusal.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kKept = 64 * 1024;

// The print callback of libbpf has no context argument: this is the only owner of its output.
std::string& kept() {
  static std::string text;
  return text;
}
bool quiet = false;

// The verifier log comes as one text with the error at its end.
int keep(libbpf_print_level level, const char* format, va_list args) {
  if (quiet || level == LIBBPF_DEBUG) return 0;
  char* whole = nullptr;
  const int size = ::vasprintf(&whole, format, args);
  if (size < 0) return 0;
  std::string text(whole, static_cast<std::size_t>(size));
  std::free(whole);
  kept() += text;
  if (kept().size() > kKept) kept().erase(0, kept().size() - kKept);
  if (text.ends_with('\n')) text.pop_back();
  spdlog::debug("libbpf: {}", text);
  return size;
}

}  // namespace

LibbpfLog::LibbpfLog() { libbpf_set_print(keep); }
LibbpfLog::Quiet::Quiet() { quiet = true; }
LibbpfLog::Quiet::~Quiet() { quiet = false; }

std::string_view LibbpfLog::text() { return kept(); }

std::string LibbpfLog::hint() {
  const Quiet quiet;
  return why_refused(text(), look_around());
}

}  // namespace tcpdwell
