// SPDX-License-Identifier: Apache-2.0
// What a run was asked for and what it ran on: what its table, and its first record, are made of.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "lifecycle/filter.h"
#include "lifecycle/lifecycle_config.h"
#include "model/record.h"

namespace tcpdwell::recording {

struct Setting {
  LifecycleConfig config;
  Filter filter;
  StartRecord start;
};

void pack(const Setting& setting, std::vector<std::byte>& out);
// nullopt: it is none, or cannot have been one.
std::optional<Setting> unpack_setting(std::span<const std::byte> bytes);

}  // namespace tcpdwell::recording
