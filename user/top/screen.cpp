// SPDX-License-Identifier: Apache-2.0
#include "top/screen.h"

#include <cstring>

namespace tcpdwell::top {
namespace {

class Packer {
 public:
  template <typename T>
  void put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void put(const std::string& text) {
    put(static_cast<std::uint32_t>(text.size()));
    bytes_ += text;
  }
  void put(const Item& item) {
    put(item.kind);
    put(item.key);
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : bytes_(bytes) {}
  template <typename T>
  void get(T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (bytes_.size() < sizeof value) {
      whole_ = false;
      return;
    }
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
  }
  void get(std::string& text) {
    std::uint32_t size = 0;
    get(size);
    if (bytes_.size() < size) {
      whole_ = false;
      return;
    }
    text = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
  }
  void get(Item& item) {
    get(item.kind);
    get(item.key);
  }
  bool whole() const { return whole_; }
  bool done() const { return whole_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool whole_ = true;
};

}  // namespace

std::string pack(const Screen& screen) {
  Packer packer;
  packer.put(static_cast<std::uint32_t>(screen.pages.size()));
  for (const Page& page : screen.pages) {
    packer.put(page.kind);
    packer.put(page.of);
    packer.put(page.selected);
    packer.put(page.place);
    packer.put(page.scroll);
  }
  packer.put(screen.sort);
  packer.put(screen.reverse);
  packer.put(screen.by);
  packer.put(screen.filter);
  packer.put(screen.frozen);
  packer.put(screen.prompt);
  packer.put(screen.input);
  packer.put(screen.message);
  packer.put(screen.is_error);
  return packer.take();
}

std::optional<Screen> unpack(std::string_view bytes) {
  Unpacker unpacker(bytes);
  Screen screen;
  std::uint32_t pages = 0;
  unpacker.get(pages);
  screen.pages.clear();
  for (std::uint32_t i = 0; i < pages && unpacker.whole(); ++i) {
    Page page;
    unpacker.get(page.kind);
    unpacker.get(page.of);
    unpacker.get(page.selected);
    unpacker.get(page.place);
    unpacker.get(page.scroll);
    screen.pages.push_back(std::move(page));
  }
  unpacker.get(screen.sort);
  unpacker.get(screen.reverse);
  unpacker.get(screen.by);
  unpacker.get(screen.filter);
  unpacker.get(screen.frozen);
  unpacker.get(screen.prompt);
  unpacker.get(screen.input);
  unpacker.get(screen.message);
  unpacker.get(screen.is_error);
  if (!unpacker.done() || screen.pages.empty()) return std::nullopt;
  return screen;
}

}  // namespace tcpdwell::top
