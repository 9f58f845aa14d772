/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files and directories: fh <-> slot, each owning one descriptor.
 *
 * A handle is pinned while a request uses it; RELEASE only kills it, and the descriptor is closed
 * with the last pin.
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
	HANDLE_APPEND = 1,   /* opened with O_APPEND, which the descriptor does not have */
	HANDLE_DIRECT = 2,   /* O_DIRECT is set on the descriptor */
	HANDLE_SUBMOUNT = 4, /* the node is a submount */
};

/* A position that no directory has. */
#define HANDLE_LOST UINT64_MAX

struct handle_slot {
	uint64_t word;	   /* atomic; slot.h */
	uint64_t nodeid;   /* of the inode that was opened; atomic for who has no pin */
	uint64_t position; /* directories, under the handle's lock: where the descriptor stands */
	int32_t fd;	   /* owned */
	uint8_t kind;	   /* enum handle_kind */
	uint8_t flags;	   /* enum handle_flags */
	uint8_t backing;   /* enum backing */
	uint8_t no_nowait; /* atomic; the file system cannot read without waiting */
	uint64_t spare[4];
};

_Static_assert(sizeof(struct handle_slot) == 64, "one cache line per handle");

struct handle_table {
	struct handle_slot *slots; /* borrowed, in the arena */
	struct slot_pool pool;
	pthread_mutex_t *locks;	  /* owned; per slot, valid for live directories */
	struct fd_budget *budget; /* borrowed */
};

size_t htab_section_bytes(uint32_t n_max);

/* As itab_init(). */
int htab_init(struct handle_table *table, void *section, uint32_t n_max, struct fd_budget *budget);
void htab_deinit(struct handle_table *table);

/* What becomes a handle. */
struct handle_new {
	uint64_t nodeid;
	int fd;
	enum handle_kind kind;
	uint8_t flags;
	uint8_t backing;
};

/* `new_handle->fd`, charged, is taken, also on failure. -ENFILE when the table is full. */
int htab_add(struct handle_table *table, const struct handle_new *new_handle, uint64_t *ret_fh);

/* The pinned slot, or NULL when there is no such handle of this kind. */
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

#endif
