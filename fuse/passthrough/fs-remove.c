/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that go or move: unlink, rmdir, rename.
 */
#include "fuse/passthrough/fs-internal.h"

#include <fcntl.h>
#include <stdio.h>

#include "fuse/passthrough/creds.h"

#define RENAME_FLAGS (RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)

static int remove_name(struct fs_thread *thread, uint64_t parent, const char *name, int flags)
{
	cleanup_node struct node_ref dir = node_get(thread->fs, parent);

	if (!dir.slot)
		return -ESTALE;
	if (!fs_name_ok(name))
		return -EINVAL;
	if (thread->fs->readonly)
		return -EROFS;
	fs_may_block_on(thread, dir.slot->backing);
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

/* A whiteout is a new node; the guest has checked everything else. */
static int become_whiteout_owner(struct creds_scope *scope, const struct fs_caller *caller,
				 uint32_t flags)
{
	if (!(flags & RENAME_WHITEOUT) || caller->uid == FS_NO_ID || caller->gid == FS_NO_ID)
		return 0;
	return creds_become(scope, caller,
			    CREDS_KEEP_DAC_OVERRIDE | CREDS_KEEP_FOWNER | CREDS_KEEP_MKNOD);
}

int fs_rename(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	      const char *name, uint64_t new_parent, const char *new_name, uint32_t flags)
{
	cleanup_creds struct creds_scope scope = { 0 };
	cleanup_node struct node_ref from = node_get(thread->fs, parent);
	cleanup_node struct node_ref to = node_get(thread->fs, new_parent);
	int r;

	if (!from.slot || !to.slot)
		return -ESTALE;
	if (!fs_name_ok(name) || !fs_name_ok(new_name) || flags & ~(uint32_t)RENAME_FLAGS)
		return -EINVAL;
	if (thread->fs->readonly)
		return -EROFS;
	if (from.slot->backing == BACKING_REMOTE || to.slot->backing == BACKING_REMOTE)
		fs_may_block(thread);
	r = become_whiteout_owner(&scope, caller, flags);
	if (r < 0)
		return r;
	return neg_errno(renameat2(from.slot->fd, name, to.slot->fd, new_name, flags));
}
