// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tcpdwell {

// The version in --version and in the `start` record: see cmake/Version.cmake.
const char* version();

}  // namespace tcpdwell
