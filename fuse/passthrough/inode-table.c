/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Known inodes.
 */
#include "fuse/passthrough/inode-table-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/util.h"

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

pthread_mutex_t *itab_lock_of(struct inode_table *table, const struct inode_slot *slot)
{
	return lock_of(table, bucket_of(table, &slot->id));
}

bool inode_id_equal(const struct inode_id *a, const struct inode_id *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->mnt_id == b->mnt_id;
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
		if (inode_id_equal(&table->slots[at - 1].id, id))
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
	uint32_t index = itab_index(table, slot);

	if (slot->fd >= 0)
		itab_close(table, take_fd(&slot->fd));
	else if (key_store_has_handle(&table->keys, slot->key))
		mount_fds_put(&table->mounts, slot->id.mnt_id);
	itab_clock_unset(table, index);
	key_store_drop(&table->keys, slot->key);
	slot->key = KEY_NONE;
	slot->n_lookup = 0;
	slot_retire(&slot->word);
	if (index) /* the root's slot stays the root's */
		slot_pool_give(&table->pool, index);
}

/* A slot no other process or thread works on: live ones are indexed, all others freed. */
static void adopt_slot(struct inode_table *table, uint32_t index)
{
	struct inode_slot *slot = &table->slots[index];

	if (slot->word & (SLOT_LIVE | SLOT_PINS) && slot->fd >= 0)
		(void)fd_budget_take(table->budget);
	/* The watch was the predecessor's: it tells nothing any more. */
	if (slot->word & SLOT_LIVE && slot->id.dev == INODE_ALIAS_DEV)
		slot->id.ino = alias_unwatched(&table->aliases);
	if (slot->word & SLOT_LIVE) {
		/* A warm one may have been half-way to cold, or back. */
		slot->word &= slot->fd >= 0 ? ~(SLOT_PINS | SLOT_COLD) : ~SLOT_PINS;
		chain_add(table, bucket_of(table, &slot->id), index);
		if (index && slot->fd >= 0)
			itab_clock_set(table, index);
		return;
	}
	slot->key = KEY_NONE; /* its cells are freed as unclaimed */
	/* Killed, but its last user ended before it could be torn down. */
	if (slot->word & SLOT_PINS) {
		destroy_slot(table, slot);
		return;
	}
	/* Or in the middle of that, or of filling it: what it was to be is not what comes next. */
	slot_retire(&slot->word);
	slot_pool_give(&table->pool, index);
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

static int adopt_all(struct inode_table *table)
{
	/* The root's slot comes first and is never given away. */
	if (!table->pool.section->n_used)
		table->pool.section->n_used = 1;
	if (table->slots[0].word & SLOT_LIVE)
		adopt_slot(table, 0);
	for (uint32_t i = 1; i < slot_pool_used(&table->pool); i++)
		adopt_slot(table, i);
	return adopt_keys(table);
}

int itab_init(struct inode_table *table, const struct inode_table_memory *memory,
	      struct fd_budget *budget)
{
	int r;

	memset(table, 0, sizeof(*table));
	table->slots = (struct inode_slot *)((struct slot_section *)memory->section + 1);
	table->budget = budget;
	mount_fds_init(&table->mounts);
	alias_init(&table->aliases);
	r = init_derived(table, memory);
	if (r == 0)
		r = adopt_all(table);
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

/* With the shard locked. `index` is a slot that only the caller has; it becomes live. */
static void fill_slot(struct inode_table *table, uint32_t bucket, uint32_t index,
		      const struct inode_found *found)
{
	struct inode_slot *slot = &table->slots[index];

	slot->id = found->seen.id;
	slot->birth = found->seen.birth;
	slot->type = found->seen.type;
	slot->n_lookup = 1;
	if (alias_is_watch(slot->id.dev, slot->id.ino))
		__atomic_fetch_add(&table->aliases.n_live, 1, __ATOMIC_RELAXED);
	slot->fd = found->fd;
	slot->backing = found->backing;
	slot->flags = found->flags;
	slot->key = KEY_NONE;
	/* What is seen once should not drive out what is used; directories are used next. */
	__atomic_store_n(&slot->used, inode_rounds(slot->type) - 1, __ATOMIC_RELAXED);
	if (found->name)
		itab_put_key(table, slot, found->handle, found->name);
	if (index)
		itab_clock_set(table, index);
	chain_add(table, bucket, index);
	if (found->note)
		__atomic_store_n(found->note, itab_nodeid(table, slot), __ATOMIC_RELEASE);
	slot_publish(&slot->word, 0);
}

int itab_set_root(struct inode_table *table, const struct inode_found *root)
{
	uint32_t bucket = bucket_of(table, &root->seen.id);

	if (table->slots[0].word & SLOT_LIVE) {
		itab_close(table, root->fd);
		return -EEXIST;
	}
	scoped_lock(lock_of(table, bucket));
	table->slots[0].word = 0; /* FS_ROOT_ID has generation 0 for ever */
	fill_slot(table, bucket, 0, root);
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

	return ((uint64_t)slot_generation(word) << 32) | (itab_index(table, slot) + 1);
}

/* ---- Lookups ---- */

bool itab_probe(struct inode_table *table, const struct inode_id *id)
{
	uint32_t bucket = bucket_of(table, id);

	scoped_lock(lock_of(table, bucket));
	return chain_find(table, bucket, id);
}

static bool agrees(const struct inode_slot *slot, const struct inode_seen *seen)
{
	return slot->type == seen->type && slot->birth == seen->birth;
}

uint64_t itab_lookup_known(struct inode_table *table, const struct inode_seen *seen,
			   const struct inode_name *name, struct inode_cold *ret_cold)
{
	uint32_t bucket = bucket_of(table, &seen->id);
	struct inode_slot *slot;

	ret_cold->nodeid = 0;
	scoped_lock(lock_of(table, bucket));
	slot = chain_find(table, bucket, &seen->id);
	if (!slot || !agrees(slot, seen))
		return 0;
	if (unlikely(inode_is_cold(slot))) {
		if (key_store_has_handle(&table->keys, slot->key)) {
			ret_cold->nodeid = itab_nodeid(table, slot);
			key_store_get(&table->keys, slot->key, &ret_cold->key);
			return 0;
		}
		if (name)
			itab_put_key(table, slot, NULL, name);
	}
	slot->n_lookup++;
	return itab_nodeid(table, slot);
}

/* Is what was found the inode of this slot? `found->fd` holds its number. */
static enum itab_found compare(const struct inode_table *table, const struct inode_slot *slot,
			       const struct inode_found *found)
{
	struct inode_key key;

	/* Both descriptors are on the same inode; some file systems change a birth time. */
	if (!inode_is_cold(slot))
		return ITAB_KNOWN;
	key_store_get(&table->keys, slot->key, &key);
	if (!key.handle.n_bytes)
		return agrees(slot, &found->seen) ? ITAB_KNOWN : ITAB_NEW;
	if (!found->handle)
		return ITAB_ASKS_HANDLE;
	return inode_handle_equal(&key.handle, found->handle) ? ITAB_KNOWN : ITAB_NEW;
}

/* With the shard locked. */
static uint64_t found_again(struct inode_table *table, struct inode_slot *slot,
			    const struct inode_found *found, struct itab_rest *ret_rest)
{
	uint32_t index = itab_index(table, slot);

	slot->birth = found->seen.birth;
	slot->n_lookup++;
	*ret_rest = itab_warm_locked(table, slot, found->fd);
	if (found->name) {
		itab_put_key(table, slot, NULL, found->name);
		if (index)
			itab_clock_set(table, index);
	}
	return itab_nodeid(table, slot);
}

uint32_t itab_reserve(struct inode_table *table)
{
	uint32_t index = slot_pool_take(&table->pool);

	return index == SLOT_NONE ? 0 : index; /* 0 is the root's and never free */
}

void itab_unreserve(struct inode_table *table, uint32_t reserved)
{
	slot_pool_give(&table->pool, reserved);
}

static int lookup_found(struct inode_table *table, const struct inode_found *found,
			uint64_t *ret_nodeid, struct itab_rest *ret_rest)
{
	uint32_t bucket = bucket_of(table, &found->seen.id);
	enum itab_found result = ITAB_NEW;
	struct inode_slot *slot;
	uint32_t index;

	scoped_lock(lock_of(table, bucket));
	slot = chain_find(table, bucket, &found->seen.id);
	if (slot)
		result = compare(table, slot, found);
	if (result == ITAB_KNOWN)
		*ret_nodeid = found_again(table, slot, found, ret_rest);
	if (result != ITAB_NEW)
		return result;
	index = found->reserved ? found->reserved : itab_reserve(table);
	if (!index) {
		ret_rest->fd = found->fd;
		return -ENFILE;
	}
	/* A cold inode whose number went to another file stays behind that one in its chain. */
	fill_slot(table, bucket, index, found);
	*ret_nodeid = itab_nodeid(table, &table->slots[index]);
	return ITAB_NEW;
}

int itab_lookup_found(struct inode_table *table, const struct inode_found *found,
		      uint64_t *ret_nodeid)
{
	struct itab_rest rest = ITAB_REST_NONE;
	int r = lookup_found(table, found, ret_nodeid, &rest);

	itab_finish(table, &rest);
	return r;
}

struct inode_slot *itab_find(struct inode_table *table, const struct inode_seen *seen)
{
	uint32_t bucket = bucket_of(table, &seen->id);
	struct inode_slot *slot;

	scoped_lock(lock_of(table, bucket));
	slot = chain_find(table, bucket, &seen->id);
	/* The number of a warm inode is its own, whatever its file system says of its birth. */
	if (!slot || (inode_is_cold(slot) && !agrees(slot, seen)))
		return NULL;
	/* In its chain it is live, and dies under this lock only. */
	(void)slot_pin(&slot->word,
		       slot_generation(__atomic_load_n(&slot->word, __ATOMIC_RELAXED)));
	return slot;
}

int itab_lookup_again(struct inode_table *table, struct inode_slot *slot)
{
	scoped_lock(lock_of(table, bucket_of(table, &slot->id)));
	if (!slot->n_lookup)
		return -ESTALE;
	slot->n_lookup++;
	return 0;
}

static void forget_locked(struct inode_table *table, struct inode_slot *slot, uint64_t n_lookup)
{
	uint32_t bucket = bucket_of(table, &slot->id);

	scoped_lock(lock_of(table, bucket));
	if (!slot->n_lookup)
		return;
	slot->n_lookup -= MIN(n_lookup, slot->n_lookup);
	if (slot->n_lookup)
		return;
	chain_remove(table, bucket, itab_index(table, slot));
	if (alias_is_watch(slot->id.dev, slot->id.ino)) {
		alias_unwatch(&table->aliases, slot->id.ino);
		__atomic_fetch_sub(&table->aliases.n_live, 1, __ATOMIC_RELAXED);
	}
	(void)slot_kill(&slot->word); /* was live: the count says so */
}

/* A watch goes together with the inode that is known by it, for whoever compares watches. */
static void forget_alias(struct inode_table *table, struct inode_slot *slot, uint64_t n_lookup)
{
	scoped_lock(&table->aliases.lock);
	forget_locked(table, slot, n_lookup);
}

/* The slot is pinned, so that it outlives this. */
static void forget_pinned(struct inode_table *table, struct inode_slot *slot, uint64_t n_lookup)
{
	if (unlikely(slot->id.dev == INODE_ALIAS_DEV))
		forget_alias(table, slot, n_lookup);
	else
		forget_locked(table, slot, n_lookup);
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
