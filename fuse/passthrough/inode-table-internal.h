/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What inode-table.c and inode-cold.c share. "Locked" is the shard of the slot.
 */
#ifndef FUSE_PASSTHROUGH_INODE_TABLE_INTERNAL_H
#define FUSE_PASSTHROUGH_INODE_TABLE_INTERNAL_H

#include "base/cleanup.h"
#include "fuse/passthrough/inode-table.h"

static inline uint32_t itab_index(const struct inode_table *table, const struct inode_slot *slot)
{
	return (uint32_t)(slot - table->slots);
}

/* ---- For inode-adopt.c, with no other thread ---- */

/* What is in the sections becomes the table's. 0 or -ENOMEM. */
int itab_adopt(struct inode_table *table);

pthread_mutex_t *itab_lock_of(struct inode_table *table, const struct inode_slot *slot);

/* A dead slot that nobody has pinned: its descriptor is closed, and it is free. */
void itab_destroy(struct inode_table *table, struct inode_slot *slot);

/* Closes a charged descriptor. */
static inline void itab_close(struct inode_table *table, int fd)
{
	fd_close(&fd);
	fd_budget_give(table->budget);
}

/* ---- The clock's bits ---- */

static inline void itab_clock_set(struct inode_table *table, uint32_t index)
{
	__atomic_fetch_or(&table->clock[index / 64], UINT64_C(1) << index % 64, __ATOMIC_RELAXED);
}

static inline void itab_clock_unset(struct inode_table *table, uint32_t index)
{
	__atomic_fetch_and(&table->clock[index / 64], ~(UINT64_C(1) << index % 64),
			   __ATOMIC_RELAXED);
}

/* What a change leaves to do once the shard is unlocked. */
struct itab_rest {
	int fd; /* to close; -1: none */
	bool has_mount;
	uint64_t mnt_id; /* whose descriptor has a user less */
};

#define ITAB_REST_NONE     \
	(struct itab_rest) \
	{                  \
		.fd = -1   \
	}

static inline void itab_finish(struct inode_table *table, const struct itab_rest *rest)
{
	if (rest->fd >= 0)
		itab_close(table, rest->fd);
	if (rest->has_mount)
		mount_fds_put(&table->mounts, rest->mnt_id);
}

/* ---- Locked ---- */

/* As itab_warm(). */
struct itab_rest itab_warm_locked(struct inode_table *table, struct inode_slot *slot, int fd);

/* Replaces what is not NULL. */
void itab_put_key(struct inode_table *table, struct inode_slot *slot,
		  const struct inode_handle *handle, const struct inode_name *name);

#endif
