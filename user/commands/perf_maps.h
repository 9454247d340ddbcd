// SPDX-License-Identifier: Apache-2.0
// `run --where=jit`: makes JIT compilers name their code for us (/tmp/perf-PID.map), and removes
// these files afterwards.
#pragma once

#include <cstdint>
#include <span>

namespace tcpdwell {

// Adds the switches of node and Java to our environment, which the command inherits.
void switch_perf_maps_on();

// Removes the maps of these processes, which have ended, and the logs that node writes with them,
// if its working directory was ours.
void remove_perf_maps(std::span<const std::uint32_t> pids);

}  // namespace tcpdwell
