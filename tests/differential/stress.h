/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many clients changing the same names and files at once.
 */
#ifndef TESTS_DIFFERENTIAL_STRESS_H
#define TESTS_DIFFERENTIAL_STRESS_H

#include "tests/component/fixture.h"

/*
 * @n_ops random operations below the root. Every answer must be one that such a race can bring:
 * a node that is looked up is never stale, a handle that is open is never bad. Gives everything
 * back at the end. Dies on anything else. One thread per client.
 */
void stress_run(struct fuse_client *client, uint64_t seed, unsigned long n_ops);

#endif
