/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Known inodes.
 */
#include "fuse/passthrough/inode-table-internal.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "fuse/passthrough/inode-index.h"

/* ---- Identities ---- */

pthread_mutex_t *itab_lock_of(struct inode_table *table, const struct inode_slot *slot)
{
	return lock_of(table, hash_of(table, &slot->id));
}

bool inode_id_equal(const struct inode_id *a, const struct inode_id *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->mnt_id == b->mnt_id;
}

/* ---- Life ---- */

void itab_destroy(struct inode_table *table, struct inode_slot *slot)
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

/* With the shard locked. `index` is a slot that only the caller has; it becomes live. */
static void fill_slot(struct inode_table *table, uint32_t hash, uint32_t index,
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
	chain_add(table, hash, index);
	if (found->note)
		__atomic_store_n(found->note, itab_nodeid(table, slot), __ATOMIC_RELEASE);
	slot_publish(&slot->word, 0);
}

bool itab_has_root(const struct inode_table *table, int fd)
{
	const struct inode_slot *root = &table->slots[0];

	return root->word & SLOT_LIVE && root->fd == fd;
}

int itab_set_root(struct inode_table *table, const struct inode_found *root)
{
	uint32_t hash = hash_of(table, &root->seen.id);

	if (table->slots[0].word & SLOT_LIVE) {
		itab_close(table, root->fd);
		return -EEXIST;
	}
	scoped_lock(lock_of(table, hash));
	table->slots[0].word = 0; /* FS_ROOT_ID has generation 0 for ever */
	fill_slot(table, hash, 0, root);
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
		itab_destroy(table, slot);
}

uint64_t itab_nodeid(const struct inode_table *table, const struct inode_slot *slot)
{
	uint64_t word = __atomic_load_n(&slot->word, __ATOMIC_RELAXED);

	return ((uint64_t)slot_generation(word) << 32) | (itab_index(table, slot) + 1);
}

/* ---- Lookups ---- */

bool itab_probe(struct inode_table *table, const struct inode_id *id)
{
	uint32_t hash = hash_of(table, id);

	scoped_lock(lock_of(table, hash));
	return chain_find(table, hash, id);
}

bool itab_may_be_known(struct inode_table *table, const struct inode_id *id)
{
	return chain_may_have(table, hash_of(table, id));
}

static bool agrees(const struct inode_slot *slot, const struct inode_seen *seen)
{
	return slot->type == seen->type && slot->birth == seen->birth;
}

uint64_t itab_lookup_known(struct inode_table *table, const struct inode_seen *seen,
			   const struct inode_name *name, struct inode_cold *ret_cold)
{
	uint32_t hash = hash_of(table, &seen->id);
	struct inode_slot *slot;

	ret_cold->nodeid = 0;
	scoped_lock(lock_of(table, hash));
	slot = chain_find(table, hash, &seen->id);
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
	uint32_t hash = hash_of(table, &found->seen.id);
	enum itab_found result = ITAB_NEW;
	struct inode_slot *slot;
	uint32_t index;

	scoped_lock(lock_of(table, hash));
	slot = chain_find(table, hash, &found->seen.id);
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
	fill_slot(table, hash, index, found);
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
	uint32_t hash = hash_of(table, &seen->id);
	struct inode_slot *slot;

	scoped_lock(lock_of(table, hash));
	slot = chain_find(table, hash, &seen->id);
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
	scoped_lock(lock_of(table, hash_of(table, &slot->id)));
	if (!slot->n_lookup)
		return -ESTALE;
	slot->n_lookup++;
	return 0;
}

static void forget_locked(struct inode_table *table, struct inode_slot *slot, uint64_t n_lookup)
{
	uint32_t hash = hash_of(table, &slot->id);

	scoped_lock(lock_of(table, hash));
	if (!slot->n_lookup)
		return;
	slot->n_lookup -= MIN(n_lookup, slot->n_lookup);
	if (slot->n_lookup)
		return;
	chain_remove(table, hash, itab_index(table, slot));
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
