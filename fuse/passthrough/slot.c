/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of free slots.
 */
#include "fuse/passthrough/slot.h"

#include <errno.h>
#include <stdlib.h>

#include "base/util.h"

int slot_pool_init(struct slot_pool *pool, struct slot_section *section, uint32_t n_max)
{
	*pool = (struct slot_pool){ .section = section, .n_max = n_max };
	pool->link = calloc(n_max, sizeof(*pool->link));
	return pool->link ? 0 : -ENOMEM;
}

void slot_pool_deinit(struct slot_pool *pool)
{
	free(pool->link);
	pool->link = NULL;
}

/* A top that was taken and given back meanwhile differs by its tag. */
static uint64_t next_top(uint64_t old, uint32_t slot_plus_one)
{
	return (((old >> 32) + 1) << 32) | slot_plus_one;
}

static uint32_t take_unused(struct slot_pool *pool)
{
	uint32_t n = __atomic_load_n(&pool->section->n_used, __ATOMIC_RELAXED);

	do {
		if (n >= pool->n_max)
			return SLOT_NONE;
	} while (!__atomic_compare_exchange_n(&pool->section->n_used, &n, n + 1, true,
					      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	return n;
}

uint32_t slot_pool_take(struct slot_pool *pool)
{
	uint64_t top = __atomic_load_n(&pool->top, __ATOMIC_ACQUIRE);

	while ((uint32_t)top) {
		uint32_t slot = (uint32_t)top - 1;
		uint32_t next = __atomic_load_n(&pool->link[slot], __ATOMIC_RELAXED);

		if (__atomic_compare_exchange_n(&pool->top, &top, next_top(top, next), true,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return slot;
	}
	return take_unused(pool);
}

void slot_pool_give(struct slot_pool *pool, uint32_t slot)
{
	uint64_t top = __atomic_load_n(&pool->top, __ATOMIC_RELAXED);

	do {
		__atomic_store_n(&pool->link[slot], (uint32_t)top, __ATOMIC_RELAXED);
	} while (!__atomic_compare_exchange_n(&pool->top, &top, next_top(top, slot + 1), true,
					      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
}
