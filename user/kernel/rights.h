// SPDX-License-Identifier: Apache-2.0
// Whether this process may load tracing programs.
#pragma once

namespace tcpdwell {

// CAP_SYS_ADMIN, or CAP_BPF and CAP_PERFMON, are effective.
bool may_trace();

}  // namespace tcpdwell
