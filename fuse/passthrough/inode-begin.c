/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a table of inodes begins and ends.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "fuse/passthrough/inode-index.h"
#include "fuse/passthrough/inode-table-internal.h"

#define MAX_BUCKETS    (1u << 20)

/* Most keys take one cell, many two. */
#define CELLS_PER_SLOT 2u

size_t itab_section_bytes(uint32_t n_max)
{
	return sizeof(struct slot_section) + (size_t)n_max * sizeof(struct inode_slot);
}

static uint32_t n_cells(uint32_t n_max)
{
	return (uint32_t)MIN((uint64_t)n_max * CELLS_PER_SLOT, (uint64_t)UINT32_MAX - 1);
}

size_t itab_key_section_bytes(uint32_t n_max)
{
	return key_store_section_bytes(n_cells(n_max));
}

static int init_index(struct inode_table *table, uint32_t n_max)
{
	uint32_t n = ITAB_N_SHARDS;

	while (n < n_max && n < MAX_BUCKETS)
		n *= 2;
	table->bucket_mask = n - 1;
	while (table->entry_mask < n_max)
		table->entry_mask = table->entry_mask * 2 + 1;
	table->bucket = calloc(n, sizeof(*table->bucket));
	if (!table->bucket)
		return -ENOMEM;
	/* Without it a guest could choose inode numbers that share a chain. */
	if (getrandom(&table->seed, sizeof(table->seed), GRND_NONBLOCK) < 0)
		table->seed = (uint64_t)(uintptr_t)table->bucket;
	for (uint32_t i = 0; i < ITAB_N_SHARDS; i++)
		pthread_mutex_init(&table->shard[i].lock, NULL);
	return 0;
}

static int init_derived(struct inode_table *table, const struct inode_table_memory *memory)
{
	uint32_t n_max = memory->n_max;
	int r = slot_pool_init(&table->pool, memory->section, n_max);

	if (r == 0)
		r = key_store_init(&table->keys, memory->key_section, n_cells(n_max));
	if (r == 0)
		r = init_index(table, n_max);
	if (r < 0)
		return r;
	table->clock = calloc(n_max / 64 + 1, sizeof(*table->clock));
	return table->clock ? 0 : -ENOMEM;
}

int itab_init(struct inode_table *table, const struct inode_table_memory *memory,
	      struct fd_budget *budget)
{
	int r;

	memset(table, 0, sizeof(*table));
	table->slots = (struct inode_slot *)((struct slot_section *)memory->section + 1);
	table->budget = budget;
	mount_fds_init(&table->mounts, memory->fds->mount);
	alias_init(&table->aliases, &memory->fds->inotify);
	r = init_derived(table, memory);
	if (r == 0)
		r = itab_adopt(table);
	if (r < 0)
		itab_deinit(table);
	return r;
}

void itab_deinit(struct inode_table *table)
{
	slot_pool_deinit(&table->pool);
	key_store_deinit(&table->keys);
	mount_fds_deinit(&table->mounts);
	alias_deinit(&table->aliases);
	free_ptr(&table->bucket);
	free_ptr(&table->clock);
}
