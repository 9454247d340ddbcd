// SPDX-License-Identifier: Apache-2.0
#include "util/result.h"

namespace tcpdwell {

std::string Error::text() const {
  std::string line = doing;
  if (code) line += ": " + code.message();
  if (!hint.empty()) line += ". " + hint;
  return line;
}

Error system_error(std::string_view doing, int rc, std::string_view hint) {
  const int code = rc < 0 ? -rc : errno;  // read errno before another call changes it
  return {std::string(doing), {code, std::generic_category()}, std::string(hint)};
}

}  // namespace tcpdwell
