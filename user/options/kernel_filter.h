// SPDX-License-Identifier: Apache-2.0
// The part of a filter that the kernel side applies, in its layout.
#pragma once

#include "lifecycle/filter.h"
#include "tcpdwell/wire.h"

namespace tcpdwell {

// Omits what does not fit: user space applies the whole filter again.
tcpdwell_filter kernel_filter(const Filter& filter);

}  // namespace tcpdwell
