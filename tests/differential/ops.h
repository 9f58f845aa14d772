/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The random operations: each makes its choices, runs on both sides, compares, and keeps the
 * world's tables right. One that finds nothing to work on does nothing.
 */
#ifndef TESTS_DIFFERENTIAL_OPS_H
#define TESTS_DIFFERENTIAL_OPS_H

#include "tests/differential/world.h"

struct world_op {
	void (*run)(struct world *w);
	unsigned int weight;
};

/* Terminated by a row without function. */
extern const struct world_op world_ops_names[];
extern const struct world_op world_ops_files[];
extern const struct world_op world_ops_meta[];
extern const struct world_op world_ops_dirs[];
extern const struct world_op world_ops_xattr[];
extern const struct world_op world_ops_acl[];
extern const struct world_op world_ops_ioctl[];
extern const struct world_op world_ops_locks[];

/* One operation by weight. */
void world_step(struct world *w);

#endif
