/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that go or move: unlink, rmdir, rename.
 */
#include "fuse/passthrough/fs-internal.h"

#include <fcntl.h>
#include <stdio.h>

#include "fuse/passthrough/creds.h"

#define RENAME_FLAGS (RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)

/* What was read of directories before is out of date. */
static void count_removal(struct fs *fs)
{
	__atomic_fetch_add(&fs->n_removals, 1, __ATOMIC_RELEASE);
}

/*
 * A guest that does not say what it has open may have this file open: unless it can be kept, it is
 * not to be removed. That it is gone already is no reason.
 */
static int may_remove(const struct fs *fs, const struct node_ref *held)
{
	if (!fs_implicit_files(&fs->implicit) || held->error == -ESTALE)
		return 0;
	return held->error;
}

/* Whether a dead worker has done it, and what was answered or goes wrong. */
static bool removed_before(struct fs_thread *thread, const struct inode_slot *dir, const char *name,
			   int *ret_r)
{
	if (likely(!intent_repeats(thread->inflight)))
		return false;
	if (intent_is_done(thread->inflight, ret_r))
		return true;
	*ret_r = intent_name(thread, dir, name);
	if (*ret_r == INTENT_NAME_SAME)
		return false;
	*ret_r = MIN(*ret_r, 0);
	return true;
}

static int remove_name(struct fs_thread *thread, uint64_t parent, const char *name, int flags)
{
	cleanup_node struct node_ref dir = node_of(thread, parent);
	cleanup_node struct node_ref held = { 0 };
	int r;

	if (!dir.slot)
		return dir.error;
	if (!fs_name_ok(name))
		return -EINVAL;
	if (thread->fs->readonly)
		return -EROFS;
	fs_may_block_on(thread, dir.slot->backing);
	if (removed_before(thread, dir.slot, name, &r))
		return r;
	held = fs_hold_name(thread->fs, dir.slot, name, false);
	r = may_remove(thread->fs, &held);
	if (r < 0)
		return r;
	intent_begin_timed(thread->inflight);
	r = neg_errno(unlinkat(dir.slot->fd, name, flags));
	if (r < 0)
		return r;
	intent_done(thread->inflight, 0);
	count_removal(thread->fs);
	return 0;
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
	return creds_become(scope, caller, CREDS_KEEP_FOWNER | CREDS_KEEP_MKNOD);
}

/* The node that was moved is found under its new name from now on. */
static void remember_moved(struct fs *fs, const struct inode_slot *dir, const char *name,
			   struct inode_slot *moved)
{
	struct inode_name place;

	if (moved && fs_name_of(fs, dir, name, &place))
		itab_set_name(&fs->inodes, moved, &place);
}

struct move {
	const struct inode_slot *from, *to; /* directories, pinned */
	const char *name, *new_name;
	uint32_t flags;
};

static int rename_as(const struct fs_caller *caller, const struct move *move)
{
	cleanup_creds struct creds_scope scope = { 0 };
	int r = become_whiteout_owner(&scope, caller, move->flags);

	if (r < 0)
		return r;
	return neg_errno(
		renameat2(move->from->fd, move->name, move->to->fd, move->new_name, move->flags));
}

/* 1 when a dead worker has done it, 0 when it is to be done, or -errno. */
static int moved_before(struct fs_thread *thread, const struct move *move)
{
	struct statx stx;
	int r;

	if (intent_is_done(thread->inflight, &r))
		return 1;
	if (move->flags & RENAME_EXCHANGE)
		return intent_exchange(thread, move->from->fd, move->name, move->to->fd,
				       move->new_name);
	if (likely(!intent_repeats(thread->inflight))) {
		intent_begin_timed(thread->inflight);
		return 0;
	}
	r = intent_name(thread, move->from, move->name);
	if (r == INTENT_NAME_SAME || r < 0)
		return r < 0 ? r : 0;
	r = fs_statx(move->to->fd, move->new_name, &stx);
	return r < 0 ? r : 1;
}

static void remember_all(struct fs *fs, const struct move *move)
{
	cleanup_node struct node_ref moved = { 0 };
	cleanup_node struct node_ref replaced = { 0 };

	if (!(move->from->flags & INODE_NAMES))
		return;
	moved = fs_hold_name(fs, move->to, move->new_name, true);
	remember_moved(fs, move->to, move->new_name, moved.slot);
	if (!(move->flags & RENAME_EXCHANGE))
		return;
	replaced = fs_hold_name(fs, move->from, move->name, true);
	remember_moved(fs, move->from, move->name, replaced.slot);
}

static int rename_held(struct fs_thread *thread, const struct fs_caller *caller,
		       const struct move *move)
{
	struct fs *fs = thread->fs;
	cleanup_node struct node_ref moved = { 0 };
	cleanup_node struct node_ref replaced = { 0 };
	bool exchange = move->flags & RENAME_EXCHANGE;
	int r = moved_before(thread, move);

	if (unlikely(r)) {
		if (r > 0)
			remember_all(fs, move);
		return MIN(r, 0);
	}
	if (move->from->flags & INODE_NAMES)
		moved = fs_hold_name(fs, move->from, move->name, true);
	if (!(move->flags & RENAME_NOREPLACE))
		replaced = fs_hold_name(fs, move->to, move->new_name, exchange);
	r = exchange ? 0 : may_remove(fs, &replaced);
	if (r == 0)
		r = rename_as(caller, move);
	if (r < 0)
		return r;
	intent_done(thread->inflight, 0);
	count_removal(fs);
	remember_moved(fs, move->to, move->new_name, moved.slot);
	if (exchange)
		remember_moved(fs, move->from, move->name, replaced.slot);
	return 0;
}

int fs_rename(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	      const char *name, uint64_t new_parent, const char *new_name, uint32_t flags)
{
	cleanup_node struct node_ref from = node_of(thread, parent);
	cleanup_node struct node_ref to = node_of(thread, new_parent);
	const struct move move = { from.slot, to.slot, name, new_name, flags };

	if (!from.slot || !to.slot)
		return from.slot ? to.error : from.error;
	if (!fs_name_ok(name) || !fs_name_ok(new_name) || flags & ~(uint32_t)RENAME_FLAGS)
		return -EINVAL;
	if (thread->fs->readonly)
		return -EROFS;
	if (from.slot->backing == BACKING_REMOTE || to.slot->backing == BACKING_REMOTE)
		fs_may_block(thread);
	return rename_held(thread, caller, &move);
}
