// SPDX-License-Identifier: Apache-2.0
// Finds settings in sysctl files that do not have the intended effect: the kernel has removed them,
// or they never had it. Pure: the caller reads the files. Their text is untrusted.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell {

struct SysctlMistake {
  std::string file;  // as passed in: untrusted bytes
  std::size_t line = 0;
  std::string name;  // with dots: "net.ipv4.tcp_tw_recycle"
  std::string says;  // one sentence without its full stop
};

// Checks each line of one sysctl.d(5) file and returns at most `most` mistakes. A setting is KEY =
// VALUE; the key may begin with '-' and may have '/' instead of '.'. Globs are not expanded.
std::vector<SysctlMistake> find_sysctl_mistakes(std::string_view file, std::string_view text,
                                                std::size_t most);

}  // namespace tcpdwell
