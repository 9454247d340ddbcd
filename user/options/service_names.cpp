// SPDX-License-Identifier: Apache-2.0
#include "options/service_names.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <utility>

namespace tcpdwell {
namespace {

// Bounds of the file, which is some 20 KB on a Debian.
constexpr std::size_t kMostLine = 4096, kMostLines = 100'000;

constexpr std::pair<std::string_view, std::uint16_t> kCommon[] = {
    {"ssh", 22},         {"smtp", 25},         {"domain", 53},  {"http", 80},
    {"pop3", 110},       {"imap2", 143},       {"ldap", 389},   {"https", 443},
    {"submission", 587}, {"ldaps", 636},       {"imaps", 993},  {"mysql", 3306},
    {"amqp", 5672},      {"postgresql", 5432}, {"redis", 6379}, {"http-alt", 8080}};

std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
  const auto end = std::min(line.find_first_of(" \t\r"), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

// The port of a line "http  80/tcp  www # World Wide Web" that has this name; 0: another line.
std::uint16_t port_in(std::string_view line, std::string_view name) {
  line = line.substr(0, line.find('#'));
  bool found = take_word(line) == name;
  const std::string_view where = take_word(line);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(where.data(), where.data() + where.size(), port);
  const auto rest = static_cast<std::size_t>(end - where.data());
  if (error != std::errc{} || where.substr(rest) != "/tcp") return 0;
  while (!found && !line.empty()) {
    const std::string_view alias = take_word(line);
    found = !alias.empty() && alias == name;
  }
  return found ? port : std::uint16_t{0};
}

}  // namespace

std::optional<std::uint16_t> service_port(std::string_view name, const std::string& file) {
  if (name.empty()) return std::nullopt;
  std::ifstream lines(file);
  std::string line(kMostLine, '\0');
  for (std::size_t i = 0; i < kMostLines && lines; ++i) {
    lines.getline(line.data(), static_cast<std::streamsize>(line.size()));
    if (lines.bad() || (lines.fail() && lines.gcount() == 0)) break;
    if (const auto port = port_in(line.c_str(), name); port != 0) return port;
    if (lines.fail()) break;  // a longer line than any service has
  }
  for (const auto& [common, port] : kCommon)
    if (common == name) return port;
  return std::nullopt;
}

}  // namespace tcpdwell
