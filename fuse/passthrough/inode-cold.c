/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Known inodes that lose their descriptor and get it back: the clock, and the steps between warm
 * and cold.
 *
 * The clock goes around the slots. Whoever was used since it came by last is spared, a directory
 * several times. Its bits mark the warm inodes that may become cold, so that it passes all others,
 * 64 with one look. Several threads may push the hand; what they do to it at once is of no harm.
 */
#include <stddef.h>
#include <sys/stat.h>

#include "base/util.h"
#include "fuse/passthrough/inode-table-internal.h"

/* ---- The clock ---- */

uint64_t itab_clock_rounds(const struct inode_table *table)
{
	return (uint64_t)slot_pool_used(&table->pool) * 5;
}

/* The first bit set from `from` on, or n. */
static uint32_t next_bit(const struct inode_table *table, uint32_t from, uint32_t n)
{
	uint64_t mask = ~UINT64_C(0) << from % 64;

	for (uint32_t at = from / 64; at * UINT64_C(64) < n; at++) {
		uint64_t bits = __atomic_load_n(&table->clock[at], __ATOMIC_RELAXED) & mask;

		if (bits)
			return MIN(at * 64 + (uint32_t)__builtin_ctzll(bits), n);
		mask = ~UINT64_C(0);
	}
	return n;
}

/* Spared once more, or not warm, or in use: nothing for now. */
static bool may_cool(struct inode_slot *slot)
{
	uint64_t word = __atomic_load_n(&slot->word, __ATOMIC_RELAXED);
	uint8_t used = __atomic_load_n(&slot->used, __ATOMIC_RELAXED);

	if (!(word & SLOT_LIVE) || word & (SLOT_COLD | SLOT_PINS))
		return false;
	if (used) {
		__atomic_store_n(&slot->used, used - 1, __ATOMIC_RELAXED);
		return false;
	}
	return slot_pin(&slot->word, slot_generation(word));
}

struct inode_slot *itab_clock_next(struct inode_table *table, uint64_t *left)
{
	while (*left) {
		uint32_t n = slot_pool_used(&table->pool);
		uint32_t from = __atomic_load_n(&table->hand, __ATOMIC_RELAXED);
		uint32_t at;

		if (from >= n)
			from = 0;
		at = next_bit(table, from, n);
		__atomic_store_n(&table->hand, at + 1, __ATOMIC_RELAXED);
		*left -= MIN(*left, (uint64_t)(at - from) + 1);
		if (at < n && may_cool(&table->slots[at]))
			return &table->slots[at];
	}
	return NULL;
}

void itab_keep_warm(struct inode_table *table, struct inode_slot *slot)
{
	itab_clock_unset(table, itab_index(table, slot));
}

/* ---- Keys ---- */

void itab_put_key(struct inode_table *table, struct inode_slot *slot,
		  const struct inode_handle *handle, const struct inode_name *name)
{
	uint32_t old = slot->key;
	struct inode_key key;
	uint32_t number;

	key_store_get(&table->keys, old, &key);
	if (handle)
		key.handle = *handle;
	if (name)
		key.name = *name;
	number = key_store_put(&table->keys, &key);
	if (number == KEY_NONE)
		return; /* the old key may still lead to it */
	/* A successor finds the one or the other. */
	__atomic_store_n(&slot->key, number, __ATOMIC_RELEASE);
	key_store_drop(&table->keys, old);
}

void itab_copy_key(struct inode_table *table, struct inode_slot *slot, struct inode_seen *ret_seen,
		   struct inode_key *ret_key)
{
	scoped_lock(itab_lock_of(table, slot));
	*ret_seen = (struct inode_seen){
		.id = slot->id,
		.birth = slot->birth,
		.type = slot->type,
		.unsteady = slot->flags & INODE_ALIASES && slot->type == S_IFDIR,
	};
	key_store_get(&table->keys, slot->key, ret_key);
}

void itab_set_birth(struct inode_table *table, struct inode_slot *slot, uint64_t birth)
{
	scoped_lock(itab_lock_of(table, slot));
	slot->birth = birth;
}

void itab_set_handle(struct inode_table *table, struct inode_slot *slot,
		     const struct inode_handle *handle)
{
	scoped_lock(itab_lock_of(table, slot));
	itab_put_key(table, slot, handle, NULL);
}

void itab_set_name(struct inode_table *table, struct inode_slot *slot,
		   const struct inode_name *name)
{
	scoped_lock(itab_lock_of(table, slot));
	itab_put_key(table, slot, NULL, name);
	if (slot->fd >= 0 && itab_index(table, slot))
		itab_clock_set(table, itab_index(table, slot));
}

/* ---- Warm and cold ---- */

static bool cool_locked(struct inode_table *table, struct inode_slot *slot, uint16_t holds,
			int *ret_fd)
{
	scoped_lock(itab_lock_of(table, slot));
	if (slot->key == KEY_NONE || !slot_cool(&slot->word))
		return false;
	/* A name went in between, perhaps the last: whoever removed it has let go by now. */
	if (inode_holds(slot) != holds) {
		slot_warm(&slot->word);
		return false;
	}
	*ret_fd = slot->fd;
	slot->fd = -1;
	itab_clock_unset(table, itab_index(table, slot));
	return true;
}

bool itab_cool(struct inode_table *table, struct inode_slot *slot, uint16_t holds)
{
	int fd;

	if (!cool_locked(table, slot, holds, &fd))
		return false;
	itab_close(table, fd);
	return true;
}

struct itab_rest itab_warm_locked(struct inode_table *table, struct inode_slot *slot, int fd)
{
	struct itab_rest rest = ITAB_REST_NONE;

	if (!inode_is_cold(slot)) {
		rest.fd = fd;
		return rest;
	}
	slot->fd = fd;
	itab_clock_set(table, itab_index(table, slot));
	inode_touch(slot);
	slot_warm(&slot->word);
	rest.has_mount = key_store_has_handle(&table->keys, slot->key);
	rest.mnt_id = slot->id.mnt_id;
	return rest;
}

static struct itab_rest lock_and_warm(struct inode_table *table, struct inode_slot *slot, int fd)
{
	scoped_lock(itab_lock_of(table, slot));
	return itab_warm_locked(table, slot, fd);
}

void itab_warm(struct inode_table *table, struct inode_slot *slot, int fd)
{
	struct itab_rest rest = lock_and_warm(table, slot, fd);

	itab_finish(table, &rest);
}
