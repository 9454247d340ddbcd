// SPDX-License-Identifier: Apache-2.0
// Rust's v0 mangling: https://doc.rust-lang.org/rustc/symbol-mangling/v0.html. Leaves out hashes of
// crates, and generic arguments of functions and methods, as backtraces of Rust programs do.
#include <charconv>
#include <cstdint>
#include <optional>

#include "where/demangle.h"

namespace tcpdwell {
namespace {

constexpr int kDeepestPath = 64;
constexpr int kMostParts = 1024;  // back references may make a short name exponentially long
constexpr std::size_t kLongestRust = 4096;

std::string_view basic_type(char tag) {
  switch (tag) {
    case 'a': return "i8";
    case 'b': return "bool";
    case 'c': return "char";
    case 'd': return "f64";
    case 'e': return "str";
    case 'f': return "f32";
    case 'h': return "u8";
    case 'i': return "isize";
    case 'j': return "usize";
    case 'l': return "i32";
    case 'm': return "u32";
    case 'n': return "i128";
    case 'o': return "u128";
    case 'p': return "_";
    case 's': return "i16";
    case 't': return "u16";
    case 'u': return "()";
    case 'v': return "...";
    case 'x': return "i64";
    case 'y': return "u64";
    case 'z': return "!";
    default: return {};
  }
}

class RustName {
 public:
  explicit RustName(std::string_view mangled) : rest_(mangled), all_(mangled) {}

  std::string print() {
    path(0, false);
    return failed_ ? std::string{} : std::move(text_);
  }

 private:
  bool take(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  char next() {
    if (rest_.empty()) return fail();
    const char first = rest_.front();
    rest_.remove_prefix(1);
    return first;
  }
  char fail() {
    failed_ = true;
    return '\0';
  }
  void put(std::string_view text) {
    if (quiet_ > 0) return;
    if (text_.size() + text.size() > kLongestRust)
      failed_ = true;
    else
      text_ += text;
  }
  bool enter(int depth) {
    if (depth > kDeepestPath || ++parts_ > kMostParts) failed_ = true;
    return !failed_;
  }

  // "_" is 0, "0_" is 1, "Z_" is 62.
  std::uint64_t base62() {
    std::uint64_t value = 0;
    if (take('_')) return 0;
    for (int digits = 0; digits < 12; ++digits) {
      const char digit = next();
      if (digit == '_') return value + 1;
      value *= 62;
      if (digit >= '0' && digit <= '9')
        value += static_cast<std::uint64_t>(digit - '0');
      else if (digit >= 'a' && digit <= 'z')
        value += static_cast<std::uint64_t>(digit - 'a') + 10;
      else if (digit >= 'A' && digit <= 'Z')
        value += static_cast<std::uint64_t>(digit - 'A') + 36;
      else
        fail();
    }
    fail();
    return 0;
  }
  std::uint64_t disambiguator() { return take('s') ? base62() + 1 : 0; }

  struct Identifier {
    std::uint64_t disambiguator = 0;
    std::string_view name;
  };
  Identifier identifier() {
    Identifier found{.disambiguator = disambiguator(), .name = {}};
    if (take('u')) fail();  // punycode: shown mangled rather than decoded
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
    if (error != std::errc{}) fail();
    if (failed_) return found;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    take('_');
    if (size > rest_.size()) {
      fail();
      return found;
    }
    found.name = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return found;
  }

  template <typename Print>
  void follow_back(Print&& print) {
    const std::size_t here = all_.size() - rest_.size() - 1;
    const std::uint64_t to = base62();
    if (to >= here) fail();
    if (failed_) return;
    const std::string_view after = rest_;
    rest_ = all_.substr(to);
    print();
    rest_ = after;
  }

  void nested(int depth, bool in_type) {
    const char space = next();
    path(depth + 1, in_type);
    const Identifier part = identifier();
    if (space == 'C') return put("::{closure#" + std::to_string(part.disambiguator) + "}");
    if (space == 'S') return put("::{shim}");
    if (!part.name.empty()) {
      put("::");
      put(part.name);
    }
  }

  void impl_path(int depth) {
    disambiguator();
    ++quiet_;
    path(depth + 1, false);
    --quiet_;
  }

  void path(int depth, bool in_type) {
    if (!enter(depth)) return;
    switch (next()) {
      case 'C': return put(identifier().name);
      case 'N': return nested(depth, in_type);
      case 'M':
        impl_path(depth);
        put("<");
        type(depth + 1);
        return put(">");
      case 'X': impl_path(depth); [[fallthrough]];
      case 'Y':
        put("<");
        type(depth + 1);
        put(" as ");
        path(depth + 1, true);
        return put(">");
      case 'I': return generic(depth, in_type);
      case 'B': return follow_back([&] { path(depth + 1, in_type); });
      default: fail();
    }
  }

  void generic(int depth, bool in_type) {
    path(depth + 1, in_type);
    if (!in_type) ++quiet_;
    put("<");
    for (bool first = true; !failed_ && !take('E'); first = false) {
      if (!first) put(", ");
      if (take('L'))
        base62();
      else if (take('K'))
        constant(depth + 1);
      else
        type(depth + 1);
    }
    put(">");
    if (!in_type) --quiet_;
  }

  void constant(int depth) {
    if (!enter(depth)) return;
    if (take('B')) return follow_back([&] { constant(depth + 1); });
    if (take('p')) return put("_");
    if (basic_type(next()).empty()) fail();
    if (take('n')) put("-");
    const auto end = rest_.find('_');
    if (end == rest_.npos) {
      fail();
      return;
    }
    put("0x");
    put(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
  }

  void list(int depth, std::string_view open, std::string_view close) {
    put(open);
    for (bool first = true; !failed_ && !take('E'); first = false) {
      if (!first) put(", ");
      type(depth + 1);
    }
    put(close);
  }

  void function_type(int depth) {
    if (take('G')) base62();
    take('U');
    if (take('K') && !take('C')) identifier();
    list(depth, "fn(", ")");
    if (take('u')) return;
    put(" -> ");
    type(depth + 1);
  }

  void dyn_type(int depth) {
    if (take('G')) base62();
    put("dyn ");
    for (bool first = true; !failed_ && !take('E'); first = false) {
      if (!first) put(" + ");
      path(depth + 1, true);
      while (!failed_ && take('p')) {  // an associated type
        ++quiet_;
        identifier();
        type(depth + 1);
        --quiet_;
      }
    }
    if (take('L')) base62();
  }

  void type(int depth) {
    if (!enter(depth)) return;
    const std::string_view before = rest_;
    const char tag = next();
    if (const auto basic = basic_type(tag); !basic.empty()) return put(basic);
    switch (tag) {
      case 'R':
      case 'Q':
        put(tag == 'R' ? "&" : "&mut ");
        if (take('L')) base62();
        return type(depth + 1);
      case 'P': put("*const "); return type(depth + 1);
      case 'O': put("*mut "); return type(depth + 1);
      case 'S':
      case 'A':
        put("[");
        type(depth + 1);
        if (tag == 'A') {
          put("; ");
          constant(depth + 1);
        }
        return put("]");
      case 'T': return list(depth, "(", ")");
      case 'F': return function_type(depth);
      case 'D': return dyn_type(depth);
      case 'B': return follow_back([&] { type(depth + 1); });
      default: rest_ = before; return path(depth + 1, true);
    }
  }

  std::string_view rest_, all_;
  std::string text_;
  int quiet_ = 0, parts_ = 0;
  bool failed_ = false;
};

}  // namespace

std::string demangle_rust(std::string_view name) {
  if (!name.starts_with("_R")) return {};
  name.remove_prefix(2);
  return RustName(name.substr(0, name.find('.'))).print();
}

}  // namespace tcpdwell
