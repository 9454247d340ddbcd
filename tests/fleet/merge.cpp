// SPDX-License-Identifier: Apache-2.0
// The buckets of a fleet, by the histograms of tcpdwell. Reads lines "HOST STATE NANOSECONDS", one
// for each dwell, fills a histogram for each host and state, and merges those of all hosts. Prints
// "STATE UPPER COUNT".
#include <cstdint>
#include <iostream>
#include <map>
#include <string>
#include <utility>

#include "stats/histogram.h"

int main() {
  std::map<std::pair<std::string, std::string>, tcpdwell::Histogram> hosts;
  std::string host, state;
  for (std::int64_t ns = 0; std::cin >> host >> state >> ns;)
    hosts[{host, state}].add(tcpdwell::Nanos{ns});
  if (!std::cin.eof()) {
    std::cerr << "merge: not \"HOST STATE NANOSECONDS\"\n";
    return 2;
  }
  std::map<std::string, tcpdwell::Histogram> fleet;
  for (const auto& [key, histogram] : hosts) fleet[key.second].merge(histogram);
  for (const auto& [name, histogram] : fleet)
    for (const auto& [upper, count] : histogram.buckets())
      std::cout << name << ' ' << upper.count() << ' ' << count << '\n';
}
