// SPDX-License-Identifier: Apache-2.0
#include "options/suggest.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace tcpdwell {
namespace {

// A longer word is compared with nothing: the distance takes time by the square of the length.
constexpr std::size_t kLongest = 40;

constexpr std::pair<std::string_view, std::string_view> kOtherNames[] = {
    {"--from", "--since T (replay)"},
    {"--begin", "--since T (replay)"},
    {"--start", "--since T (replay)"},
    {"--to", "--until T (replay)"},
    {"--end", "--until T (replay)"},
    {"--interval", "stats INTERVAL, or leaks --watch D"},
    {"--every", "stats INTERVAL, or leaks --watch D"},
    {"--timeout", "--duration D"},
    {"--time", "--duration D"},
    {"--for", "--duration D"},
    {"--sport", "--lport P"},
    {"--dport", "--rport P"},
    {"--src", "--local ADDR[:PORT]"},
    {"--source", "--local ADDR[:PORT]"},
    {"--dst", "--remote ADDR[:PORT]"},
    {"--dest", "--remote ADDR[:PORT]"},
    {"--peer", "--remote ADDR[:PORT]"},
    {"--host", "--addr CIDR"},
    {"--ip", "--addr CIDR"},
    {"--ipv4", "-4"},
    {"--ipv6", "-6"},
    {"--process", "--comm NAME or --pid P"},
    {"--name", "--comm NAME"},
    {"--program", "--comm NAME"},
    {"--threshold", "--flag STATE=D"},
    {"--flags", "--flag STATE=D"},
    {"--longer", "--min-dwell D"},
    {"--older", "--min-dwell D"},
    {"--file", "--output FILE"},
    {"--out", "--output FILE"},
    {"--write", "--record FILE"},
    {"--save", "--record FILE"},
    {"--format", "--json"},
    {"--ndjson", "--json"},
    {"--silent", "--quiet"},
    {"--debug", "--verbose"},
    {"--group", "stats --by WHAT"},
    {"--group-by", "stats --by WHAT"},
    {"--limit", "stats --rows N, or leaks --top N"},
    {"-p", "--port P or --pid P"},
    {"-n", "--duration D, or the COUNT of stats and leaks"},
    {"-i", "stats INTERVAL, or leaks --watch D"},
    {"-w", "--record FILE"},
    {"-r", "replay FILE"},
    {"-f", "--flag STATE=D, or --output FILE"},
    {"-t", "trace, the default"}};

char lower(char letter) {
  return static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
}

// Optimal string alignment: each pair of letters is swapped at most once.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool differ = lower(a[i - 1]) != lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (differ ? 1 : 0)});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                           lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

// Dashes say nothing about what was meant.
std::size_t letters(std::string_view word) {
  return static_cast<std::size_t>(
      std::count_if(word.begin(), word.end(), [](char c) { return c != '-'; }));
}

}  // namespace

std::string nearest(std::string_view typed, const std::vector<std::string>& candidates) {
  if (typed.size() > kLongest) return {};
  const std::size_t most = letters(typed) < 3 ? 0 : letters(typed) < 6 ? 1 : 2;
  std::string best;
  std::size_t least = most + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t far = candidate.size() > kLongest ? least : distance(typed, candidate);
    if (far < least) {
      least = far;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view typed, const std::vector<std::string>& candidates) {
  const std::string found = nearest(typed, candidates);
  return found.empty() ? std::string() : ". Did you mean " + found + '?';
}

std::string_view other_name(std::string_view option) {
  for (const auto& [typed, instead] : kOtherNames)
    if (typed == option) return instead;
  return {};
}

}  // namespace tcpdwell
