/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files and directories.
 */
#include "fuse/passthrough/handle-table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

size_t htab_section_bytes(uint32_t n_max)
{
	return sizeof(struct slot_section) + (size_t)n_max * sizeof(struct handle_slot);
}

static uint32_t slot_index(const struct handle_table *table, const struct handle_slot *slot)
{
	return (uint32_t)(slot - table->slots);
}

pthread_mutex_t *htab_dir_lock(struct handle_table *table, const struct handle_slot *slot)
{
	return &table->locks[slot_index(table, slot)];
}

static void destroy_slot(struct handle_table *table, struct handle_slot *slot)
{
	uint32_t index = slot_index(table, slot);

	if (slot->kind == HANDLE_DIR)
		pthread_mutex_destroy(&table->locks[index]);
	fd_close(&slot->fd);
	fd_budget_give(table->budget);
	slot_retire(&slot->word);
	slot_pool_give(&table->pool, index);
}

/* A slot no other process or thread works on. */
static void adopt_slot(struct handle_table *table, uint32_t index)
{
	struct handle_slot *slot = &table->slots[index];

	if (slot->kind == HANDLE_DIR)
		pthread_mutex_init(&table->locks[index], NULL);
	/* A reader may have ended before it could write down where it had got to. */
	slot->position = HANDLE_LOST;
	if (slot->word & (SLOT_LIVE | SLOT_PINS))
		(void)fd_budget_take(table->budget);
	if (slot->word & SLOT_LIVE)
		slot->word &= ~SLOT_PINS;
	else if (slot->word & SLOT_PINS)
		destroy_slot(table, slot);
	else
		slot_pool_give(&table->pool, index);
}

int htab_init(struct handle_table *table, void *section, uint32_t n_max, struct fd_budget *budget)
{
	int r;

	memset(table, 0, sizeof(*table));
	table->slots = (struct handle_slot *)((struct slot_section *)section + 1);
	table->budget = budget;
	r = slot_pool_init(&table->pool, section, n_max);
	if (r < 0)
		return r;
	table->locks = calloc(n_max, sizeof(*table->locks));
	if (!table->locks) {
		slot_pool_deinit(&table->pool);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < slot_pool_used(&table->pool); i++)
		adopt_slot(table, i);
	return 0;
}

void htab_deinit(struct handle_table *table)
{
	slot_pool_deinit(&table->pool);
	free_ptr(&table->locks);
}

int htab_add(struct handle_table *table, const struct handle_new *new_handle, uint64_t *ret_fh)
{
	cleanup_fd int fd = new_handle->fd;
	uint32_t index = slot_pool_take(&table->pool);
	struct handle_slot *slot;
	uint64_t generation;

	if (index == SLOT_NONE) {
		fd_budget_give(table->budget);
		return -ENFILE;
	}
	slot = &table->slots[index];
	generation = slot_generation(__atomic_load_n(&slot->word, __ATOMIC_RELAXED));
	__atomic_store_n(&slot->nodeid, new_handle->nodeid, __ATOMIC_RELAXED);
	slot->position = 0;
	slot->fd = take_fd(&fd);
	slot->kind = (uint8_t)new_handle->kind;
	slot->flags = new_handle->flags;
	slot->backing = new_handle->backing;
	__atomic_store_n(&slot->no_nowait, 0, __ATOMIC_RELAXED);
	if (slot->kind == HANDLE_DIR)
		pthread_mutex_init(&table->locks[index], NULL);
	slot_publish(&slot->word, 0);
	*ret_fh = (generation << 32) | index;
	return 0;
}

struct handle_slot *htab_get(struct handle_table *table, uint64_t fh, enum handle_kind kind)
{
	uint32_t index = (uint32_t)fh;
	struct handle_slot *slot;

	if (index >= slot_pool_used(&table->pool))
		return NULL;
	slot = &table->slots[index];
	if (!slot_pin(&slot->word, (uint32_t)(fh >> 32)))
		return NULL;
	if (slot->kind == kind)
		return slot;
	htab_put(table, slot);
	return NULL;
}

struct handle_slot *htab_find(struct handle_table *table, uint64_t nodeid)
{
	uint32_t n = slot_pool_used(&table->pool);

	for (uint32_t i = 0; i < n; i++) {
		struct handle_slot *slot = &table->slots[i];
		uint64_t word = __atomic_load_n(&slot->word, __ATOMIC_RELAXED);

		/* A glance first: the slot may become another handle until it is pinned. */
		if (__atomic_load_n(&slot->nodeid, __ATOMIC_RELAXED) != nodeid ||
		    !slot_pin(&slot->word, slot_generation(word)))
			continue;
		if (slot->nodeid == nodeid)
			return slot;
		htab_put(table, slot);
	}
	return NULL;
}

void htab_put(struct handle_table *table, struct handle_slot *slot)
{
	if (slot_unpin(&slot->word))
		destroy_slot(table, slot);
}

int htab_release(struct handle_slot *slot)
{
	return slot_kill(&slot->word) ? 0 : -EBADF;
}

void htab_release_all(struct handle_table *table)
{
	uint32_t n = slot_pool_used(&table->pool);

	for (uint32_t i = 0; i < n; i++) {
		struct handle_slot *slot = &table->slots[i];
		uint64_t word = __atomic_load_n(&slot->word, __ATOMIC_RELAXED);

		if (!slot_pin(&slot->word, slot_generation(word)))
			continue;
		(void)htab_release(slot); /* a RELEASE in the same moment is as good */
		htab_put(table, slot);
	}
}
