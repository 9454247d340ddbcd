// SPDX-License-Identifier: Apache-2.0
#include "util/version.h"

namespace tcpdwell {

const char* version() { return TCPDWELL_VERSION; }

}  // namespace tcpdwell
