/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Known inodes: nodeid <-> slot, lookup counts, and the index by identity.
 *
 * An inode is warm while it holds an O_PATH descriptor: then its inode number cannot be given to
 * another file. Descriptors are few, known inodes may be many, so the least used become cold: the
 * descriptor is closed and a key (inode-key.h) tells how to find the inode again. Slots and keys
 * lie in the arena; the index (hash chains in 256 shards with a lock each), the clock that tells
 * who has not been used for long, and the free lists are derived from them.
 *
 * An inode is live while its lookup count is above zero. The count, the chain, the key, and the
 * way from warm to cold and back belong to the shard's lock; everything else in a slot is constant
 * while it is live, but for the birth time, and is read under a pin without any lock, the
 * descriptor of a warm inode too. No lock is held over a system call.
 */
#ifndef FUSE_PASSTHROUGH_INODE_TABLE_H
#define FUSE_PASSTHROUGH_INODE_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "fuse/passthrough/fd-budget.h"
#include "fuse/passthrough/file-handle.h"
#include "fuse/passthrough/inode-alias.h"
#include "fuse/passthrough/inode-key.h"
#include "fuse/passthrough/slot.h"

#define ITAB_N_SHARDS 256u
#define ITAB_ROOT_ID  1u

struct inode_id {
	uint64_t dev;
	uint64_t mnt_id;
	uint64_t ino;
};

enum inode_flags {
	INODE_SUBMOUNT = 1,   /* device or mount differ from the parent it was found in */
	INODE_HANDLES = 2,    /* file handles work on its mount */
	INODE_NAMES = 4,      /* what is found on its mount is remembered by name */
	INODE_ALIASES = 8,    /* names of one number may be different files on its mount */
	INODE_OTHER_DEV = 16, /* a submount on another device than its parent */
	INODE_DIRS_LAST = 32, /* known: positions in directories outlive a descriptor */
};

struct inode_slot {
	uint64_t word; /* atomic; slot.h */
	struct inode_id id;
	uint64_t n_lookup; /* shard lock; what the guest must give back */
	uint64_t birth;	   /* shard lock; nanoseconds, 0 unknown */
	int32_t fd;	   /* owned; O_PATH; -1 when cold */
	uint16_t type;	   /* S_IFMT bits */
	uint8_t backing;   /* enum backing */
	uint8_t flags;	   /* enum inode_flags */
	uint32_t key;	   /* shard lock; in the key store, or KEY_NONE */
	uint8_t used;	   /* atomic; rounds of the clock that it stays warm */
	uint8_t spare;
	uint16_t holds; /* atomic; how often it was held because a name of it was about to go */
};

_Static_assert(sizeof(struct inode_slot) == 64, "one cache line per inode");

struct inode_shard {
	pthread_mutex_t lock; /* innermost: nothing else is taken under it */
} __attribute__((__aligned__(64)));

struct inode_table {
	struct inode_slot *slots; /* borrowed, in the arena */
	struct slot_pool pool;
	uint32_t *bucket; /* owned; entries of chains, 0 at the end; guarded by the shard */
	uint32_t bucket_mask;
	uint32_t entry_mask; /* what of an entry is the number of a slot */
	uint64_t seed;
	struct key_store keys;
	struct mount_fds mounts;
	struct inode_aliases aliases;
	struct fd_budget *budget; /* borrowed */
	uint64_t *clock;	  /* owned, atomic; a bit per slot that may become cold */
	uint32_t hand;		  /* atomic; the slot the clock is at */
	bool adopted_cold;	  /* some inode was cold from the start */
	struct inode_shard shard[ITAB_N_SHARDS];
};

/* What statx(2) said about a file that was just found. */
struct inode_seen {
	struct inode_id id;
	uint64_t birth;
	uint16_t type;
	/* A directory of an overlay: number or birth may be others next time, hardly both. */
	bool unsteady;
};

size_t itab_section_bytes(uint32_t n_max);
size_t itab_key_section_bytes(uint32_t n_max);

/* Descriptors that belong to many inodes: the section ARENA_FDS. */
struct inode_fds {
	struct mount_fd mount[MOUNT_FDS_MAX];
	int32_t inotify; /* plus one */
};

struct inode_table_memory {
	void *section; /* of itab_section_bytes() */
	void *key_section;
	struct inode_fds *fds;
	uint32_t n_max;
};

/*
 * The sections are borrowed: zero-filled, or left by an earlier table whose requests have all
 * ended, be it in the middle; what is live in them stays known (inode-adopt.c). `budget` is
 * borrowed; every descriptor that the table takes has been charged to it, and the table gives the
 * charge back.
 */
int itab_init(struct inode_table *table, const struct inode_table_memory *memory,
	      struct fd_budget *budget);
/* Frees what is derived; the slots and their descriptors stay. Twice is safe. */
void itab_deinit(struct inode_table *table);

/* Whether slot 0 is the root already, with this descriptor: then it is not the caller's. */
bool itab_has_root(const struct inode_table *table, int fd);

/* Every descriptor that itab_init() would find in the sections of a predecessor. */
void itab_sections_each_fd(const void *section, const struct inode_fds *fds,
			   void (*fn)(void *arg, int fd), void *arg);

/* Makes slot 0 the root, which stays warm. As itab_lookup_found(); -EEXIST when there is one. */
struct inode_found;
int itab_set_root(struct inode_table *table, const struct inode_found *root);

/* The pinned slot, warm or cold, or NULL for an unknown or stale nodeid. */
struct inode_slot *itab_get(struct inode_table *table, uint64_t nodeid);
void itab_put(struct inode_table *table, struct inode_slot *slot);

bool inode_id_equal(const struct inode_id *a, const struct inode_id *b);

/* Nodeid of a pinned slot. */
uint64_t itab_nodeid(const struct inode_table *table, const struct inode_slot *slot);

/* Is an inode of this identity known? Only a hint: nothing holds it. */
bool itab_probe(struct inode_table *table, const struct inode_id *id);

/* Is it worth asking? Wrong now and then, in both directions. */
bool itab_may_be_known(struct inode_table *table, const struct inode_id *id);

/* A cold inode, seen somewhere: it is the one that is known if its handle is this. */
struct inode_cold {
	uint64_t nodeid; /* 0: none was found */
	struct inode_key key;
};

/*
 * Adds a lookup to the inode that was seen and returns its nodeid, or 0 when it is not known.
 * Birth time and type must agree, because without a descriptor on the file that was seen its
 * number may belong to the next file by now. `name` (or NULL) is where it was seen, and is
 * remembered if the inode is cold. A cold inode that has a handle is not counted but returned in
 * `*ret_cold` for comparison.
 */
uint64_t itab_lookup_known(struct inode_table *table, const struct inode_seen *seen,
			   const struct inode_name *name, struct inode_cold *ret_cold);

struct inode_found {
	struct inode_seen seen;
	int fd; /* O_PATH, on what was seen; charged */
	uint8_t backing;
	uint8_t flags;
	const struct inode_handle *handle; /* or NULL */
	const struct inode_name *name;	   /* where it was found, to be remembered, or NULL */
	uint32_t reserved;		   /* of itab_reserve(), used up by ITAB_NEW; or 0 */
	uint64_t *note; /* gets the nodeid of ITAB_NEW just before it becomes known; or NULL */
};

/* A slot that itab_lookup_found() will not have to look for; 0 when the table is full. */
uint32_t itab_reserve(struct inode_table *table);
void itab_unreserve(struct inode_table *table, uint32_t reserved);

enum itab_found {
	ITAB_NEW,
	ITAB_KNOWN,
	ITAB_ASKS_HANDLE, /* a cold inode may be it: ask again with the handle; fd is not taken */
};

/*
 * Adds a lookup to the inode, which becomes known if it was not and warm if it was cold. `found->fd`
 * is taken, also on failure. enum itab_found, or -ENFILE when the table is full.
 */
int itab_lookup_found(struct inode_table *table, const struct inode_found *found,
		      uint64_t *ret_nodeid);

/* Adds a lookup to a pinned slot; -ESTALE when it has been forgotten meanwhile. */
int itab_lookup_again(struct inode_table *table, struct inode_slot *slot);

/* The pinned slot of an inode that was seen, if it is known; NULL otherwise. */
struct inode_slot *itab_find(struct inode_table *table, const struct inode_seen *seen);

/* Gives lookups back. The root, unknown nodeids and too large counts do no harm. */
void itab_forget(struct inode_table *table, uint64_t nodeid, uint64_t n_lookup);

/* Forgets everything, the root too when asked. Pinned slots go with their last pin. */
void itab_forget_all(struct inode_table *table, bool root_too);

/* ---- Warm and cold: inode-cold.c ---- */

/* Under a pin. What was warm stays so until the unpin. */
static inline bool inode_is_cold(const struct inode_slot *slot)
{
	return slot_is_cold(&slot->word);
}

/* Directories stay warm longer: everything below them is found through them. */
static inline uint8_t inode_rounds(uint16_t type)
{
	return type == 0040000 ? 3 : 1;
}

/* Somebody uses it now. */
static inline void inode_touch(struct inode_slot *slot)
{
	uint8_t rounds = inode_rounds(slot->type);

	if (__atomic_load_n(&slot->used, __ATOMIC_RELAXED) != rounds)
		__atomic_store_n(&slot->used, rounds, __ATOMIC_RELAXED);
}

/* So many slots the clock must pass before nothing that could become cold is left. */
uint64_t itab_clock_rounds(const struct inode_table *table);
/*
 * The next warm inode that nobody has used for a while, pinned; NULL when *left slots have been
 * passed, which counts down.
 */
struct inode_slot *itab_clock_next(struct inode_table *table, uint64_t *left);

/* A pinned slot: stays warm until it is found by a name the next time. */
void itab_keep_warm(struct inode_table *table, struct inode_slot *slot);

/*
 * Under a pin: somebody is going to remove a name. Whoever asked before whether the inode would be
 * found again has to ask anew.
 */
static inline void inode_hold(struct inode_slot *slot)
{
	__atomic_fetch_add(&slot->holds, 1, __ATOMIC_ACQ_REL);
}

static inline uint16_t inode_holds(const struct inode_slot *slot)
{
	return __atomic_load_n(&slot->holds, __ATOMIC_ACQUIRE);
}

/*
 * A pinned slot with a key becomes cold. False when somebody else has it pinned, or has held it
 * since `holds` was read. When the key has a handle, the caller has a use of the mount's
 * descriptor, which goes over to the slot.
 */
bool itab_cool(struct inode_table *table, struct inode_slot *slot, uint16_t holds);

/* A pinned slot becomes warm; `fd` is charged and taken, and closed if it was warm already. */
void itab_warm(struct inode_table *table, struct inode_slot *slot, int fd);

/* What a pinned slot is known by. */
void itab_copy_key(struct inode_table *table, struct inode_slot *slot, struct inode_seen *ret_seen,
		   struct inode_key *ret_key);

void itab_set_birth(struct inode_table *table, struct inode_slot *slot, uint64_t birth);

/* Changes of the key of a pinned slot. Nothing happens when there is no memory for it. */
void itab_set_handle(struct inode_table *table, struct inode_slot *slot,
		     const struct inode_handle *handle);
/* The inode may become cold (again). */
void itab_set_name(struct inode_table *table, struct inode_slot *slot,
		   const struct inode_name *name);

#endif
