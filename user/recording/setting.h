// SPDX-License-Identifier: Apache-2.0
// The options and the host of a run, from which its table and its start record are made.
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
// nullopt: incomplete or invalid.
std::optional<Setting> unpack_setting(std::span<const std::byte> bytes);

}  // namespace tcpdwell::recording
