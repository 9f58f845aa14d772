/* SPDX-License-Identifier: Apache-2.0 */
/* A benchmark session: one connection, one operation, a lane per queue. */
#include "tests/bench/bench.h"

#include <string.h>

#include "base/cleanup.h"
#include "tests/lib/bounded.h"
#include "tests/lib/fuse-calls.h"

/* What lies around the slots of all lanes, rings included. */
#define MEMORY_BYTES (64u << 20)
#define SMALL_BYTES  (32u << 10) /* of a slot without its data */

static const struct bench_op *find_in(const struct bench_op *ops, const char *name)
{
	for (const struct bench_op *op = ops; op->name; op++)
		if (!strcmp(op->name, name))
			return op;
	return NULL;
}

const struct bench_op *bench_op_find(const char *name)
{
	const struct bench_op *op = find_in(bench_ops, name);

	return op ? op : find_in(bench_io_ops, name);
}

static void start_vmm(struct bench *bench)
{
	const struct bench_config *config = &bench->config;
	size_t slot_bytes = SMALL_BYTES + config->data_bytes;
	struct vmm_config vmm = {
		.n_request_queues = MAX(config->n_queues, bench->n_lanes),
		.memory_bytes = MEMORY_BYTES + bench->n_lanes * config->depth * slot_bytes,
	};

	vmm_start(&bench->vmm, config->socket_path, -1, &vmm);
}

static void start_lane(struct bench *bench, unsigned int i)
{
	struct bench_lane *lane = &bench->lanes[i];
	struct fuse_client_config client = {
		.queue = i + 1,
		.depth = bench->config.depth,
		.data_bytes = bench->config.data_bytes,
		.spin_ns = bench->config.spin_ns,
	};

	*lane = (struct bench_lane){
		.bench = bench, .index = i, .op = bench->config.op, .host_fd = -1
	};
	fuse_client_init(&lane->client, &bench->vmm, &client);
	if (i == 0) {
		int result = fuse_init_default(&lane->client);

		if (result)
			test_die("INIT: %s", strerror(-result));
	} else {
		lane->client.init = bench->lanes[0].client.init;
		lane->client.init_flags = bench->lanes[0].client.init_flags;
	}
	if (lane->op->setup)
		lane->op->setup(lane);
}

struct bench *bench_start(const struct bench_config *config)
{
	struct bench *bench;

	if (!config->depth || config->depth > BENCH_MAX_DEPTH || config->n_lanes > BENCH_MAX_LANES)
		test_die("%u queues of depth %u are out of range", config->n_lanes, config->depth);
	bench = g_new0(struct bench, 1);
	bench->config = *config;
	bench->config.data_bytes = MAX(config->data_bytes, config->op->data_bytes);
	bench->op = config->op;
	bench->n_lanes = MAX(config->n_lanes, 1);
	bench->lanes = g_new0(struct bench_lane, bench->n_lanes);
	start_vmm(bench);
	for (unsigned int i = 0; i < bench->n_lanes; i++)
		start_lane(bench, i);
	bench_start_threads(bench);
	return bench;
}

void bench_switch(struct bench *bench, const struct bench_op *op)
{
	if (op->data_bytes > bench->config.data_bytes)
		test_die("%s moves more than there is room for", op->name);
	bench->op = op;
	for (unsigned int i = 0; i < bench->n_lanes; i++) {
		bench->lanes[i].op = op;
		if (op->setup)
			op->setup(&bench->lanes[i]);
	}
	bench_clear(bench);
}

void bench_stop(struct bench *bench)
{
	bench_stop_threads(bench);
	vmm_stop(&bench->vmm);
	for (unsigned int i = 0; i < bench->n_lanes; i++) {
		fd_close(&bench->lanes[i].host_fd);
		fuse_client_deinit(&bench->lanes[i].client);
	}
	g_free(bench->lanes);
	g_free(bench);
}
