/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inodes whose device and number are not theirs alone.
 *
 * On an overlay file system without an index, the names of one file of a lower layer are files of
 * their own, and yet have the same number: what is written to one of them is copied up under that
 * name only. The copy then has another number. So files with several names are told apart by the
 * kernel's own idea of sameness: an inotify watch is a property of the inode, and whoever watches
 * the same inode again gets the same watch. Nothing is ever read from the watches.
 */
#ifndef FUSE_PASSTHROUGH_INODE_ALIAS_H
#define FUSE_PASSTHROUGH_INODE_ALIAS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* The device of an identity whose number is a watch. No file system has it. */
#define INODE_ALIAS_DEV	      UINT64_MAX
/* In a number that is none. */
#define INODE_ALIAS_UNWATCHED (UINT64_C(1) << 63)

struct inode_aliases {
	pthread_mutex_t lock; /* of whoever compares watches; outermost, held over system calls */
	int proc_self_fd;     /* borrowed */
	int fd;		      /* owned; atomic; -1 until first needed */
	int32_t *saved;	      /* borrowed, in the arena; `fd` plus one */
	uint32_t n_live;      /* atomic; inodes that are known by a watch */
	uint32_t n_max;	      /* so many may be; the host's other programs need watches, too */
	uint64_t n_unwatched; /* atomic; numbers given where no watch could be had */
};

/* `saved` is borrowed: 0, or left by a predecessor, whose watches go on. */
void alias_init(struct inode_aliases *aliases, int32_t *saved);
/* Ends all watches. Twice is safe. */
void alias_deinit(struct inode_aliases *aliases);

/* With the lock held: a number of the inode that `path_fd` is on, or -errno. */
int alias_watch(struct inode_aliases *aliases, int path_fd);

/* Ends the watch. The number is not given out again for a long time. */
void alias_unwatch(struct inode_aliases *aliases, uint64_t number);

/* A number that no inode has, for one that cannot be watched: it is known, but never recognised. */
uint64_t alias_unwatched(struct inode_aliases *aliases);

static inline bool alias_is_watch(uint64_t dev, uint64_t number)
{
	return dev == INODE_ALIAS_DEV && !(number & INODE_ALIAS_UNWATCHED);
}

/* A number that was given to an inode by a predecessor. */
void alias_adopt(struct inode_aliases *aliases, uint64_t number);

static inline bool alias_full(const struct inode_aliases *aliases)
{
	return __atomic_load_n(&aliases->n_live, __ATOMIC_RELAXED) >= aliases->n_max;
}

static inline bool alias_any(const struct inode_aliases *aliases)
{
	return __atomic_load_n(&aliases->n_live, __ATOMIC_RELAXED);
}

#endif
