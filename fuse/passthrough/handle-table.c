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

uint32_t htab_index(const struct handle_table *table, const struct handle_slot *slot)
{
	return (uint32_t)(slot - table->slots);
}

pthread_mutex_t *htab_dir_lock(struct handle_table *table, const struct handle_slot *slot)
{
	return &table->locks[htab_index(table, slot)];
}

static void destroy_slot(struct handle_table *table, struct handle_slot *slot)
{
	uint32_t index = htab_index(table, slot);

	if (slot->kind == HANDLE_DIR)
		pthread_mutex_destroy(&table->locks[index]);
	if (slot->flags & HANDLE_IMPLICIT)
		__atomic_fetch_sub(&table->n_implicit, 1, __ATOMIC_RELAXED);
	fd_close(&slot->fd);
	fd_budget_give(table->budget);
	slot_retire(&slot->word);
	slot_pool_give(&table->pool, index);
}

void htab_section_each_fd(const void *section, void (*fn)(void *arg, int fd), void *arg)
{
	const struct slot_section *head = section;
	const struct handle_slot *slots = (const struct handle_slot *)(head + 1);

	for (uint32_t i = 0; i < head->n_used; i++)
		if (slots[i].word & (SLOT_LIVE | SLOT_PINS))
			fn(arg, slots[i].fd);
}

/*
 * A slot no other process or thread works on. What is live is whole, but its user may have ended
 * anywhere. What is dead but pinned has its descriptor still. What is neither may have been on its
 * way to be free, or to be filled: its generation moves on, so that no fh is ever given out twice.
 */
static void adopt_slot(struct handle_table *table, uint32_t index)
{
	struct handle_slot *slot = &table->slots[index];

	if (slot->kind == HANDLE_DIR)
		pthread_mutex_init(&table->locks[index], NULL);
	/* A reader may have ended before it could write down where it had got to. */
	slot->position = HANDLE_LOST;
	if (slot->word & (SLOT_LIVE | SLOT_PINS)) {
		(void)fd_budget_take(table->budget);
		table->n_implicit += slot->flags & HANDLE_IMPLICIT ? 1 : 0;
	}
	if (slot->word & SLOT_LIVE) {
		slot->word &= ~SLOT_PINS;
	} else if (slot->word & SLOT_PINS) {
		destroy_slot(table, slot);
	} else {
		/* Perhaps cut short while it was filled or torn down: that fh is not used again. */
		slot_retire(&slot->word);
		slot_pool_give(&table->pool, index);
	}
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

uint32_t htab_reserve(struct handle_table *table)
{
	return slot_pool_take(&table->pool) + 1; /* SLOT_NONE becomes 0 */
}

void htab_unreserve(struct handle_table *table, uint32_t reserved)
{
	slot_pool_give(&table->pool, reserved - 1);
}

static int add(struct handle_table *table, const struct handle_new *new_handle, uint64_t n_pins,
	       uint64_t *ret_fh)
{
	cleanup_fd int fd = new_handle->fd;
	uint32_t reserved = new_handle->reserved ? new_handle->reserved : htab_reserve(table);
	uint32_t index = reserved - 1;
	struct handle_slot *slot;
	uint64_t generation;

	if (!reserved) {
		fd_budget_give(table->budget);
		return -ENFILE;
	}
	slot = &table->slots[index];
	generation = slot_generation(__atomic_load_n(&slot->word, __ATOMIC_RELAXED));
	__atomic_store_n(&slot->nodeid, new_handle->nodeid, __ATOMIC_RELAXED);
	slot->position = 0;
	slot->listing = 0;
	slot->fd = take_fd(&fd);
	slot->kind = (uint8_t)new_handle->kind;
	slot->flags = new_handle->flags;
	slot->backing = new_handle->backing;
	__atomic_store_n(&slot->no_nowait, new_handle->no_nowait, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->used, HANDLE_ROUNDS, __ATOMIC_RELAXED);
	if (slot->kind == HANDLE_DIR)
		pthread_mutex_init(&table->locks[index], NULL);
	if (slot->flags & HANDLE_IMPLICIT)
		__atomic_fetch_add(&table->n_implicit, 1, __ATOMIC_RELAXED);
	*ret_fh = (generation << 32) | (index + 1);
	if (new_handle->note)
		__atomic_store_n(new_handle->note, *ret_fh, __ATOMIC_RELEASE);
	slot_publish(&slot->word, n_pins);
	return 0;
}

int htab_add(struct handle_table *table, const struct handle_new *new_handle, uint64_t *ret_fh)
{
	return add(table, new_handle, 0, ret_fh);
}

int htab_add_pinned(struct handle_table *table, const struct handle_new *new_handle,
		    struct handle_slot **ret_slot)
{
	uint64_t fh;
	int r = add(table, new_handle, 1, &fh);

	if (r == 0)
		*ret_slot = &table->slots[(uint32_t)fh - 1];
	return r;
}

struct handle_slot *htab_get(struct handle_table *table, uint64_t fh, enum handle_kind kind)
{
	uint32_t index = (uint32_t)fh - 1; /* 0 becomes the largest and is unknown */
	struct handle_slot *slot;

	if (index >= slot_pool_used(&table->pool))
		return NULL;
	slot = &table->slots[index];
	if (!slot_pin(&slot->word, (uint32_t)(fh >> 32)))
		return NULL;
	/* The guest was never told the number of an implicit handle: it has made it up. */
	if (slot->kind == kind && !(slot->flags & HANDLE_IMPLICIT))
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

/* ---- Implicit handles ---- */

struct handle_slot *htab_get_implicit(struct handle_table *table, uint32_t index, uint64_t nodeid)
{
	struct handle_slot *slot;

	if (index >= slot_pool_used(&table->pool))
		return NULL;
	slot = &table->slots[index];
	if (!slot_pin(&slot->word, slot_generation(__atomic_load_n(&slot->word, __ATOMIC_RELAXED))))
		return NULL;
	if (slot->flags & HANDLE_IMPLICIT && slot->nodeid == nodeid)
		return slot;
	htab_put(table, slot);
	return NULL;
}

uint64_t htab_clock_rounds(const struct handle_table *table)
{
	return (uint64_t)slot_pool_used(&table->pool) * (HANDLE_ROUNDS + 1);
}

/* Pinned only if it is idle; whether it may be closed is known then. */
static bool may_close(struct handle_table *table, struct handle_slot *slot)
{
	uint64_t word = __atomic_load_n(&slot->word, __ATOMIC_RELAXED);
	uint8_t used;

	if (!(word & SLOT_LIVE) || word & SLOT_PINS ||
	    !slot_pin(&slot->word, slot_generation(word)))
		return false;
	used = __atomic_load_n(&slot->used, __ATOMIC_RELAXED);
	if (slot->flags & HANDLE_IMPLICIT && !used)
		return true;
	if (used)
		__atomic_store_n(&slot->used, used - 1, __ATOMIC_RELAXED);
	htab_put(table, slot);
	return false;
}

struct handle_slot *htab_clock_next(struct handle_table *table, uint64_t *left)
{
	while (*left) {
		uint32_t n = slot_pool_used(&table->pool);
		uint32_t at = __atomic_load_n(&table->hand, __ATOMIC_RELAXED);

		if (at >= n)
			at = 0;
		__atomic_store_n(&table->hand, at + 1, __ATOMIC_RELAXED);
		(*left)--;
		if (at < n && may_close(table, &table->slots[at]))
			return &table->slots[at];
	}
	return NULL;
}
