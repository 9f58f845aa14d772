/* SPDX-License-Identifier: Apache-2.0 */
/* What a family of processes uses: CPU time, memory of its own, wake-ups. */
#ifndef TESTS_BENCH_BENCH_COST_H
#define TESTS_BENCH_BENCH_COST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define COST_MAX_PIDS 16

struct cost {
	pid_t pids[COST_MAX_PIDS];
	size_t n_pids;
};

/* The process @pid and its descendants as they are now. */
void cost_init(struct cost *cost, pid_t pid);
/* CPU time of all their threads so far, those that ended too; nanoseconds. */
int64_t cost_cpu_ns(const struct cost *cost);
/* CPU time of this process. */
int64_t cost_own_cpu_ns(void);
/* Pages that nobody shares with them, in KiB. */
uint64_t cost_private_kib(const struct cost *cost);
/* How often their threads went to sleep by themselves. */
uint64_t cost_wakeups(const struct cost *cost);

#endif
