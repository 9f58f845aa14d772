/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors within their budget: which inodes give theirs up, and how they get one again.
 *
 * A cold inode is opened by its file handle where the daemon may do that, otherwise by the name it
 * was last seen under, in a directory that may have to be opened in the same way first. Whatever
 * was opened is compared with what is known of the inode before it is used. An inode that could
 * not be found again keeps its descriptor: one without a name, and one whose name leads elsewhere
 * by now. That is why names that are about to go are looked at first (fs_hold_name). What the host
 * removes while it is cold is gone, unless the guest has it open: an open file leads back to it.
 */
#ifndef FUSE_PASSTHROUGH_FS_COLD_H
#define FUSE_PASSTHROUGH_FS_COLD_H

#include <stdbool.h>
#include <stdint.h>

#include "fuse/passthrough/fs.h"
#include "fuse/passthrough/inode-table.h"

/* INODE_HANDLES, INODE_NAMES and INODE_DIRS_LAST for what is on the mount of `fd`. */
uint8_t fs_mount_flags(const struct fs *fs, int fd, uint8_t backing);

/*
 * Charges for one descriptor that is going to stay; an inode or an implicit handle that is not in
 * use gives way when there is no other. -ENFILE when none can.
 */
int fs_charge(struct fs *fs);

/*
 * After a failed call: whether it failed for want of descriptors, some could be freed, and it makes
 * sense to try again. `n_tries` starts at 0.
 */
bool fs_try_again(struct fs *fs, int error, unsigned int *n_tries);

/* A pinned cold inode becomes warm. -ESTALE when it is gone, or whatever opening it says. */
int fs_warm(struct fs *fs, struct inode_slot *slot);

/* How a name that leads to a node is remembered; `text` may be NULL. NULL when it is not. */
const struct inode_name *fs_name_of(const struct fs *fs, const struct inode_slot *dir,
				    const char *text, struct inode_name *name);

#endif
