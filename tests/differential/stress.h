/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many clients changing the same names and files at once.
 */
#ifndef TESTS_DIFFERENTIAL_STRESS_H
#define TESTS_DIFFERENTIAL_STRESS_H

#include "tests/component/fixture.h"

/* What everybody names everything. */
#define STRESS_NAMES 6
extern const char *const stress_names[STRESS_NAMES];

struct stress;

/* Processes of the host change the tree too: a node may have gone while somebody asks for it. */
#define STRESS_HOSTED 1u
/* The daemon may run out of descriptors. */
#define STRESS_SCARCE 2u

/* One client of many; one thread each. */
struct stress *stress_new(struct fuse_client *client, uint64_t seed, unsigned int flags);
/*
 * @n_ops random operations below the root. Every answer must be one that such a race can bring: a
 * node that is looked up is never stale unless the host has a hand in it, a handle that is open is
 * never bad. Dies on anything else.
 */
void stress_run(struct stress *s, unsigned long n_ops);
/* How many operations did anything. */
unsigned long stress_n_done(const struct stress *s);
/* Gives all nodes and handles back. */
void stress_free(struct stress *s);

#endif
