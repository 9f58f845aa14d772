/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Known inodes.
 */
#include "fuse/passthrough/inode-table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/util.h"

#define MAX_BUCKETS (1u << 20)

size_t itab_section_bytes(uint32_t n_max)
{
	return sizeof(struct slot_section) + (size_t)n_max * sizeof(struct inode_slot);
}

/* ---- Index ---- */

static uint64_t mix(uint64_t v)
{
	v ^= v >> 32;
	v *= UINT64_C(0xd6e8feb86659fd93);
	v ^= v >> 32;
	v *= UINT64_C(0xd6e8feb86659fd93);
	return v ^ (v >> 32);
}

static uint32_t bucket_of(const struct inode_table *table, const struct inode_id *id)
{
	uint64_t h = mix(id->ino ^ table->seed);

	return (uint32_t)mix(h ^ id->dev ^ (id->mnt_id << 32)) & table->bucket_mask;
}

static pthread_mutex_t *lock_of(struct inode_table *table, uint32_t bucket)
{
	return &table->shard[bucket % ITAB_N_SHARDS].lock;
}

static bool same_id(const struct inode_id *a, const struct inode_id *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->mnt_id == b->mnt_id;
}

static uint32_t slot_index(const struct inode_table *table, const struct inode_slot *slot)
{
	return (uint32_t)(slot - table->slots);
}

static uint32_t link_of(struct inode_table *table, uint32_t index)
{
	return __atomic_load_n(&table->pool.link[index], __ATOMIC_RELAXED);
}

/* With the shard locked: the live slot of this identity or NULL. */
static struct inode_slot *chain_find(struct inode_table *table, uint32_t bucket,
				     const struct inode_id *id)
{
	for (uint32_t at = table->bucket[bucket]; at; at = link_of(table, at - 1))
		if (same_id(&table->slots[at - 1].id, id))
			return &table->slots[at - 1];
	return NULL;
}

static void chain_add(struct inode_table *table, uint32_t bucket, uint32_t index)
{
	__atomic_store_n(&table->pool.link[index], table->bucket[bucket], __ATOMIC_RELAXED);
	table->bucket[bucket] = index + 1;
}

static void chain_remove(struct inode_table *table, uint32_t bucket, uint32_t index)
{
	uint32_t next = link_of(table, index);
	uint32_t at = table->bucket[bucket];

	if (at == index + 1) {
		table->bucket[bucket] = next;
		return;
	}
	while (at && link_of(table, at - 1) != index + 1)
		at = link_of(table, at - 1);
	if (at)
		__atomic_store_n(&table->pool.link[at - 1], next, __ATOMIC_RELAXED);
}

/* ---- Life ---- */

static void destroy_slot(struct inode_table *table, struct inode_slot *slot)
{
	uint32_t index = slot_index(table, slot);

	fd_close(&slot->fd);
	slot->n_lookup = 0;
	slot_retire(&slot->word);
	if (index) /* the root's slot stays the root's */
		slot_pool_give(&table->pool, index);
}

/* A slot no other process or thread works on: live ones are indexed, all others freed. */
static void adopt_slot(struct inode_table *table, uint32_t index)
{
	struct inode_slot *slot = &table->slots[index];

	if (slot->word & SLOT_LIVE) {
		slot->word &= ~SLOT_PINS;
		chain_add(table, bucket_of(table, &slot->id), index);
		return;
	}
	/* Killed, but its last user ended before it could be torn down. */
	if (slot->word & SLOT_PINS)
		destroy_slot(table, slot);
	else
		slot_pool_give(&table->pool, index);
}

static int init_index(struct inode_table *table, uint32_t n_max)
{
	uint32_t n = ITAB_N_SHARDS;

	while (n < n_max && n < MAX_BUCKETS)
		n *= 2;
	table->bucket_mask = n - 1;
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

int itab_init(struct inode_table *table, void *section, uint32_t n_max)
{
	int r;

	memset(table, 0, sizeof(*table));
	table->slots = (struct inode_slot *)((struct slot_section *)section + 1);
	r = slot_pool_init(&table->pool, section, n_max);
	if (r < 0)
		return r;
	r = init_index(table, n_max);
	if (r < 0) {
		slot_pool_deinit(&table->pool);
		return r;
	}
	/* The root's slot comes first and is never given away. */
	if (!table->pool.section->n_used)
		table->pool.section->n_used = 1;
	if (table->slots[0].word & SLOT_LIVE)
		adopt_slot(table, 0);
	for (uint32_t i = 1; i < slot_pool_used(&table->pool); i++)
		adopt_slot(table, i);
	return 0;
}

void itab_deinit(struct inode_table *table)
{
	slot_pool_deinit(&table->pool);
	free_ptr(&table->bucket);
}

/* With the shard locked. `index` is a slot that only the caller has; it becomes live. */
static void fill_slot(struct inode_table *table, uint32_t bucket, uint32_t index,
		      const struct inode_found *found)
{
	struct inode_slot *slot = &table->slots[index];

	slot->id = found->seen.id;
	slot->birth = found->seen.birth;
	slot->type = found->seen.type;
	slot->n_lookup = 1;
	slot->fd = found->fd;
	slot->backing = found->backing;
	slot->flags = found->flags;
	chain_add(table, bucket, index);
	slot_publish(&slot->word, 0);
}

int itab_set_root(struct inode_table *table, const struct inode_seen *seen, int fd, uint8_t backing)
{
	const struct inode_found found = { .seen = *seen, .fd = fd, .backing = backing };
	uint32_t bucket = bucket_of(table, &seen->id);

	if (table->slots[0].word & SLOT_LIVE) {
		fd_close(&fd);
		return -EEXIST;
	}
	scoped_lock(lock_of(table, bucket));
	table->slots[0].word = 0; /* FS_ROOT_ID has generation 0 for ever */
	fill_slot(table, bucket, 0, &found);
	return 0;
}

/* ---- Keys ---- */

struct inode_slot *itab_get(struct inode_table *table, uint64_t nodeid)
{
	uint32_t index = (uint32_t)nodeid - 1; /* 0 becomes the largest and is unknown */
	struct inode_slot *slot;

	/* Not even looking at slots never used keeps their pages unallocated. */
	if (index >= slot_pool_used(&table->pool))
		return NULL;
	slot = &table->slots[index];
	return slot_pin(&slot->word, (uint32_t)(nodeid >> 32)) ? slot : NULL;
}

void itab_put(struct inode_table *table, struct inode_slot *slot)
{
	if (slot_unpin(&slot->word))
		destroy_slot(table, slot);
}

uint64_t itab_nodeid(const struct inode_table *table, const struct inode_slot *slot)
{
	uint64_t word = __atomic_load_n(&slot->word, __ATOMIC_RELAXED);

	return ((uint64_t)slot_generation(word) << 32) | (slot_index(table, slot) + 1);
}

/* ---- Lookups ---- */

bool itab_probe(struct inode_table *table, const struct inode_id *id)
{
	uint32_t bucket = bucket_of(table, id);

	scoped_lock(lock_of(table, bucket));
	return chain_find(table, bucket, id);
}

uint64_t itab_lookup_known(struct inode_table *table, const struct inode_seen *seen)
{
	uint32_t bucket = bucket_of(table, &seen->id);
	struct inode_slot *slot;

	scoped_lock(lock_of(table, bucket));
	slot = chain_find(table, bucket, &seen->id);
	if (!slot || slot->type != seen->type || slot->birth != seen->birth)
		return 0;
	slot->n_lookup++;
	return itab_nodeid(table, slot);
}

int itab_lookup_found(struct inode_table *table, const struct inode_found *found,
		      uint64_t *ret_nodeid)
{
	uint32_t bucket = bucket_of(table, &found->seen.id);
	cleanup_fd int fd = found->fd;
	struct inode_slot *slot;
	uint32_t index;

	scoped_lock(lock_of(table, bucket));
	slot = chain_find(table, bucket, &found->seen.id);
	if (slot) {
		/* Both descriptors are on the same inode; some file systems change a birth time. */
		slot->birth = found->seen.birth;
		slot->n_lookup++;
		*ret_nodeid = itab_nodeid(table, slot);
		return 1;
	}
	index = slot_pool_take(&table->pool);
	if (index == SLOT_NONE)
		return -ENFILE;
	fill_slot(table, bucket, index, found);
	(void)take_fd(&fd); /* the slot owns it now */
	*ret_nodeid = itab_nodeid(table, &table->slots[index]);
	return 0;
}

int itab_lookup_again(struct inode_table *table, struct inode_slot *slot)
{
	scoped_lock(lock_of(table, bucket_of(table, &slot->id)));
	if (!slot->n_lookup)
		return -ESTALE;
	slot->n_lookup++;
	return 0;
}

/* The slot is pinned, so that it outlives this. */
static void forget_pinned(struct inode_table *table, struct inode_slot *slot, uint64_t n_lookup)
{
	uint32_t bucket = bucket_of(table, &slot->id);

	scoped_lock(lock_of(table, bucket));
	if (!slot->n_lookup)
		return;
	slot->n_lookup -= MIN(n_lookup, slot->n_lookup);
	if (slot->n_lookup)
		return;
	chain_remove(table, bucket, slot_index(table, slot));
	(void)slot_kill(&slot->word); /* was live: the count says so */
}

void itab_forget(struct inode_table *table, uint64_t nodeid, uint64_t n_lookup)
{
	struct inode_slot *slot;

	if (nodeid == ITAB_ROOT_ID)
		return;
	slot = itab_get(table, nodeid);
	if (!slot)
		return;
	forget_pinned(table, slot, n_lookup);
	itab_put(table, slot);
}

void itab_forget_all(struct inode_table *table, bool root_too)
{
	uint32_t n = slot_pool_used(&table->pool);

	for (uint32_t i = root_too ? 0 : 1; i < n; i++) {
		struct inode_slot *slot = &table->slots[i];
		uint64_t word = __atomic_load_n(&slot->word, __ATOMIC_RELAXED);

		if (!slot_pin(&slot->word, slot_generation(word)))
			continue;
		forget_pinned(table, slot, UINT64_MAX);
		itab_put(table, slot);
	}
}
