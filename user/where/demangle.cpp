// SPDX-License-Identifier: Apache-2.0
#include "where/demangle.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

namespace tcpdwell {
namespace {

// The demangler of the C++ library recurses, and its result can be exponentially long.
constexpr std::size_t kLongestMangled = 512;
constexpr std::size_t kLongestDemangled = 4096;

struct Free {
  void operator()(char* text) const noexcept { std::free(text); }
};

// Rust before v0 mangles like C++, with a hash as the last part: "core::fmt::h0123456789abcdef".
std::string rust_or_cpp(std::string name) {
  constexpr std::size_t kHash = 19;
  if (name.size() <= kHash) return name;
  const std::string_view hash = std::string_view(name).substr(name.size() - kHash);
  if (!hash.starts_with("::h") || hash.find_first_not_of("0123456789abcdef", 3) != hash.npos)
    return name;
  name.resize(name.size() - kHash);
  return unescape_rust(name);
}

}  // namespace

std::string demangle(std::string_view name) {
  if (name.size() > kLongestMangled) return std::string(name);
  if (name.starts_with("_R")) {
    std::string rust = demangle_rust(name);
    return rust.empty() ? std::string(name) : rust;
  }
  if (!name.starts_with("_Z")) return std::string(name);
  int status = 0;
  const std::unique_ptr<char, Free> demangled(
      abi::__cxa_demangle(std::string(name).c_str(), nullptr, nullptr, &status));
  if (demangled == nullptr) return std::string(name);
  std::string text(demangled.get());
  return text.size() > kLongestDemangled ? std::string(name) : rust_or_cpp(std::move(text));
}

}  // namespace tcpdwell
