// SPDX-License-Identifier: Apache-2.0
// The name and the runtime of a process, from texts in /proc.
#include <algorithm>
#include <array>
#include <vector>

#include "kernel/process_facts.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kCommRoom = 15;  // the kernel cuts off what is longer
constexpr std::size_t kMostWords = 16;

std::string_view base_name(std::string_view path) {
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

std::vector<std::string_view> words_of(std::string_view cmdline) {
  std::vector<std::string_view> words;
  while (!cmdline.empty() && words.size() < kMostWords) {
    const std::string_view word = cmdline.substr(0, cmdline.find('\0'));
    if (!word.empty()) words.push_back(word);
    cmdline.remove_prefix(std::min(cmdline.size(), word.size() + 1));
  }
  return words;
}

// "gunicorn: worker [app]": written over argv[0] by the program itself.
bool is_title(std::string_view word) {
  const auto colon = word.find(": ");
  return colon != word.npos && word.substr(0, colon).find('/') == word.npos;
}

// Names that a runtime gives its first thread, and with it the process.
bool is_thread_name(std::string_view comm) {
  constexpr std::array<std::string_view, 6> kNames = {"MainThread",  "node-MainThread", "main",
                                                      "Main Thread", "MainThrd",        "thread"};
  return std::find(kNames.begin(), kNames.end(), comm) != kNames.end();
}

// The digits and dots at the end of "python3.11", "php8.2".
std::string_view without_version(std::string_view name) {
  const auto end = name.find_last_not_of("0123456789.-");
  return name.substr(0, end == name.npos ? 0 : end + 1);
}

// Of "python3 -u /srv/app.py": "app.py". Empty: an option that may take a word came before it.
std::string_view script_of(const std::vector<std::string_view>& words, Runtime runtime) {
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words[i].front() != '-') return base_name(words[i]);
    if (runtime == Runtime::Python && words[i] == "-m" && i + 1 < words.size()) return words[i + 1];
    const bool alone = words[i].starts_with("--") || words[i] == "-u" || words[i] == "-E" ||
                       words[i] == "-B" || words[i] == "-s" || words[i] == "-I" ||
                       words[i] == "-O" || words[i] == "-w";
    if (!alone) return {};
  }
  return {};
}

bool is_script_runtime(Runtime runtime) {
  switch (runtime) {
    case Runtime::Python:
    case Runtime::Node:
    case Runtime::Php:
    case Runtime::Ruby:
    case Runtime::Perl: return true;
    case Runtime::Native:
    case Runtime::Jvm:
    case Runtime::Go: break;
  }
  return false;
}

// Both are the same name within the length of `comm`.
bool begins_with_comm(std::string_view name, std::string_view comm) {
  return name.size() > comm.size() && name.starts_with(comm);
}

// The name that `comm` is the beginning of; empty: none.
std::string_view whole_name(std::string_view comm, const std::vector<std::string_view>& words,
                            std::string_view exe) {
  if (!words.empty() && is_title(words[0]) && begins_with_comm(words[0], comm)) return words[0];
  for (const std::string_view word : words)
    if (begins_with_comm(base_name(word), comm)) return base_name(word);
  return begins_with_comm(exe, comm) ? exe : std::string_view{};
}

std::string_view name_of(std::string_view comm, const std::vector<std::string_view>& words,
                         std::string_view exe) {
  if (is_thread_name(comm)) {
    if (words.empty() || is_title(words[0])) return exe;
    return base_name(words[0]);
  }
  if (comm.size() < kCommRoom) return {};
  return whole_name(comm, words, exe);
}

}  // namespace

Runtime runtime_of_exe(std::string_view exe) {
  const std::string_view name = without_version(base_name(exe));
  if (name == "java") return Runtime::Jvm;
  if (name == "python" || name == "pypy") return Runtime::Python;
  if (name == "node" || name == "nodejs") return Runtime::Node;
  if (name == "php" || name == "php-fpm" || name == "php-cgi") return Runtime::Php;
  if (name == "ruby") return Runtime::Ruby;
  if (name == "perl") return Runtime::Perl;
  return Runtime::Native;
}

std::string program_name(std::string_view comm, std::string_view cmdline, std::string_view exe,
                         Runtime runtime) {
  const std::vector<std::string_view> words = words_of(cmdline);
  exe = base_name(exe);
  std::string_view shown = name_of(comm, words, exe);
  if (shown == comm) shown = {};
  std::string name(shown.substr(0, kLongestProgram));
  // "python3" may be anything.
  const std::string_view so_far = name.empty() ? comm : std::string_view(name);
  const bool interpreter = is_script_runtime(runtime) && runtime_of_exe(so_far) == runtime &&
                           !words.empty() && !is_title(words[0]);
  const std::string_view script = interpreter ? script_of(words, runtime) : std::string_view{};
  if (!script.empty()) name = std::string(so_far) + ' ' + std::string(script);
  name.resize(std::min(name.size(), kLongestProgram));
  return name;
}

}  // namespace tcpdwell
