/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an O_PATH descriptor to a usable one, and what kind of file system lies behind it.
 */
#ifndef FUSE_PASSTHROUGH_INODE_FD_H
#define FUSE_PASSTHROUGH_INODE_FD_H

#include <stdbool.h>
#include <stdint.h>

/* How long a system call on the file system may take, and whether it reports at close(2). */
enum backing {
	BACKING_REMOTE, /* network, FUSE, or not known: anything may wait, close may fail */
	BACKING_LOCAL,	/* on a local disk: what is not cached waits */
	BACKING_MEMORY, /* never waits */
};

enum backing backing_of(int fd);
bool fd_on_overlay(int fd);

/*
 * Whether a position in a directory means the same to a descriptor that is opened later, whatever
 * is made and removed in between. False where that is not known. `tmpfs_too`: see the next.
 */
bool dir_positions_last(int fd, bool tmpfs_too);

/* Whether that holds for tmpfs on this kernel. */
bool tmpfs_positions_last(void);

/* The name of a descriptor in /proc/self/fd. */
struct fd_name {
	char text[12];
};

struct fd_name fd_name(int fd);

/*
 * Opens what `fd` refers to again with `flags`; follows no symbolic link but the magic one. Returns
 * the new descriptor or -errno. The caller has checked that it is a regular file or a directory,
 * or passes O_PATH.
 */
int fd_reopen(int proc_self_fd, int fd, int flags);

/* The same with O_PATH, of anything. */
int fd_reopen_path(int proc_self_fd, int fd);

#endif
