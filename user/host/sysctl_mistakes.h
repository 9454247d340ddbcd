// SPDX-License-Identifier: Apache-2.0
// Settings in sysctl files that do not do what people set them for: the kernel has dropped them, or
// they never meant that. Pure: whoever reads the files hands in their text, which is untrusted.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell {

struct SysctlMistake {
  std::string file;  // as it was given: untrusted bytes
  std::size_t line = 0;
  std::string name;  // with dots: "net.ipv4.tcp_tw_recycle"
  std::string says;  // one sentence without its end
};

// Of one file of sysctl.d(5), every line for itself, at most `most` of them. A setting is KEY =
// VALUE; the key may begin with '-', and have '/' for '.'. A glob names nothing that is looked for.
std::vector<SysctlMistake> find_sysctl_mistakes(std::string_view file, std::string_view text, std::size_t most);

}  // namespace tcpdwell
