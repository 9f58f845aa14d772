/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files: open, release, flush, fsync, and what the guest may cache of them.
 *
 * Only regular files are opened here, through /proc/self/fd of the node's O_PATH descriptor whose
 * type is known, so that nothing a guest or a host process does to names can lead elsewhere.
 */
#include "fuse/passthrough/fs-internal.h"

#include <fcntl.h>

#include "fuse/passthrough/creds.h"

/*
 * O_APPEND is not passed on: write-back has to hit its offsets, other writes ask for it each. The
 * access mode 3 stays what it is on Linux: both permissions are needed, for a descriptor that can
 * neither read nor write and is good for ioctl(2).
 */
int fs_host_flags(const struct fs *fs, uint32_t guest_flags, int *ret_flags)
{
	uint32_t access = guest_flags & GUEST_O_ACCMODE;
	int flags;

	if (fs->readonly && (access || guest_flags & GUEST_O_TRUNC))
		return -EROFS;
	flags = access == 0 ? O_RDONLY : access == 1 ? O_WRONLY : access == 2 ? O_RDWR : O_ACCMODE;
	/*
	 * To write back a page in part, the guest first reads it, through any handle it has. What
	 * stands for all of its opens has to serve readers, too.
	 */
	if ((access == 1 && fs_has_writeback(fs)) || (access && fs_implicit_files(&fs->implicit)))
		flags = O_RDWR;
	if (guest_flags & GUEST_O_TRUNC)
		flags |= O_TRUNC;
	*ret_flags = flags;
	/* The rest is about one open file of many. */
	if (fs_implicit_files(&fs->implicit))
		return 0;
	if ((guest_flags & GUEST_O_SYNC) == GUEST_O_SYNC)
		flags |= O_SYNC;
	else if (guest_flags & GUEST_O_DSYNC)
		flags |= O_DSYNC;
	if (guest_flags & GUEST_O_DIRECT && fs->allow_direct_io)
		flags |= O_DIRECT;
	if (guest_flags & GUEST_O_NOATIME)
		flags |= O_NOATIME;
	*ret_flags = flags;
	return 0;
}

static void cache_hints(const struct fs *fs, uint8_t backing, struct fs_opened *opened)
{
	opened->direct_io = fs->cache == FS_CACHE_NEVER || fs->cache == FS_CACHE_METADATA;
	opened->parallel_direct_writes = opened->direct_io;
	opened->keep_cache = fs->cache == FS_CACHE_ALWAYS;
	opened->cache_dir = false;
	opened->no_flush = backing != BACKING_REMOTE;
}

static int add_implicit(struct fs *fs, const struct inode_slot *slot, uint32_t guest_flags, int fd,
			struct fs_room *room, struct fs_opened *ret_opened)
{
	uint16_t writes = HANDLE_WRITES | HANDLE_APPENDS;
	uint16_t can = HANDLE_READS | (guest_flags & GUEST_O_ACCMODE ? writes : 0);
	struct handle_slot *handle;
	int r = fs_implicit_add(fs, slot, fd, can, room, &handle);

	if (r < 0)
		return r;
	htab_put(&fs->handles, handle);
	ret_opened->fh = 0;
	cache_hints(fs, slot->backing, ret_opened);
	return 0;
}

int fs_add_file(struct fs *fs, const struct inode_slot *slot, uint32_t guest_flags, int fd,
		struct fs_room *room, struct fs_opened *ret_opened)
{
	struct handle_new file = {
		.nodeid = itab_nodeid(&fs->inodes, slot),
		.fd = fd,
		.kind = HANDLE_FILE,
		.backing = slot->backing,
		.no_nowait = fs_mount_waits(fs, slot->id.mnt_id),
		.reserved = room ? room->handle : 0,
		.note = room ? room->note_handle : NULL,
	};
	int r;

	if (fs_implicit_files(&fs->implicit))
		return add_implicit(fs, slot, guest_flags, fd, room, ret_opened);
	/* A guest that writes back knows where the file ends, and the host does not yet. */
	if (guest_flags & GUEST_O_APPEND && !fs_has_writeback(fs))
		file.flags |= HANDLE_APPEND;
	if (guest_flags & GUEST_O_DIRECT && fs->allow_direct_io)
		file.flags |= HANDLE_DIRECT;
	r = fs_room_charge(fs, room);
	if (r < 0) {
		fd_close(&file.fd);
		return r;
	}
	if (room)
		room->handle = 0;
	r = htab_add(&fs->handles, &file, &ret_opened->fh);
	if (r < 0)
		return r;
	cache_hints(fs, slot->backing, ret_opened);
	return 0;
}

/*
 * A share that is read only should not get new access times either. Without the right to that, which
 * the guest has asked its own caller for, nothing worse comes of leaving it out.
 */
int fs_open_quietly(const struct fs *fs, int path_fd, int flags)
{
	int fd;

	if (fs->readonly)
		flags |= O_NOATIME;
	fd = fd_reopen(fs->proc_self_fd, path_fd, flags);
	if (fd == -EPERM && flags & O_NOATIME)
		fd = fd_reopen(fs->proc_self_fd, path_fd, flags & ~O_NOATIME);
	return fd;
}

int fs_drop_set_ids(int fd, struct creds_scope *scope)
{
	struct stat st;
	bool lone;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!(st.st_mode & (S_ISUID | S_ISGID)))
		return 0;
	lone = st.st_mode & S_ISGID && !(st.st_mode & S_IXGRP);
	return creds_drop_fsetid(scope, lone ? st.st_gid : FS_NO_ID);
}

static int open_regular(const struct fs *fs, int path_fd, int flags, uint32_t guest_flags,
			bool drop_ids)
{
	cleanup_creds struct creds_scope scope = { 0 };
	bool append = guest_flags & GUEST_O_APPEND;
	int fd;
	int r = drop_ids ? fs_drop_set_ids(path_fd, &scope) : 0;

	if (r < 0)
		return r;
	fd = fs_open_quietly(fs, path_fd, flags);
	/* Reading was our wish only. Without it, whole pages can still be written back. */
	if (fd == -EACCES && flags & O_RDWR && (guest_flags & GUEST_O_ACCMODE) == O_WRONLY)
		fd = fs_open_quietly(fs, path_fd, (flags & ~O_RDWR) | O_WRONLY);
	/* A file with the append-only attribute is writable in no other way. */
	if (fd == -EPERM && append)
		fd = fs_open_quietly(fs, path_fd, flags | O_APPEND);
	return fd;
}

static int type_error(uint16_t type)
{
	if (type == S_IFDIR)
		return -EISDIR;
	return type == S_IFLNK ? -ELOOP : -EBADF;
}

bool fs_opened_before(struct fs_thread *thread, const struct inode_slot *slot,
		      enum handle_kind kind, struct fs_opened *ret_opened)
{
	uint64_t fh = intent_get(thread->inflight, INTENT_HANDLE);
	cleanup_file struct file_ref file = { 0 };

	if (likely(!fh))
		return false;
	file = file_get(thread->fs, fh, kind);
	if (!file.slot || file.slot->nodeid != itab_nodeid(&thread->fs->inodes, slot))
		return false;
	ret_opened->fh = fh;
	if (kind == HANDLE_FILE)
		cache_hints(thread->fs, slot->backing, ret_opened);
	return true;
}

int fs_open_node(struct fs_thread *thread, const struct inode_slot *slot, uint32_t flags,
		 bool kill_suidgid, struct fs_opened *ret_opened)
{
	struct fs *fs = thread->fs;
	struct fs_room room = { .note_handle = intent_place(thread->inflight, INTENT_HANDLE) };
	bool drop_ids = kill_suidgid && flags & GUEST_O_TRUNC;
	cleanup_fd int fd = -1;
	unsigned int n_tries = 0;
	int host_flags;
	int r;

	if (slot->type != S_IFREG)
		return type_error(slot->type);
	if (fs_opened_before(thread, slot, HANDLE_FILE, ret_opened))
		return 0;
	r = fs_host_flags(fs, flags, &host_flags);
	if (r < 0)
		return r;
	do {
		fd = open_regular(fs, slot->fd, host_flags, flags, drop_ids);
	} while (fd < 0 && fs_try_again(fs, fd, &n_tries));
	if (fd < 0)
		return fd;
	r = flags & GUEST_O_TRUNC ? fs_drop_capability(fs, fd) : 0;
	if (r < 0)
		return r;
	if (!fs_implicit_files(&fs->implicit))
		return fs_add_file(fs, slot, flags, take_fd(&fd), &room, ret_opened);
	/* It is truncated and may be opened; the first use does so, in the way that it needs. */
	ret_opened->fh = 0;
	cache_hints(fs, slot->backing, ret_opened);
	return 0;
}

int fs_open(struct fs_thread *thread, uint64_t nodeid, uint32_t flags, bool kill_suidgid,
	    struct fs_opened *ret_opened)
{
	cleanup_node struct node_ref node = node_of(thread, nodeid);

	if (!node.slot)
		return node.error;
	fs_may_block_on(thread, node.slot->backing);
	intent_begin(thread->inflight);
	return fs_open_node(thread, node.slot, flags, kill_suidgid, ret_opened);
}

static int release_handle(struct fs_thread *thread, uint64_t fh, enum handle_kind kind)
{
	cleanup_file struct file_ref file = file_get(thread->fs, fh, kind);
	int r;

	if (!file.slot) {
		if (likely(!intent_repeats(thread->inflight)))
			return -EBADF;
		fs_drop_handle_locks(thread->fs, thread->inflight->word[INTENT_NODEID], fh);
		return 0;
	}
	fs_may_block_on(thread, file.slot->backing);
	intent_begin(thread->inflight);
	intent_set(thread->inflight, INTENT_NODEID, file.slot->nodeid);
	r = htab_release(file.slot);
	if (r == 0)
		fs_drop_handle_locks(thread->fs, file.slot->nodeid, fh);
	return r;
}

int fs_release(struct fs_thread *thread, uint64_t fh)
{
	return release_handle(thread, fh, HANDLE_FILE);
}

int fs_releasedir(struct fs_thread *thread, uint64_t fh)
{
	return release_handle(thread, fh, HANDLE_DIR);
}

/* The kernel tells a failed write-back only once. */
static int told_once(struct fs_thread *thread, int r)
{
	if (unlikely(r < 0))
		intent_done(thread->inflight, r);
	return r;
}

/* Closing a copy of the descriptor makes a remote file system write back and report. */
int fs_flush(struct fs_thread *thread, uint64_t fh)
{
	cleanup_file struct file_ref file = file_get(thread->fs, fh, HANDLE_FILE);
	int copy, r;

	if (!file.slot)
		return -EBADF;
	if (file.slot->backing != BACKING_REMOTE)
		return 0;
	if (intent_is_done(thread->inflight, &r))
		return r;
	fs_may_block(thread);
	copy = fcntl(file.slot->fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	return told_once(thread, neg_errno(close(copy)));
}

static int sync_handle(struct fs_thread *thread, uint64_t fh, enum handle_kind kind, bool datasync)
{
	cleanup_file struct file_ref file = file_of(thread, fh, kind, 0);
	int r;

	if (!file.slot)
		return file.error;
	if (intent_is_done(thread->inflight, &r))
		return r;
	fs_may_wait_for_disk(thread, file.slot->backing);
	r = neg_errno(datasync ? fdatasync(file.slot->fd) : fsync(file.slot->fd));
	return told_once(thread, r);
}

int fs_fsync(struct fs_thread *thread, uint64_t fh, bool datasync)
{
	return sync_handle(thread, fh, HANDLE_FILE, datasync);
}

int fs_fsyncdir(struct fs_thread *thread, uint64_t fh, bool datasync)
{
	return sync_handle(thread, fh, HANDLE_DIR, datasync);
}
