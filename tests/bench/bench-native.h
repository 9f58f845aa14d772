/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls that an operation stands for, made on the share itself without
 * a daemon: what no daemon can beat.
 */
#ifndef TESTS_BENCH_BENCH_NATIVE_H
#define TESTS_BENCH_BENCH_NATIVE_H

#include <stdint.h>

#include "tests/bench/bench.h"

/*
 * Runs the operation called like @op in the share for elapsed_ns, one after the
 * other, after a warm-up of warm_up_ns, into an empty result. Uses the tree of
 * bench-tree.c, which some daemon must have made. n_known as in struct bench_config.
 */
void native_run(const char *share_dir, const struct bench_op *op, uint64_t n_known,
		int64_t warm_up_ns, int64_t elapsed_ns, struct bench_result *ret_result);

#endif
