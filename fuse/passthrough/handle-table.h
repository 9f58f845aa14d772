/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files and directories: fh <-> slot, each owning one descriptor.
 *
 * A handle is pinned while a request uses it; RELEASE only kills it, and the descriptor is closed
 * with the last pin. An fh is never 0.
 *
 * An implicit handle is one that the guest has not asked for: it belongs to an inode, is found by
 * its slot and the inode's nodeid, and may be closed when nobody has used it for a while. A clock
 * that goes around the slots tells which.
 */
#ifndef FUSE_PASSTHROUGH_HANDLE_TABLE_H
#define FUSE_PASSTHROUGH_HANDLE_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fuse/passthrough/fd-budget.h"
#include "fuse/passthrough/slot.h"

enum handle_kind {
	HANDLE_FILE = 1,
	HANDLE_DIR,
};

enum handle_flags {
	HANDLE_APPEND = 1,    /* opened with O_APPEND, which the descriptor does not have */
	HANDLE_DIRECT = 2,    /* O_DIRECT is set on the descriptor */
	HANDLE_SUBMOUNT = 4,  /* the node is a submount */
	HANDLE_OTHER_DEV = 8, /* on another device than its parent */
	HANDLE_IMPLICIT = 16,
	/* What the descriptor of an implicit handle of a file can do. */
	HANDLE_READS = 32,
	HANDLE_WRITES = 64,
	HANDLE_APPENDS = 128,
	/* An implicit handle of a directory whose positions are lost with the descriptor. */
	HANDLE_HAS_PLACE = 256,
};

/* A position that no directory has. */
#define HANDLE_LOST UINT64_MAX

struct handle_slot {
	uint64_t word;	   /* atomic; slot.h */
	uint64_t nodeid;   /* of the inode that was opened; atomic for who has no pin */
	uint64_t position; /* directories, under the handle's lock: where the descriptor stands */
	int32_t fd;	   /* owned */
	uint16_t flags;	   /* enum handle_flags */
	uint8_t kind;	   /* enum handle_kind */
	uint8_t backing;   /* enum backing */
	uint8_t no_nowait; /* atomic; the file system cannot read without waiting */
	uint8_t used;	   /* atomic; implicit: rounds of the clock that it stays open */
	uint8_t spare8[2];
	uint32_t
		listing; /* directories, under the handle's lock: the last that began, 0 for none */
	uint64_t spare[3];
};

_Static_assert(sizeof(struct handle_slot) == 64, "one cache line per handle");

struct handle_table {
	struct handle_slot *slots; /* borrowed, in the arena */
	struct slot_pool pool;
	pthread_mutex_t *locks;	  /* owned; per slot, valid for live directories */
	struct fd_budget *budget; /* borrowed */
	uint32_t n_implicit;	  /* atomic; those that were killed but are in use still count */
	uint32_t hand;		  /* atomic; the slot the clock is at */
};

size_t htab_section_bytes(uint32_t n_max);

/* As itab_init(). */
int htab_init(struct handle_table *table, void *section, uint32_t n_max, struct fd_budget *budget);
void htab_deinit(struct handle_table *table);

/* Every descriptor that htab_init() would find in the section of a predecessor. */
void htab_section_each_fd(const void *section, void (*fn)(void *arg, int fd), void *arg);

/* What becomes a handle. */
struct handle_new {
	uint64_t nodeid;
	int fd;
	enum handle_kind kind;
	uint16_t flags;
	uint8_t backing;
	bool no_nowait;
	uint32_t reserved; /* of htab_reserve(), used up; or 0 */
	uint64_t *note;	   /* gets the fh just before it becomes known; or NULL */
};

/* A slot that htab_add() will not have to look for; 0 when the table is full. */
uint32_t htab_reserve(struct handle_table *table);
void htab_unreserve(struct handle_table *table, uint32_t reserved);

/* `new_handle->fd`, charged, is taken, also on failure. -ENFILE when the table is full. */
int htab_add(struct handle_table *table, const struct handle_new *new_handle, uint64_t *ret_fh);

/* The same; the slot is pinned from the start. */
int htab_add_pinned(struct handle_table *table, const struct handle_new *new_handle,
		    struct handle_slot **ret_slot);

/* The pinned slot, or NULL when no such handle of this kind was ever told to the guest. */
struct handle_slot *htab_get(struct handle_table *table, uint64_t fh, enum handle_kind kind);
void htab_put(struct handle_table *table, struct handle_slot *slot);

/* Any pinned handle that was opened from this node, or NULL. Looks at all there are. */
struct handle_slot *htab_find(struct handle_table *table, uint64_t nodeid);

/* Whether a pinned handle has not been released yet. */
static inline bool htab_live(const struct handle_slot *slot)
{
	return __atomic_load_n(&slot->word, __ATOMIC_ACQUIRE) & SLOT_LIVE;
}

/* Guards the position of a pinned directory handle; held over system calls on it. */
pthread_mutex_t *htab_dir_lock(struct handle_table *table, const struct handle_slot *slot);

/* Ends a pinned handle; -EBADF when somebody else did before. */
int htab_release(struct handle_slot *slot);
void htab_release_all(struct handle_table *table);

/* ---- Implicit handles ---- */

#define HANDLE_ROUNDS 1u

static inline void htab_touch(struct handle_slot *slot)
{
	if (__atomic_load_n(&slot->used, __ATOMIC_RELAXED) != HANDLE_ROUNDS)
		__atomic_store_n(&slot->used, HANDLE_ROUNDS, __ATOMIC_RELAXED);
}

uint32_t htab_index(const struct handle_table *table, const struct handle_slot *slot);

/* The pinned slot of this index, if it is the implicit handle of this node; NULL otherwise. */
struct handle_slot *htab_get_implicit(struct handle_table *table, uint32_t index, uint64_t nodeid);

/* So many slots the clock must pass before there is nothing that it could close. */
uint64_t htab_clock_rounds(const struct handle_table *table);
/*
 * The next implicit handle that nobody uses or has used for a while, pinned; NULL when *left slots
 * have been passed, which counts down.
 */
struct handle_slot *htab_clock_next(struct handle_table *table, uint64_t *left);

#endif
