/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of known inodes: hash chains through the links of their slots. Inlined, because every
 * lookup goes through it.
 */
#ifndef FUSE_PASSTHROUGH_INODE_INDEX_H
#define FUSE_PASSTHROUGH_INODE_INDEX_H

#include "fuse/passthrough/inode-table.h"

#define CHAIN_GLANCE 8u /* so many entries tell enough */

static inline uint64_t mix(uint64_t v)
{
	v ^= v >> 32;
	v *= UINT64_C(0xd6e8feb86659fd93);
	v ^= v >> 32;
	v *= UINT64_C(0xd6e8feb86659fd93);
	return v ^ (v >> 32);
}

static inline uint32_t hash_of(const struct inode_table *table, const struct inode_id *id)
{
	uint64_t h = mix(id->ino ^ table->seed);

	return (uint32_t)mix(h ^ id->dev ^ (id->mnt_id << 32));
}

static inline pthread_mutex_t *lock_of(struct inode_table *table, uint32_t hash)
{
	return &table->shard[hash % ITAB_N_SHARDS].lock;
}

/* What stands for a slot in a chain: its number plus one, and above that some bits of the hash. */
static inline uint32_t entry_of(const struct inode_table *table, uint32_t hash, uint32_t index)
{
	return (hash & ~table->entry_mask) | (index + 1);
}

static inline uint32_t entry_index(const struct inode_table *table, uint32_t entry)
{
	return (entry & table->entry_mask) - 1;
}

static inline uint32_t *bucket_of(struct inode_table *table, uint32_t hash)
{
	return &table->bucket[hash & table->bucket_mask];
}

static inline uint32_t entry_after(struct inode_table *table, uint32_t entry)
{
	return __atomic_load_n(&table->pool.link[entry_index(table, entry)], __ATOMIC_RELAXED);
}

/*
 * With the shard locked: the live slot of this identity or NULL. Among many inodes each slot looked
 * at is one that no cache has, so that those with other bits are passed.
 */
static inline struct inode_slot *chain_find(struct inode_table *table, uint32_t hash,
					    const struct inode_id *id)
{
	for (uint32_t at = *bucket_of(table, hash); at; at = entry_after(table, at)) {
		struct inode_slot *slot = &table->slots[entry_index(table, at)];

		if (!((at ^ hash) & ~table->entry_mask) && inode_id_equal(&slot->id, id))
			return slot;
	}
	return NULL;
}

/*
 * Without the lock: some entry with these bits is there. Entries may go elsewhere meanwhile, where
 * they still lead to other entries or to an end.
 */
static inline bool chain_may_have(struct inode_table *table, uint32_t hash)
{
	uint32_t at = __atomic_load_n(bucket_of(table, hash), __ATOMIC_RELAXED);

	for (unsigned int i = 0; at && i < CHAIN_GLANCE; i++) {
		if (!((at ^ hash) & ~table->entry_mask))
			return true;
		at = entry_after(table, at);
	}
	return false;
}

static inline void chain_add(struct inode_table *table, uint32_t hash, uint32_t index)
{
	uint32_t *bucket = bucket_of(table, hash);

	__atomic_store_n(&table->pool.link[index], *bucket, __ATOMIC_RELAXED);
	__atomic_store_n(bucket, entry_of(table, hash, index), __ATOMIC_RELAXED);
}

static inline void chain_remove(struct inode_table *table, uint32_t hash, uint32_t index)
{
	uint32_t entry = entry_of(table, hash, index);
	uint32_t next = entry_after(table, entry);
	uint32_t *bucket = bucket_of(table, hash);
	uint32_t at = *bucket;

	if (at == entry) {
		__atomic_store_n(bucket, next, __ATOMIC_RELAXED);
		return;
	}
	while (at && entry_after(table, at) != entry)
		at = entry_after(table, at);
	if (at)
		__atomic_store_n(&table->pool.link[entry_index(table, at)], next, __ATOMIC_RELAXED);
}

#endif
