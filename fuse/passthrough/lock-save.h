/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is needed to find byte range locks again when the process that took them has died: their
 * owners with their descriptors, and which process of the guest asked for which bytes. The section
 * ARENA_LOCKS.
 *
 * The ranges of an owner are replaced as a whole: the new ones are written with the next version,
 * then the owner gets that version, then the old ones go. So there is always one complete set.
 */
#ifndef FUSE_PASSTHROUGH_LOCK_SAVE_H
#define FUSE_PASSTHROUGH_LOCK_SAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuse/passthrough/lock-range.h"
#include "fuse/passthrough/slot.h"

struct lock_saved_owner {
	uint32_t live; /* stored last */
	uint32_t version;
	uint64_t nodeid;
	uint64_t owner;
	uint64_t fh;
	int32_t fd;
	uint32_t spare;
};

struct lock_saved_range {
	struct lock_range range;
	uint32_t owner; /* slot plus one; 0: free */
	uint32_t version;
};

struct lock_save {
	struct lock_saved_owner *owner; /* borrowed, in the arena, as the next */
	struct lock_saved_range *range;
	struct slot_pool owners;
	struct slot_pool ranges;
};

size_t lock_save_bytes(uint32_t max_owners, uint32_t max_ranges);

/*
 * `section` is borrowed: zero-filled, or left by a predecessor. What is live in it stays; the rest
 * becomes free. 0 or -ENOMEM.
 */
int lock_save_init(struct lock_save *save, void *section, uint32_t max_owners, uint32_t max_ranges);
void lock_save_deinit(struct lock_save *save);

/* Every descriptor in the section. */
void lock_save_each_fd(const void *section, void (*fn)(void *arg, int fd), void *arg);

static inline uint32_t lock_save_n_owners(const struct lock_save *save)
{
	return slot_pool_used(&save->owners);
}

/* The slot of a new owner without ranges; SLOT_NONE when there are too many. */
uint32_t lock_save_add(struct lock_save *save, const struct lock_saved_owner *owner);
/* Whose ranges have been replaced by none. */
void lock_save_remove(struct lock_save *save, uint32_t owner);

/* Which cells of the store hold an owner's ranges. */
struct lock_cells {
	uint32_t *cell; /* owned; NULL when n is 0 */
	uint32_t n;
};

/* Cells for so many ranges, not yet written. 0, -ENOMEM or -ENOLCK. */
int lock_save_reserve(struct lock_save *save, uint32_t n, struct lock_cells *ret_cells);
/* Frees them, written or not. */
void lock_save_free(struct lock_save *save, struct lock_cells *cells);
/* The ranges of `owner` are these from now on; `cells` has room for them. */
void lock_save_replace(struct lock_save *save, uint32_t owner, const struct lock_ranges *ranges,
		       const struct lock_cells *cells);

/* Just after lock_save_init(): what a predecessor saved for a live owner; both results are owned by the caller. */
int lock_save_load(const struct lock_save *save, uint32_t owner, struct lock_ranges *ret_ranges,
		   struct lock_cells *ret_cells);

#endif
