/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who in the guest holds byte range locks: (node, owner) <-> a descriptor of its own.
 *
 * The locks themselves are the kernel's: open file description locks, which conflict with those of
 * every other process of the host and so with those of other guests. Owners of a guest conflict
 * among themselves because each has a description of its own. The description is made at the
 * owner's first lock and stays until the guest says that the owner has closed the file.
 *
 * Two guests that wait for each other's locks wait for ever: the kernel looks for deadlocks only
 * among classic locks, because a description belongs to no process, and EDEADLK is never reported.
 *
 * A description outlives the process that made it, as every descriptor does, and its locks with it.
 * Whose it is, and what is locked for whom, is saved in the arena (lock-save.h).
 */
#ifndef FUSE_PASSTHROUGH_LOCK_TABLE_H
#define FUSE_PASSTHROUGH_LOCK_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fuse/passthrough/lock-range.h"
#include "fuse/passthrough/lock-save.h"

#define LTAB_N_CHAINS	256u

/* Ranges of the whole device: each costs the host some 200 bytes and time at every conflict. */
#define LTAB_MAX_RANGES 65536u

struct lock_key {
	uint64_t nodeid;
	uint64_t owner;
};

struct lock_owner {
	struct lock_owner *next; /* in the chain; table lock */
	struct lock_key key;
	uint64_t fh;	     /* the handle last used; table lock */
	unsigned int n_refs; /* table lock */
	int fd;		     /* owned */
	uint32_t saved;	     /* its slot in the arena */
	/* One request at a time, over the system call; taken before the table's lock. */
	pthread_mutex_t lock;
	bool dropped;		   /* lock; nothing may be locked any more */
	struct lock_ranges ranges; /* changed under both locks */
	struct lock_cells cells;   /* lock; where the ranges are saved */
};

struct lock_table {
	pthread_mutex_t lock; /* innermost */
	struct lock_owner *chain[LTAB_N_CHAINS];
	uint32_t n_owners; /* changed under the lock, read anywhere */
	uint32_t max_owners;
	uint32_t n_ranges; /* granted or asked for */
	uint32_t max_ranges;
	struct lock_save save;
};

size_t ltab_section_bytes(uint32_t max_owners, uint32_t max_ranges);

/*
 * `section` is borrowed: zero-filled, or left by a predecessor with the same limits, whose owners
 * go on to have what they have. 0 or -ENOMEM.
 */
int ltab_init(struct lock_table *table, void *section, uint32_t max_owners, uint32_t max_ranges);
/* Every descriptor in the section of a predecessor. */
void ltab_section_each_fd(const void *section, void (*fn)(void *arg, int fd), void *arg);
/* Nobody may hold an owner. */
void ltab_deinit(struct lock_table *table);

/* Glances without the lock. */
static inline bool ltab_empty(const struct lock_table *table)
{
	return __atomic_load_n(&table->n_owners, __ATOMIC_RELAXED) == 0;
}

static inline bool ltab_full(const struct lock_table *table)
{
	return __atomic_load_n(&table->n_owners, __ATOMIC_RELAXED) >= table->max_owners;
}

/* Leaves the handle as it was. */
#define LTAB_SAME_FH UINT64_MAX

/* The owner, to be given back with ltab_put(), or NULL. It now uses the handle `fh`. */
struct lock_owner *ltab_get(struct lock_table *table, const struct lock_key *key, uint64_t fh);
void ltab_put(struct lock_table *table, struct lock_owner *owner);

/*
 * As ltab_get(), making the owner if there is none. `fd`, an open file description that nobody else
 * uses, is taken, also on failure. -ENOLCK when there are too many owners.
 */
int ltab_add(struct lock_table *table, const struct lock_key *key, uint64_t fh, int fd,
	     struct lock_owner **ret_owner);

/*
 * Locks or unlocks without waiting. 0; 1: the owner was dropped meanwhile, look again; -EAGAIN when
 * somebody else has a lock there; -ENOLCK when there are too many ranges.
 */
int ltab_set(struct lock_table *table, struct lock_owner *owner, const struct lock_range *range);

/* Unlocks and forgets; the number of owners that had something locked. */
unsigned int ltab_drop_owner(struct lock_table *table, const struct lock_key *key);
/* Those that used this handle last. */
unsigned int ltab_drop_handle(struct lock_table *table, uint64_t nodeid, uint64_t fh);
void ltab_drop_all(struct lock_table *table);

/* Which process of the guest has this byte locked through an owner other than `key`; 0: none. */
uint32_t ltab_pid_of(struct lock_table *table, const struct lock_key *key, uint64_t at);

/* A range as fcntl(2) takes it. */
struct flock ltab_flock(const struct lock_range *range);

#endif
