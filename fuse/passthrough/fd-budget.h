/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many descriptors the guest makes us hold: known inodes and open files together. Whoever
 * stores a descriptor in a table has charged for it before; the table gives the charge back when it
 * closes the descriptor. All threads.
 */
#ifndef FUSE_PASSTHROUGH_FD_BUDGET_H
#define FUSE_PASSTHROUGH_FD_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct fd_budget {
	uint32_t max;
	uint32_t n_used; /* atomic; above max for a moment at most */
};

/* Charges for one descriptor. False: over the limit now, make room or give the charge back. */
static inline bool fd_budget_take(struct fd_budget *budget)
{
	return __atomic_fetch_add(&budget->n_used, 1, __ATOMIC_RELAXED) < budget->max;
}

static inline void fd_budget_give(struct fd_budget *budget)
{
	__atomic_fetch_sub(&budget->n_used, 1, __ATOMIC_RELAXED);
}

/* Close enough to the limit that inodes may soon lose their descriptors. */
static inline bool fd_budget_is_tight(const struct fd_budget *budget)
{
	return __atomic_load_n(&budget->n_used, __ATOMIC_RELAXED) >= budget->max / 4 * 3;
}

#endif
