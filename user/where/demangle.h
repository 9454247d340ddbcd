// SPDX-License-Identifier: Apache-2.0
// Names of functions as their programmers wrote them: C++ and Rust. Pure. Names are untrusted.
#pragma once

#include <string>
#include <string_view>

namespace tcpdwell {

// Returns the name itself if it is not mangled, or if it cannot be demangled.
std::string demangle(std::string_view name);
// Rust's v0 mangling (_R...). Empty: it is none, or damaged, or too long.
std::string demangle_rust(std::string_view name);

}  // namespace tcpdwell
