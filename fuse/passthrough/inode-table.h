/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Known inodes: nodeid <-> slot, lookup counts, and the index by identity.
 *
 * Each known inode holds an O_PATH descriptor, so that its inode number cannot be given to another
 * file while the guest knows it. Slots lie in the arena; the index (hash chains in 256 shards with
 * a lock each) and the free list are derived from them.
 *
 * An inode is live while its lookup count is above zero. The count and the chain belong to the
 * shard's lock; everything else in a slot is constant while it is live, but for the birth time,
 * and is read under a pin without any lock. No lock is held over a system call.
 */
#ifndef FUSE_PASSTHROUGH_INODE_TABLE_H
#define FUSE_PASSTHROUGH_INODE_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fuse/passthrough/slot.h"

#define ITAB_N_SHARDS 256u
#define ITAB_ROOT_ID  1u

struct inode_id {
	uint64_t dev;
	uint64_t mnt_id;
	uint64_t ino;
};

enum inode_flags {
	INODE_SUBMOUNT = 1, /* device or mount differ from the parent it was found in */
};

struct inode_slot {
	uint64_t word; /* atomic; slot.h */
	struct inode_id id;
	uint64_t n_lookup; /* shard lock; what the guest must give back */
	uint64_t birth;	   /* shard lock; nanoseconds, 0 unknown */
	int32_t fd;	   /* owned; O_PATH */
	uint16_t type;	   /* S_IFMT bits */
	uint8_t backing;   /* enum backing */
	uint8_t flags;	   /* enum inode_flags */
	uint64_t spare;
};

_Static_assert(sizeof(struct inode_slot) == 64, "one cache line per inode");

struct inode_shard {
	pthread_mutex_t lock; /* innermost: nothing else is taken under it */
} __attribute__((__aligned__(64)));

struct inode_table {
	struct inode_slot *slots; /* borrowed, in the arena */
	struct slot_pool pool;
	uint32_t *bucket; /* owned; slot + 1 or 0; guarded by the shard */
	uint32_t bucket_mask;
	uint64_t seed;
	struct inode_shard shard[ITAB_N_SHARDS];
};

/* What statx(2) said about a file that was just found. */
struct inode_seen {
	struct inode_id id;
	uint64_t birth;
	uint16_t type;
};

size_t itab_section_bytes(uint32_t n_max);

/*
 * `section` is borrowed: zero-filled, or left by an earlier table whose requests have all ended;
 * what is live in it stays known.
 */
int itab_init(struct inode_table *table, void *section, uint32_t n_max);
/* Frees what is derived; the slots and their descriptors stay. Twice is safe. */
void itab_deinit(struct inode_table *table);

/* Makes slot 0 the root. `fd` is taken, also on failure; -EEXIST when there is a root. */
int itab_set_root(struct inode_table *table, const struct inode_seen *seen, int fd,
		  uint8_t backing);

/* The pinned slot, or NULL for an unknown or stale nodeid. */
struct inode_slot *itab_get(struct inode_table *table, uint64_t nodeid);
void itab_put(struct inode_table *table, struct inode_slot *slot);

/* Nodeid of a pinned slot. */
uint64_t itab_nodeid(const struct inode_table *table, const struct inode_slot *slot);

/* Is an inode of this identity known? Only a hint: nothing holds it. */
bool itab_probe(struct inode_table *table, const struct inode_id *id);

/*
 * Adds a lookup to the inode that was seen and returns its nodeid, or 0 when it is not known.
 * Birth time and type must agree, because without a descriptor on the file that was seen its
 * number may belong to the next file by now.
 */
uint64_t itab_lookup_known(struct inode_table *table, const struct inode_seen *seen);

struct inode_found {
	struct inode_seen seen;
	int fd; /* O_PATH, on what was seen */
	uint8_t backing;
	uint8_t flags;
};

/*
 * Adds a lookup to the inode, which becomes known if it was not. `found->fd` is taken, also on
 * failure. 1 when it was known before, 0 when not, -ENFILE when the table is full.
 */
int itab_lookup_found(struct inode_table *table, const struct inode_found *found,
		      uint64_t *ret_nodeid);

/* Adds a lookup to a pinned slot; -ESTALE when it has been forgotten meanwhile. */
int itab_lookup_again(struct inode_table *table, struct inode_slot *slot);

/* Gives lookups back. The root, unknown nodeids and too large counts do no harm. */
void itab_forget(struct inode_table *table, uint64_t nodeid, uint64_t n_lookup);

/* Forgets everything, the root too when asked. Pinned slots go with their last pin. */
void itab_forget_all(struct inode_table *table, bool root_too);

#endif
