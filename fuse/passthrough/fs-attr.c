/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes: getattr, setattr, access.
 *
 * A change goes through the open handle when the guest names one, otherwise through the node's
 * O_PATH descriptor. Owner and times are set with an empty path, which acts on a symbolic link
 * itself; mode and size have no such call and go through /proc/self/fd.
 */
#include "fuse/passthrough/fs-internal.h"

#include <fcntl.h>

#include "fuse/passthrough/creds.h"

/* What a request about attributes acts on. */
struct target {
	struct file_ref file; /* pinned when the guest named a handle */
	struct node_ref node; /* otherwise pinned */
	int fd;
	bool real; /* not O_PATH */
	bool submount;
	bool other_dev;
	uint8_t backing;
};

static void target_put(struct target *target)
{
	file_put(&target->file);
	node_put(&target->node);
}

/* The handle of a node that was not opened serves if it is there; only data need it. */
static int target_file(struct fs_thread *thread, uint64_t nodeid, uint64_t fh, bool for_data,
		       struct file_ref *ret_file)
{
	if (!(fh & FS_FH_OF_NODE))
		*ret_file = file_get_of_node(thread, fh, nodeid);
	else if (!fs_implicit_files(&thread->fs->implicit))
		*ret_file = (struct file_ref){ .error = -EBADF };
	else if (for_data)
		*ret_file = file_of(thread, fh, HANDLE_FILE, HANDLE_WRITES);
	else
		*ret_file = (struct file_ref){ .fs = thread->fs,
					       .slot = fs_implicit_find(thread->fs, nodeid) };
	return ret_file->error;
}

static int target_get(struct fs_thread *thread, uint64_t nodeid, uint64_t fh, bool for_data,
		      struct target *target)
{
	*target = (struct target){ 0 };
	if (fh != FS_NO_FH) {
		int r = target_file(thread, nodeid, fh, for_data, &target->file);

		if (r < 0)
			return r;
	}
	if (target->file.slot) {
		target->fd = target->file.slot->fd;
		target->real = true;
		target->submount = target->file.slot->flags & HANDLE_SUBMOUNT;
		target->other_dev = target->file.slot->flags & HANDLE_OTHER_DEV;
		target->backing = target->file.slot->backing;
		return 0;
	}
	target->node = node_of(thread, nodeid);
	if (!target->node.slot)
		return target->node.error;
	target->fd = target->node.slot->fd;
	target->submount = target->node.slot->flags & INODE_SUBMOUNT;
	target->other_dev = target->node.slot->flags & INODE_OTHER_DEV;
	target->backing = target->node.slot->backing;
	return 0;
}

static int target_attr(struct fs *fs, const struct target *target, struct fs_attr *ret_attr)
{
	int r = fs_statx(target->fd, "", &ret_attr->stx);

	if (r < 0)
		return r;
	ret_attr->submount = false;
	if (target->submount && __atomic_load_n(&fs->submounts, __ATOMIC_RELAXED))
		fs_mark_submount(ret_attr, target->other_dev);
	return 0;
}

int fs_getattr(struct fs_thread *thread, uint64_t nodeid, uint64_t fh, struct fs_attr *ret_attr)
{
	CLEANUP(target_put) struct target target;
	int r = target_get(thread, nodeid, fh, false, &target);

	if (r < 0)
		return r;
	fs_may_block_on(thread, target.backing);
	return target_attr(thread->fs, &target, ret_attr);
}

/* ---- Changes ---- */

static int drop_capability(struct fs_thread *thread, const struct target *target)
{
	if (likely(!thread->fs->renamed_capability.text[0]))
		return 0;
	if (target->real && target->file.slot->kind == HANDLE_FILE)
		return fs_remove_renamed_capability(thread->fs, target->fd);
	if (target->real || target->node.slot->type != S_IFREG)
		return 0;
	return fs_remove_renamed_capability_by_path(thread, target->fd);
}

static int change_owner(struct fs_thread *thread, const struct target *target,
			const struct fs_setattr *set)
{
	uid_t uid = set->set_uid ? set->uid : (uid_t)-1;
	gid_t gid = set->set_gid ? set->gid : (gid_t)-1;
	int r = drop_capability(thread, target);

	if (r < 0)
		return r;
	r = neg_errno(fchownat(target->fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));

	/* An id that is not mapped here is one that may not be given away to. */
	return r == -EINVAL ? -EPERM : r;
}

/*
 * chown(2) without ids: the kernel drops set-id bits, and the time of change moves. A guest that
 * takes care of the bits itself has removed them before if they were to go.
 */
static int touch(struct fs_thread *thread, const struct target *target,
		 const struct fs_setattr *set)
{
	struct statx stx;
	int r = 0;

	if (!set->kill_suidgid) {
		r = fs_statx(target->fd, "", &stx);
		if (r == 0 && !S_ISDIR(stx.stx_mode) && stx.stx_mode & (S_ISUID | S_ISGID))
			return 0;
	}
	return r < 0 ? r : change_owner(thread, target, set);
}

static int change_mode(struct fs *fs, const struct target *target, uint32_t mode)
{
	struct fd_name name = fd_name(target->fd);

	mode &= ~(uint32_t)S_IFMT;
	if (target->real)
		return neg_errno(fchmod(target->fd, mode));
	return neg_errno(fchmodat(fs->proc_self_fd, name.text, mode, 0));
}

static int truncate_fd(const struct fs *fs, int fd, uint64_t size, bool kill_suidgid)
{
	cleanup_creds struct creds_scope scope = { 0 };
	int r = fs_drop_capability(fs, fd);

	if (r == 0 && kill_suidgid)
		r = fs_drop_set_ids(fd, &scope);
	return r < 0 ? r : neg_errno(ftruncate(fd, (off_t)size));
}

/* What can be known before anything is changed. */
static int check_size(const struct target *target, const struct fs_setattr *set)
{
	if (set->size > INT64_MAX)
		return -EINVAL;
	if (target->real)
		return target->file.slot->kind == HANDLE_FILE ? 0 : -EISDIR;
	if (target->node.slot->type == S_IFDIR)
		return -EISDIR;
	return target->node.slot->type == S_IFREG ? 0 : -EINVAL;
}

static int change_size(struct fs *fs, const struct target *target, const struct fs_setattr *set)
{
	cleanup_fd int fd = -1;

	if (target->real)
		return truncate_fd(fs, target->fd, set->size, set->kill_suidgid);
	fd = fd_reopen(fs->proc_self_fd, target->fd, O_WRONLY);
	if (fd < 0)
		return fd;
	return truncate_fd(fs, fd, set->size, set->kill_suidgid);
}

static int change_times(const struct target *target, const struct fs_setattr *set)
{
	struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_nsec = UTIME_OMIT },
	};

	if (set->set_atime)
		times[0] = set->atime;
	if (set->atime_now)
		times[0].tv_nsec = UTIME_NOW;
	if (set->set_mtime)
		times[1] = set->mtime;
	if (set->mtime_now)
		times[1].tv_nsec = UTIME_NOW;
	return neg_errno(utimensat(target->fd, "", times, AT_EMPTY_PATH));
}

/* Two of the values that utimensat(2) would take have a meaning of their own. */
static bool valid_times(const struct fs_setattr *set)
{
	const long limit = 1000000000;

	if (set->set_atime && !set->atime_now &&
	    (set->atime.tv_nsec < 0 || set->atime.tv_nsec >= limit))
		return false;
	return !set->set_mtime || set->mtime_now ||
	       (set->mtime.tv_nsec >= 0 && set->mtime.tv_nsec < limit);
}

/*
 * As one change on Linux looks from outside: a new owner or size drops set-id bits unless the mode
 * comes with it, so the mode follows; times come last because everything else moves them. The
 * owner goes first, being refused most often.
 */
static int change_all(struct fs_thread *thread, const struct target *target,
		      const struct fs_setattr *set)
{
	struct fs *fs = thread->fs;
	int r = 0;

	if (set->touch)
		return touch(thread, target, set);
	if (set->set_size)
		r = check_size(target, set);
	if (r == 0 && (set->set_uid || set->set_gid))
		r = change_owner(thread, target, set);
	if (r == 0 && set->set_size)
		r = change_size(fs, target, set);
	if (r == 0 && set->set_mode)
		r = change_mode(fs, target, set->mode);
	if (r == 0 && (set->set_atime || set->set_mtime || set->atime_now || set->mtime_now))
		r = change_times(target, set);
	return r;
}

int fs_setattr(struct fs_thread *thread, uint64_t nodeid, const struct fs_setattr *set,
	       struct fs_attr *ret_attr)
{
	CLEANUP(target_put) struct target target;
	int r = target_get(thread, nodeid, set->fh, set->set_size, &target);

	if (r < 0)
		return r;
	if (!valid_times(set))
		return -EINVAL;
	if (thread->fs->readonly)
		return -EROFS;
	fs_may_block_on(thread, target.backing);
	r = change_all(thread, &target, set);
	return r < 0 ? r : target_attr(thread->fs, &target, ret_attr);
}

/* ---- Access ---- */

/* By the mode bits; no guest that leaves permissions to its own kernel asks this. */
static bool mode_allows(const struct statx *stx, const struct fs_caller *caller, uint32_t mask)
{
	uint32_t bits = stx->stx_mode;

	if (!caller->uid)
		return !(mask & X_OK) || S_ISDIR(bits) || bits & 0111;
	if (caller->uid == stx->stx_uid)
		bits >>= 6;
	else if (caller->gid == stx->stx_gid ||
		 (caller->has_group && caller->group == stx->stx_gid))
		bits >>= 3;
	return (bits & mask) == mask;
}

int fs_access(struct fs_thread *thread, const struct fs_caller *caller, uint64_t nodeid,
	      uint32_t mask)
{
	cleanup_node struct node_ref node = node_of(thread, nodeid);
	struct statx stx;
	int r;

	if (!node.slot)
		return node.error;
	if (mask & ~(uint32_t)(R_OK | W_OK | X_OK))
		return -EINVAL;
	fs_may_block_on(thread, node.slot->backing);
	r = fs_statx(node.slot->fd, "", &stx);
	if (r < 0)
		return r;
	if (thread->fs->readonly && mask & W_OK)
		return -EROFS;
	return mode_allows(&stx, caller, mask) ? 0 : -EACCES;
}
