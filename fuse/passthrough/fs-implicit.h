/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and directories without OPEN: descriptors by inode, for guests that send nodeids only.
 *
 * An inode has at most one implicit handle at a time (handle-table.h). It is opened when a request
 * first needs it, for reading only until somebody writes, and closed when the inode is forgotten
 * or when descriptors are wanted and nobody has used it for a while. What a guest has open is not
 * known here, so what could not be opened again is the last to be closed: a file whose mode
 * forbids it by now. A removed file stays with its inode, which keeps its own descriptor (fs-cold.h).
 */
#ifndef FUSE_PASSTHROUGH_FS_IMPLICIT_H
#define FUSE_PASSTHROUGH_FS_IMPLICIT_H

#include <stdbool.h>
#include <stdint.h>

#include "fuse/passthrough/fs.h"
#include "fuse/passthrough/handle-table.h"
#include "fuse/passthrough/inode-table.h"

struct fs_implicit {
	/* Owned, atomic, per inode slot: the slot of its handle plus one; a hint. NULL: never. */
	uint32_t *handle;
	uint32_t n_inodes;
	uint32_t max;  /* so many handles */
	bool on_tmpfs; /* positions in its directories last */
	bool files;    /* atomic; negotiated */
	bool dirs;     /* atomic; negotiated */
};

/* After the tables, which may hold handles of a predecessor. */
int fs_implicit_init(struct fs *fs, const struct fs_options *options);
void fs_implicit_deinit(struct fs *fs);

static inline bool fs_implicit_files(const struct fs_implicit *implicit)
{
	return __atomic_load_n(&implicit->files, __ATOMIC_RELAXED);
}

/* The pinned handle of a node that has one; NULL otherwise. */
struct handle_slot *fs_implicit_find(struct fs *fs, uint64_t nodeid);

/*
 * The pinned handle of a node that can do what `needs` says (HANDLE_READS, HANDLE_WRITES,
 * HANDLE_APPENDS, or 0), opened where necessary. -EBADF when INIT has not agreed on it.
 */
int fs_implicit_get(struct fs_thread *thread, uint64_t nodeid, enum handle_kind kind,
		    uint16_t needs, struct handle_slot **ret_slot);

/*
 * Makes `fd` the handle of a pinned inode; taken, also on failure, and charged as by fs_add_file().
 * `can` as `needs` above. The handle is pinned.
 */
struct fs_room;
int fs_implicit_add(struct fs *fs, const struct inode_slot *inode, int fd, uint16_t can,
		    struct fs_room *room, struct handle_slot **ret_slot);

/* The node has no handle any more. */
void fs_implicit_drop(struct fs *fs, uint64_t nodeid);

/* Closes one that is not in use. False when there is none. */
bool fs_implicit_close_one(struct fs *fs);

/* Whether there are so many that they should give way before inodes do. */
bool fs_implicit_are_many(const struct fs *fs);

#endif
