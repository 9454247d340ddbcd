// SPDX-License-Identifier: Apache-2.0
// The part of a filter that the kernel side applies, in its layout.
#pragma once

#include "lifecycle/filter.h"
#include "tcpdwell/wire.h"

namespace tcpdwell {

// What does not fit is left out: user space decides again, and for all.
tcpdwell_filter kernel_filter(const Filter& filter);

}  // namespace tcpdwell
