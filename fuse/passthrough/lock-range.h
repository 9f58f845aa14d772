/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The byte ranges that one owner has locked in one file: arithmetic only.
 *
 * The kernel holds the locks; this is our copy of what it holds for an owner, which bounds how many
 * there are and knows which process of the guest asked for each.
 */
#ifndef FUSE_PASSTHROUGH_LOCK_RANGE_H
#define FUSE_PASSTHROUGH_LOCK_RANGE_H

#include <stdint.h>

struct lock_range {
	uint64_t start, end; /* both included */
	uint32_t type;	     /* F_RDLCK or F_WRLCK; F_UNLCK only in what is asked for */
	uint32_t pid;	     /* in the guest */
};

/* Sorted, without overlaps. */
struct lock_ranges {
	struct lock_range *range; /* owned; NULL when n is 0 */
	uint32_t n;
};

/*
 * What `from` becomes when `set` takes the place of whatever was locked there; neighbours that
 * differ in nothing are one. *ret_ranges is owned by the caller. 0 or -ENOMEM.
 */
int lock_ranges_set(const struct lock_ranges *from, const struct lock_range *set,
		    struct lock_ranges *ret_ranges);

/* Ranges that were put down in any order. */
void lock_ranges_sort(struct lock_ranges *ranges);

/* Frees the memory; nothing is locked afterwards. */
void lock_ranges_clear(struct lock_ranges *ranges);

/* The range that holds this byte, or NULL. */
const struct lock_range *lock_ranges_find(const struct lock_ranges *ranges, uint64_t at);

#endif
