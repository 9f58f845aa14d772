/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File data: read, write, lseek, fallocate, copy_file_range.
 *
 * A short read tells the guest that the file ends there, and it believes that. So a read goes on
 * until it has everything, or until the kernel says with a result of 0 that this is the end.
 */
#include "fuse/passthrough/fs-internal.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>

#include "base/iov.h"
#include "fuse/passthrough/creds.h"

/* ---- Read ---- */

struct read_run {
	const struct iovec *iov;
	unsigned int n_iov;
	int fd;
	uint64_t offset;
	size_t done;
	size_t total;
};

/* What is left after a first part; its iovecs need a copy, which the usual read does not pay. */
static __attribute__((__noinline__)) ssize_t read_rest(const struct read_run *run, int rwf)
{
	struct iovec part[256];
	struct iov_cursor cur;
	unsigned int n;
	size_t len;

	iov_cursor_init(&cur, run->iov, run->n_iov);
	iov_skip(&cur, run->done);
	n = iov_slice(&cur, run->total - run->done, part, ARRAY_SIZE(part), &len);
	return neg_errno(preadv2(run->fd, part, (int)n, (off_t)(run->offset + run->done), rwf));
}

static ssize_t read_next(const struct read_run *run, int rwf)
{
	if (run->done)
		return read_rest(run, rwf);
	return neg_errno(preadv2(run->fd, run->iov, (int)MIN(run->n_iov, (unsigned int)IOV_MAX),
				 (off_t)run->offset, rwf));
}

/*
 * Reads until all is there, the file ends, or (with RWF_NOWAIT) the kernel would have to wait:
 * -EAGAIN, and the run can be continued. After a first part an error is still an error: the guest
 * would take the part for the whole file.
 */
static ssize_t read_run(struct read_run *run, int rwf)
{
	while (run->done < run->total) {
		ssize_t r = read_next(run, rwf);

		if (r < 0)
			return r;
		if (r == 0)
			break;
		run->done += (size_t)r;
	}
	return (ssize_t)run->done;
}

static bool may_read_nowait(const struct fs_thread *thread, const struct handle_slot *slot)
{
	return thread->about_to_block && slot->backing == BACKING_LOCAL &&
	       !(slot->flags & HANDLE_DIRECT) &&
	       !__atomic_load_n(&slot->no_nowait, __ATOMIC_RELAXED);
}

/* Overlays, for one, never can: the next file opened on the mount need not try. */
static __attribute__((__noinline__)) void remember_waits(struct fs *fs, struct handle_slot *slot)
{
	cleanup_node struct node_ref node = node_pin(fs, slot->nodeid);

	__atomic_store_n(&slot->no_nowait, 1, __ATOMIC_RELAXED);
	if (!node.slot || fs_mount_waits(fs, node.slot->id.mnt_id))
		return;
	for (unsigned int i = 0; i < FS_NO_NOWAIT_MAX; i++) {
		uint64_t none = 0;

		if (__atomic_compare_exchange_n(&fs->no_nowait[i], &none, node.slot->id.mnt_id,
						false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return;
	}
}

/* Direct reads end at odd sizes only at the end of the file, and cannot start there. */
static ssize_t read_direct(struct read_run *run)
{
	return read_next(run, 0);
}

ssize_t fs_read(struct fs_thread *thread, uint64_t fh, uint64_t offset, const struct iovec *iov,
		unsigned int n_iov)
{
	cleanup_file struct file_ref file = file_of(thread, fh, HANDLE_FILE, HANDLE_READS);
	struct handle_slot *slot = file.slot;
	struct read_run run = { .iov = iov, .n_iov = n_iov, .offset = offset };
	ssize_t r;

	if (!slot)
		return file.error;
	if (offset > INT64_MAX)
		return -EINVAL;
	for (unsigned int i = 0; i < n_iov; i++)
		run.total += iov[i].iov_len;
	run.fd = slot->fd;
	if (may_read_nowait(thread, slot)) {
		r = read_run(&run, RWF_NOWAIT);
		if (r != -EAGAIN && r != -EOPNOTSUPP)
			return r;
		if (r == -EOPNOTSUPP)
			remember_waits(thread->fs, slot);
	}
	fs_may_wait_for_disk(thread, slot->backing);
	return slot->flags & HANDLE_DIRECT ? read_direct(&run) : read_run(&run, 0);
}

/* ---- Write ---- */

/* More than one call takes only for more iovecs than one call may have. */
ssize_t fs_write_all(int fd, const struct iovec *iov, unsigned int n_iov, uint64_t offset, int rwf)
{
	size_t done = 0;

	do {
		unsigned int n = MIN(n_iov, (unsigned int)IOV_MAX);
		size_t len = 0;
		ssize_t r;

		r = neg_errno(pwritev2(fd, iov, (int)n, (off_t)(offset + done), rwf));
		if (r < 0)
			return done ? (ssize_t)done : r;
		done += (size_t)r;
		if (n == n_iov)
			break;
		for (unsigned int i = 0; i < n; i++)
			len += iov[i].iov_len;
		if ((size_t)r < len)
			break;
		iov += n;
		n_iov -= n;
	} while (offset + done <= INT64_MAX);
	return (ssize_t)done;
}

/*
 * What a guest writes back from its cache has any size, which O_DIRECT would refuse: it goes through
 * a descriptor without.
 */
static ssize_t write_back_direct(const struct fs *fs, const struct handle_slot *slot,
				 const struct fs_write *write, const struct iovec *iov,
				 unsigned int n_iov)
{
	cleanup_fd int fd = fd_reopen(fs->proc_self_fd, slot->fd, O_WRONLY);

	return fd < 0 ? fd : fs_write_all(fd, iov, n_iov, write->offset, 0);
}

/*
 * A guest that opened nothing is alone and knows where the file ends: appending, it says so by its
 * offset.
 */
static bool appends_anywhere(const struct fs_write *write)
{
	return write->append && !(write->fh & FS_FH_OF_NODE);
}

/*
 * A large direct write of a guest comes in parts, all at once: appended by several threads at a
 * time, they would get into another order.
 */
static bool may_be_part(const struct fs *fs, const struct fs_write *write)
{
	bool cached = fs->cache == FS_CACHE_AUTO || fs->cache == FS_CACHE_ALWAYS;

	return appends_anywhere(write) && (write->direct || !cached);
}

/* Whether other requests should not wait for this one. */
static bool lets_others_by(const struct fs *fs, const struct fs_write *write,
			   const struct handle_slot *slot)
{
	if (may_be_part(fs, write) || slot->backing == BACKING_MEMORY)
		return false;
	return slot->backing == BACKING_REMOTE || slot->flags & HANDLE_DIRECT || write->sync ||
	       write->dsync;
}

static int rwf_of(const struct fs_write *write)
{
	int rwf = appends_anywhere(write) ? RWF_APPEND : 0;

	if (write->dsync)
		rwf |= RWF_DSYNC;
	if (write->sync)
		rwf |= RWF_SYNC;
	return rwf;
}

ssize_t fs_write(struct fs_thread *thread, const struct fs_write *write, const struct iovec *iov,
		 unsigned int n_iov)
{
	cleanup_creds struct creds_scope scope = { 0 };
	cleanup_file struct file_ref file = file_of(thread, write->fh, HANDLE_FILE,
						    write->append ? HANDLE_APPENDS : HANDLE_WRITES);
	int r;

	if (!file.slot)
		return file.error;
	if (write->offset > INT64_MAX)
		return -EINVAL;
	if (thread->fs->readonly)
		return -EROFS;
	if (lets_others_by(thread->fs, write, file.slot))
		fs_may_block(thread);
	r = fs_drop_capability(thread->fs, file.slot->fd);
	if (r == 0 && write->kill_suidgid)
		r = fs_drop_set_ids(file.slot->fd, &scope);
	if (r < 0)
		return r;
	if (unlikely(write->from_cache && file.slot->flags & HANDLE_DIRECT))
		return write_back_direct(thread->fs, file.slot, write, iov, n_iov);
	if (appends_anywhere(write))
		return fs_append(thread, &(struct fs_append){ file.slot->fd, iov, n_iov,
							      write->offset, rwf_of(write) });
	return fs_write_all(file.slot->fd, iov, n_iov, write->offset, rwf_of(write));
}

/* ---- Extents ---- */

/* 1 when a dead worker has moved the data behind the range for this request. */
static int moved_before(struct fs_thread *thread, int fd, const struct fs_range *range)
{
	int64_t length = (int64_t)range->length;

	return intent_resize(thread, fd, range->mode & FALLOC_FL_COLLAPSE_RANGE ? -length : length);
}

int fs_fallocate(struct fs_thread *thread, const struct fs_range *range)
{
	cleanup_creds struct creds_scope scope = { 0 };
	cleanup_file struct file_ref file = file_of(thread, range->fh, HANDLE_FILE, HANDLE_WRITES);
	int r;

	if (!file.slot)
		return file.error;
	if (range->mode > INT32_MAX || range->offset > INT64_MAX || range->length > INT64_MAX)
		return -EINVAL;
	if (thread->fs->readonly)
		return -EROFS;
	fs_may_block(thread);
	r = fs_drop_capability(thread->fs, file.slot->fd);
	if (r == 0 && range->kill_suidgid)
		r = fs_drop_set_ids(file.slot->fd, &scope);
	if (r == 0 && range->mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE))
		r = moved_before(thread, file.slot->fd, range);
	if (r != 0)
		return MIN(r, 0);
	return neg_errno(fallocate(file.slot->fd, (int)range->mode, (off_t)range->offset,
				   (off_t)range->length));
}

int64_t fs_lseek(struct fs_thread *thread, uint64_t fh, uint64_t offset, uint32_t whence)
{
	cleanup_file struct file_ref file = file_of(thread, fh, HANDLE_FILE, 0);

	if (!file.slot)
		return file.error;
	if (whence > SEEK_HOLE)
		return -EINVAL;
	fs_may_block_on(thread, file.slot->backing);
	/* A guest passes negative offsets on as they are: the host says what is wrong with them. */
	return neg_errno((int64_t)lseek(file.slot->fd, (off_t)offset, (int)whence));
}

ssize_t fs_copy_file_range(struct fs_thread *thread, const struct fs_copy *copy)
{
	cleanup_creds struct creds_scope scope = { 0 };
	cleanup_file struct file_ref in = file_of(thread, copy->fh_in, HANDLE_FILE, HANDLE_READS);
	cleanup_file struct file_ref out = file_of(thread, copy->fh_out, HANDLE_FILE,
						   HANDLE_WRITES);
	off_t offset_in = (off_t)copy->offset_in;
	off_t offset_out = (off_t)copy->offset_out;
	int r;

	if (!in.slot || !out.slot)
		return in.slot ? out.error : in.error;
	/* The descriptor has no O_APPEND for the kernel to refuse. */
	if (out.slot->flags & HANDLE_APPEND)
		return -EBADF;
	if (copy->flags || copy->offset_in > INT64_MAX || copy->offset_out > INT64_MAX)
		return -EINVAL;
	if (thread->fs->readonly)
		return -EROFS;
	fs_may_block(thread);
	r = fs_drop_capability(thread->fs, out.slot->fd);
	if (r == 0 && copy->kill_suidgid)
		r = fs_drop_set_ids(out.slot->fd, &scope);
	if (r < 0)
		return r;
	return neg_errno(copy_file_range(in.slot->fd, &offset_in, out.slot->fd, &offset_out,
					 (size_t)copy->length, 0));
}
