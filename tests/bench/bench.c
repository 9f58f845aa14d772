/* SPDX-License-Identifier: Apache-2.0 */
/* A benchmark session: one connection, one operation, one depth. */
#include "tests/bench/bench.h"

#include <glib.h>
#include <string.h>

#include "tests/lib/bounded.h"
#include "tests/lib/fuse-calls.h"

#define MEMORY_BYTES (96u << 20) /* 32 slots of 1 MiB and what lies around them */

const struct bench_op *bench_op_find(const char *name)
{
	for (const struct bench_op *op = bench_ops; op->name; op++)
		if (!strcmp(op->name, name))
			return op;
	return NULL;
}

struct bench *bench_start(const char *socket_path, const struct bench_op *op, unsigned int depth,
			  int64_t spin_ns)
{
	struct vmm_config vmm = { .memory_bytes = MEMORY_BYTES };
	struct fuse_client_config client = {
		.queue = 1,
		.depth = depth,
		.data_bytes = op->data_bytes,
		.spin_ns = spin_ns,
	};
	struct bench *bench;
	int result;

	if (!depth || depth > BENCH_MAX_DEPTH)
		test_die("depth %u is not in 1..%d", depth, BENCH_MAX_DEPTH);
	bench = g_new0(struct bench, 1);
	bench->op = op;
	bench->depth = depth;
	vmm_start(&bench->vmm, socket_path, -1, &vmm);
	fuse_client_init(&bench->client, &bench->vmm, &client);
	result = fuse_init_default(&bench->client);
	if (result)
		test_die("INIT: %s", strerror(-result));
	if (op->setup)
		op->setup(bench);
	return bench;
}

void bench_stop(struct bench *bench)
{
	vmm_stop(&bench->vmm);
	fuse_client_deinit(&bench->client);
	g_free(bench);
}
