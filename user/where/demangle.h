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
// The characters that Rust before v0 escapes: "_$LT$u8$GT$" is "<u8>". What is no escape stays.
std::string unescape_rust(std::string_view name);

}  // namespace tcpdwell
