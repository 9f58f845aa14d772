/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Known inodes that a predecessor left in the arena, wherever it was when it died.
 *
 * Every step of a slot's life is made such that what is found in between can be told: a slot is
 * filled before it is live, a descriptor is out of its slot before it is closed, and a new key is
 * complete before the old one goes. So what is live is whole, but for
 *
 *	- pins, which nobody has any more,
 *	- a count of lookups that is 0: the inode was being forgotten, and is,
 *	- the cold bit of a slot that has its descriptor still, or again: it is warm.
 *
 * What is not live is free. Its generation moves on in any case: the one who was about to do that
 * may not have come to it, and an id that the guest has given back must not be given out again.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "fuse/passthrough/inode-index.h"
#include "fuse/passthrough/inode-table-internal.h"

static bool has_fd(const struct inode_slot *slot)
{
	return slot->word & (SLOT_LIVE | SLOT_PINS) && slot->fd >= 0;
}

void itab_sections_each_fd(const void *section, const struct inode_fds *fds,
			   void (*fn)(void *arg, int fd), void *arg)
{
	const struct slot_section *head = section;
	const struct inode_slot *slots = (const struct inode_slot *)(head + 1);

	for (uint32_t i = 0; i < head->n_used; i++)
		if (has_fd(&slots[i]))
			fn(arg, slots[i].fd);
	for (unsigned int i = 0; i < MOUNT_FDS_MAX; i++)
		if (fds->mount[i].n_users)
			fn(arg, fds->mount[i].fd);
	if (fds->inotify)
		fn(arg, fds->inotify - 1);
}

static void free_slot(struct inode_table *table, struct inode_slot *slot)
{
	/* Dead, but its last user ended before it could be torn down: it has its descriptor. */
	if (!has_fd(slot))
		slot->fd = -1;
	if (alias_is_watch(slot->id.dev, slot->id.ino) && slot->word & (SLOT_LIVE | SLOT_PINS))
		alias_unwatch(&table->aliases, slot->id.ino);
	slot->word &= ~(SLOT_LIVE | SLOT_PINS | SLOT_COLD);
	slot->key = KEY_NONE; /* its cells are freed as unclaimed */
	itab_destroy(table, slot);
}

static void adopt_live(struct inode_table *table, struct inode_slot *slot)
{
	slot->word &= ~SLOT_PINS;
	if (slot->fd >= 0)
		slot->word &= ~SLOT_COLD;
	else
		table->adopted_cold = true;
	if (slot->id.dev == INODE_ALIAS_DEV)
		alias_adopt(&table->aliases, slot->id.ino);
	chain_add(table, hash_of(table, &slot->id), itab_index(table, slot));
	if (itab_index(table, slot) && slot->fd >= 0)
		itab_clock_set(table, itab_index(table, slot));
}

static bool is_known(const struct inode_slot *slot)
{
	return slot->word & SLOT_LIVE && slot->n_lookup;
}

/*
 * Cold ones first: where the number of one went to another file, that is found before it, and only
 * one that is cold can have such a double.
 */
static void adopt_slots(struct inode_table *table)
{
	uint32_t n = slot_pool_used(&table->pool);

	for (uint32_t i = 0; i < n; i++) {
		struct inode_slot *slot = &table->slots[i];

		if (has_fd(slot))
			(void)fd_budget_take(table->budget);
		if (is_known(slot) && slot->fd < 0)
			adopt_live(table, slot);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct inode_slot *slot = &table->slots[i];

		if (is_known(slot) && slot->fd >= 0)
			adopt_live(table, slot);
		else if (!is_known(slot) && (i || slot->word))
			free_slot(table, slot);
	}
}

static int adopt_keys(struct inode_table *table)
{
	uint32_t n_cells_used = key_store_n_used(&table->keys);
	cleanup_free uint8_t *claims = NULL;

	if (!n_cells_used)
		return 0;
	claims = calloc(n_cells_used, 1);
	if (!claims)
		return -ENOMEM;
	for (uint32_t i = 0; i < slot_pool_used(&table->pool); i++) {
		struct inode_slot *slot = &table->slots[i];

		if (!(slot->word & SLOT_LIVE) || !key_store_claim(&table->keys, slot->key, claims))
			slot->key = KEY_NONE;
	}
	key_store_free_unclaimed(&table->keys, claims);
	return 0;
}

/* A cold inode with a handle is what keeps the descriptor of its mount. */
static void adopt_mounts(struct inode_table *table)
{
	for (uint32_t i = 0; i < slot_pool_used(&table->pool); i++) {
		const struct inode_slot *slot = &table->slots[i];

		if (slot->word & SLOT_LIVE && slot->fd < 0 &&
		    key_store_has_handle(&table->keys, slot->key))
			(void)mount_fds_get(&table->mounts, slot->id.mnt_id);
	}
	mount_fds_adopted(&table->mounts);
}

int itab_adopt(struct inode_table *table)
{
	int r;

	/* The root's slot comes first and is never given away. */
	if (!table->pool.section->n_used)
		table->pool.section->n_used = 1;
	adopt_slots(table);
	r = adopt_keys(table);
	if (r == 0)
		adopt_mounts(table);
	return r;
}
