/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that go or move: unlink, rmdir, rename.
 */
#include "fuse/passthrough/fs-internal.h"

#include <fcntl.h>
#include <stdio.h>

#define RENAME_FLAGS (RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)

static int remove_name(struct fs_thread *thread, uint64_t parent, const char *name, int flags)
{
	cleanup_node struct node_ref dir = node_of(thread, parent);
	cleanup_node struct node_ref held = { 0 };

	if (!dir.slot)
		return dir.error;
	if (!fs_name_ok(name))
		return -EINVAL;
	if (thread->fs->readonly)
		return -EROFS;
	fs_may_block_on(thread, dir.slot->backing);
	held = fs_hold_name(thread->fs, dir.slot, name, false);
	return neg_errno(unlinkat(dir.slot->fd, name, flags));
}

int fs_unlink(struct fs_thread *thread, uint64_t parent, const char *name)
{
	return remove_name(thread, parent, name, 0);
}

int fs_rmdir(struct fs_thread *thread, uint64_t parent, const char *name)
{
	return remove_name(thread, parent, name, AT_REMOVEDIR);
}

/* The node that was moved is found under its new name from now on. */
static void remember_moved(struct fs *fs, const struct inode_slot *dir, const char *name,
			   struct inode_slot *moved)
{
	struct inode_name place;

	if (moved && fs_name_of(fs, dir, name, &place))
		itab_set_name(&fs->inodes, moved, &place);
}

static int rename_held(struct fs *fs, const struct inode_slot *from, const char *name,
		       const struct inode_slot *to, const char *new_name, uint32_t flags)
{
	cleanup_node struct node_ref moved = { 0 };
	cleanup_node struct node_ref replaced = { 0 };
	int r;

	if (from->flags & INODE_NAMES)
		moved = fs_hold_name(fs, from, name, true);
	if (!(flags & RENAME_NOREPLACE))
		replaced = fs_hold_name(fs, to, new_name, flags & RENAME_EXCHANGE);
	r = neg_errno(renameat2(from->fd, name, to->fd, new_name, flags));
	if (r < 0)
		return r;
	remember_moved(fs, to, new_name, moved.slot);
	if (flags & RENAME_EXCHANGE)
		remember_moved(fs, from, name, replaced.slot);
	return 0;
}

int fs_rename(struct fs_thread *thread, uint64_t parent, const char *name, uint64_t new_parent,
	      const char *new_name, uint32_t flags)
{
	cleanup_node struct node_ref from = node_of(thread, parent);
	cleanup_node struct node_ref to = node_of(thread, new_parent);

	if (!from.slot || !to.slot)
		return from.slot ? to.error : from.error;
	if (!fs_name_ok(name) || !fs_name_ok(new_name) || flags & ~(uint32_t)RENAME_FLAGS)
		return -EINVAL;
	if (thread->fs->readonly)
		return -EROFS;
	if (from.slot->backing == BACKING_REMOTE || to.slot->backing == BACKING_REMOTE)
		fs_may_block(thread);
	return rename_held(thread->fs, from.slot, name, to.slot, new_name, flags);
}
