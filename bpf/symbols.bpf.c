// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Addresses of kernel functions if /proc/kallsyms hides them. A separate object, because the
 * programs are rarely needed, and never both.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "tcpdwell/wire.h"

static __always_inline bool is_text(char type)
{
	return type == 't' || type == 'T' || type == 'w' || type == 'W';
}

/* Prints the lines of /proc/kallsyms, from the same walk (kallsyms_op). That file hides addresses
 * only when it prints them (kallsyms_show_value()). */
SEC("?iter/ksym")
int list_symbols(struct bpf_iter__ksym *ctx)
{
	struct kallsym_iter *symbol = ctx->ksym;

	if (symbol && is_text(symbol->type))
		BPF_SEQ_PRINTF(ctx->meta->seq, "%llx %c %s\n", symbol->value, symbol->type,
			       symbol->name);
	return 0;
}

static __always_inline void write_handler(struct seq_file *seq, __u32 kind, const void *function)
{
	struct tcpdwell_handler out = {.function = (__u64)function, .kind = kind};

	bpf_seq_write(seq, &out, sizeof(out));
}

/* The timers of a minisock and of a request contain the address of their function
 * (inet_twsk_alloc(), reqsk_queue_hash_req()). The caller chooses the namespace to walk. */
SEC("?iter/tcp")
int list_handlers(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	const struct tcp_timewait_sock *tw;
	const struct tcp_request_sock *req;

	if (!skc)
		return 0;
	tw = bpf_skc_to_tcp_timewait_sock(skc);
	if (tw)
		write_handler(ctx->meta->seq, TCPDWELL_MINISOCK, tw->tw_sk.tw_timer.function);
	req = bpf_skc_to_tcp_request_sock(skc);
	if (req)
		write_handler(ctx->meta->seq, TCPDWELL_REQUEST_SOCK,
			      req->req.req.rsk_timer.function);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
