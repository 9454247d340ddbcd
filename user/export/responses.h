// SPDX-License-Identifier: Apache-2.0
// The written pages. Each format of a page is written once.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "export/format.h"

namespace tcpdwell::exporter {

class Responses {
 public:
  using Pages = std::vector<std::shared_ptr<const Page>>;
  explicit Responses(std::function<Pages()> pages) : pages_(std::move(pages)) {}

  // nullptr: there is nothing to show yet.
  std::shared_ptr<const std::string> in(Format format) {
    Pages pages = pages_();
    if (pages.empty()) return nullptr;
    if (pages != shown_) {
      shown_ = std::move(pages);
      written_ = {};
    }
    auto& text = written_[static_cast<std::size_t>(format)];
    if (text) return text;
    std::vector<const Page*> all;
    for (const auto& page : shown_) all.push_back(page.get());
    text = std::make_shared<const std::string>(written(format, all));
    return text;
  }

 private:
  std::function<Pages()> pages_;
  Pages shown_;
  std::array<std::shared_ptr<const std::string>, kFormats> written_;
};

}  // namespace tcpdwell::exporter
