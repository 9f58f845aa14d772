/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks: byte ranges (fcntl) and whole open files (flock).
 *
 * Byte ranges are locked on a description of the owner's own (lock-table.h), opened from the handle
 * the guest named. A whole file is locked on the handle's own description, which stands for exactly
 * one open file of the guest and goes with it. Nothing here waits for a lock: who wants to wait
 * asks again.
 *
 * When the owner goes: closing any descriptor of a file makes the guest flush it with the owner's
 * id, which unlocks as closing does on Linux. Locks that belong to an open file instead of a
 * process are not flushed; they go when the handle they were taken through is released.
 */
#include "fuse/passthrough/fs-internal.h"

#include <fcntl.h>
#include <sys/file.h>

/* Owners that vanish under us this often do so on purpose. */
#define MAX_TRIES 4

/* As fcntl(2) answers what cannot be a range of bytes. */
static int check_range(const struct fs_lock *lock)
{
	if (lock->type != F_RDLCK && lock->type != F_WRLCK && lock->type != F_UNLCK)
		return -EINVAL;
	if (lock->start > INT64_MAX || lock->start > lock->end)
		return -EINVAL;
	return lock->end > INT64_MAX ? -EOVERFLOW : 0;
}

static struct lock_range range_of(const struct fs_lock *lock)
{
	return (struct lock_range){
		.start = lock->start,
		.end = lock->end,
		.type = lock->type,
		.pid = lock->pid,
	};
}

/*
 * A description that can take locks of both kinds, as far as the file permits. The owner may come
 * back through a handle with other rights, so the handle's own do not count.
 */
static int open_for_locks(const struct fs *fs, int handle_fd)
{
	static const int modes[] = { O_RDWR, O_RDONLY, O_WRONLY };
	int fd = -EBADF;

	for (unsigned int i = fs->readonly ? 1 : 0; i < ARRAY_SIZE(modes) && fd < 0; i++)
		fd = fd_reopen(fs->proc_self_fd, handle_fd, modes[i]);
	return fd;
}

static int get_owner(struct fs *fs, const struct handle_slot *slot, uint64_t fh,
		     const struct lock_key *key, struct lock_owner **ret_owner)
{
	int fd;

	*ret_owner = ltab_get(&fs->locks, key, fh);
	if (*ret_owner)
		return 0;
	if (ltab_full(&fs->locks))
		return -ENOLCK;
	fd = open_for_locks(fs, slot->fd);
	return fd < 0 ? fd : ltab_add(&fs->locks, key, fh, fd, ret_owner);
}

/* 1: the owner was dropped meanwhile. */
static int set_lock(struct fs *fs, const struct handle_slot *slot, uint64_t fh,
		    const struct fs_lock *lock)
{
	const struct lock_key key = { slot->nodeid, lock->owner };
	const struct lock_range range = range_of(lock);
	struct lock_owner *owner;
	int r;

	if (lock->type == F_UNLCK) {
		owner = ltab_get(&fs->locks, &key, fh);
		if (!owner)
			return 0;
	} else {
		r = get_owner(fs, slot, fh, &key, &owner);
		if (r < 0)
			return r;
	}
	r = ltab_set(&fs->locks, owner, &range);
	ltab_put(&fs->locks, owner);
	return r;
}

int fs_setlk(struct fs_thread *thread, uint64_t fh, const struct fs_lock *lock)
{
	struct fs *fs = thread->fs;
	cleanup_file struct file_ref file = file_get(fs, fh, HANDLE_FILE);
	int r = check_range(lock);

	if (!file.slot)
		return -EBADF;
	if (r < 0)
		return r;
	fs_may_block_on(thread, file.slot->backing);
	r = set_lock(fs, file.slot, fh, lock);
	for (int i = 1; i < MAX_TRIES && r == 1; i++)
		r = set_lock(fs, file.slot, fh, lock);
	/* Released meanwhile: either the release has seen this lock, or we see the release. */
	if (!htab_live(file.slot)) {
		ltab_drop_handle(&fs->locks, file.slot->nodeid, fh);
		return -EBADF;
	}
	return r == 1 ? -EAGAIN : r;
}

static void fill_conflict(struct fs *fs, const struct lock_key *key, const struct flock *flock,
			  struct fs_lock *lock)
{
	lock->type = (uint32_t)flock->l_type;
	lock->pid = 0;
	if (lock->type == F_UNLCK)
		return;
	lock->start = (uint64_t)flock->l_start;
	lock->end = flock->l_len ? lock->start + (uint64_t)flock->l_len - 1 : INT64_MAX;
	/* A process of the host is nobody in the guest; a description has no process. */
	if (flock->l_pid == -1)
		lock->pid = ltab_pid_of(&fs->locks, key, lock->start);
}

int fs_getlk(struct fs_thread *thread, uint64_t fh, struct fs_lock *lock)
{
	struct fs *fs = thread->fs;
	cleanup_file struct file_ref file = file_get(fs, fh, HANDLE_FILE);
	const struct lock_range range = range_of(lock);
	struct flock flock = ltab_flock(&range);
	struct lock_owner *owner;
	struct lock_key key;
	int r = check_range(lock);

	if (!file.slot)
		return -EBADF;
	if (r < 0)
		return r;
	if (lock->type == F_UNLCK)
		return -EINVAL;
	fs_may_block_on(thread, file.slot->backing);
	key = (struct lock_key){ file.slot->nodeid, lock->owner };
	owner = ltab_get(&fs->locks, &key, LTAB_SAME_FH);
	/* No bytes are locked on the handle's own description: everybody is somebody else to it. */
	r = neg_errno(fcntl(owner ? owner->fd : file.slot->fd, F_OFD_GETLK, &flock));
	if (owner)
		ltab_put(&fs->locks, owner);
	if (r == 0)
		fill_conflict(fs, &key, &flock, lock);
	return r;
}

int fs_drop_locks(struct fs_thread *thread, uint64_t fh, uint64_t owner)
{
	cleanup_file struct file_ref file = file_get(thread->fs, fh, HANDLE_FILE);
	struct lock_key key = { .owner = owner };

	if (!file.slot)
		return -EBADF;
	if (ltab_empty(&thread->fs->locks))
		return 0;
	fs_may_block_on(thread, file.slot->backing);
	key.nodeid = file.slot->nodeid;
	return ltab_drop_owner(&thread->fs->locks, &key) > 0;
}

void fs_drop_handle_locks(struct fs *fs, uint64_t nodeid, uint64_t fh)
{
	if (fs->locks.max_owners)
		ltab_drop_handle(&fs->locks, nodeid, fh);
}

int fs_flock(struct fs_thread *thread, uint64_t fh, uint32_t type)
{
	cleanup_file struct file_ref file = file_get(thread->fs, fh, HANDLE_FILE);
	int operation;

	if (!file.slot)
		return -EBADF;
	switch (type) {
	case F_RDLCK:
		operation = LOCK_SH | LOCK_NB;
		break;
	case F_WRLCK:
		operation = LOCK_EX | LOCK_NB;
		break;
	case F_UNLCK:
		operation = LOCK_UN;
		break;
	default:
		return -EINVAL;
	}
	fs_may_block_on(thread, file.slot->backing);
	return neg_errno(flock(file.slot->fd, operation));
}
