// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tcpdwell {

// What --version prints and `start` says: see cmake/Version.cmake.
const char* version();

}  // namespace tcpdwell
