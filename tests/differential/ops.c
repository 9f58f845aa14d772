/* SPDX-License-Identifier: Apache-2.0 */
/* Chooses the next operation. */
#include "tests/differential/ops.h"

#include "base/util.h"

static const struct world_op *const tables[] = {
	world_ops_names, world_ops_files, world_ops_meta,  world_ops_dirs,
	world_ops_xattr, world_ops_acl,	  world_ops_ioctl, world_ops_locks,
};

static unsigned int total_weight(void)
{
	unsigned int total = 0;

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct world_op *op = tables[i]; op->run; op++)
			total += op->weight;
	return total;
}

static void run_one(struct world *w)
{
	uint64_t place = world_random(w, total_weight());

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		for (const struct world_op *op = tables[i]; op->run; op++) {
			if (place < op->weight) {
				op->run(w);
				return;
			}
			place -= op->weight;
		}
	}
}

void world_step(struct world *w)
{
	w->step++;
	w->has_begun = false;
	while (!w->has_begun)
		run_one(w);
}
