// SPDX-License-Identifier: Apache-2.0
// Encodes fields as bytes, and decodes them. The decoder's input is untrusted: it never reads past
// the end, and checks each length against the bytes that are left.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "model/types.h"

namespace tcpdwell::recording {

template <typename T>
concept Plain = std::is_arithmetic_v<T> || std::is_enum_v<T>;

class Packer {
 public:
  explicit Packer(std::vector<std::byte>& out) : out_(out) {}
  template <Plain T>
  void put(T value) {
    append(std::as_bytes(std::span(&value, 1)));
  }
  void put(Nanos value) { put(static_cast<std::int64_t>(value.count())); }
  template <typename T, std::size_t N>
  void put(const std::array<T, N>& values) {
    for (const T& value : values) put(value);
  }
  template <typename T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  template <typename T>
  void put(const std::vector<T>& values) {
    put(static_cast<std::uint16_t>(values.size()));
    for (const T& value : values) put(value);
  }
  void put(std::string_view text) {
    text = text.substr(0, UINT16_MAX);
    put(static_cast<std::uint16_t>(text.size()));
    append(std::as_bytes(std::span(text)));
  }
  void put(const Endpoint& end) {
    put(end.addr);
    put(end.port);
  }
  void put(const Process& process) {
    put(process.pid);
    put(process.uid);
    put(process.cgroup_id);
    put(process.comm);
  }

 private:
  // Not by insert(), of which GCC 12 warns without a reason.
  void append(std::span<const std::byte> bytes) {
    const std::size_t end = out_.size();
    out_.resize(end + bytes.size());
    std::copy(bytes.begin(), bytes.end(), out_.begin() + static_cast<std::ptrdiff_t>(end));
  }
  std::vector<std::byte>& out_;
};

// After a missing or invalid field, ok() is false, and later fields are not read.
class Unpacker {
 public:
  explicit Unpacker(std::span<const std::byte> in) : in_(in) {}
  bool ok() const { return ok_; }
  void fail() { ok_ = false; }  // the caller found an invalid value
  // False at the end of an entry: older versions wrote fewer fields.
  bool has_more() const { return ok_ && !in_.empty(); }

  template <typename T>
  requires std::is_arithmetic_v<T>
  void get(T& value) {
    if (!has(sizeof value)) return;
    std::memcpy(&value, in_.data(), sizeof value);
    in_ = in_.subspan(sizeof value);
  }
  void get(bool& value) {
    std::uint8_t byte = 0;
    get(byte);
    if (byte > 1) fail();
    value = byte == 1;
  }
  // Fails unless the value is between `first` and `last`.
  template <typename T>
  requires std::is_enum_v<T>
  void get(T& value, T first, T last) {
    std::underlying_type_t<T> raw{};
    get(raw);
    if (raw < static_cast<std::underlying_type_t<T>>(first) ||
        raw > static_cast<std::underlying_type_t<T>>(last))
      return fail();
    value = static_cast<T>(raw);
  }
  void get(Family& family) {
    get(family, Family::Ipv4, Family::Ipv6);
    if (family != Family::Ipv4 && family != Family::Ipv6) fail();
  }
  // A point in time, a duration, or a clock offset. Bounded to 146 years, so that arithmetic does
  // not overflow.
  void get(Nanos& value) {
    std::int64_t count = 0;
    get(count);
    if (count > INT64_MAX / 2 || count < INT64_MIN / 2) return fail();
    value = Nanos{count};
  }
  template <typename T, std::size_t N>
  void get(std::array<T, N>& values) {
    for (T& value : values) get(value);
  }
  template <typename T>
  void get(std::optional<T>& value) {
    bool there = false;
    get(there);
    value.reset();
    if (there && ok_) get(value.emplace());
  }
  template <typename T>
  void get(std::vector<T>& values) {
    std::uint16_t count = 0;
    get(count);
    values.clear();
    for (; count > 0 && ok_; --count) get(values.emplace_back());
  }
  void get(std::string& text) {
    std::uint16_t size = 0;
    get(size);
    if (!has(size)) return;
    text.assign(reinterpret_cast<const char*>(in_.data()), size);
    in_ = in_.subspan(size);
  }
  void get(Endpoint& end) {
    get(end.addr);
    get(end.port);
  }
  void get(Process& process) {
    get(process.pid);
    get(process.uid);
    get(process.cgroup_id);
    get(process.comm);
  }

 private:
  bool has(std::size_t size) {
    if (in_.size() < size) fail();
    return ok_;
  }

  std::span<const std::byte> in_;
  bool ok_ = true;
};

}  // namespace tcpdwell::recording
