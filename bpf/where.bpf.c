// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The kernel side of --where: a separate object, so that without that option nothing of it is
 * loaded.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "blocked.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
