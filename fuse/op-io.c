/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on open files.
 *
 * File data goes straight between the page cache and the guest's memory: it is described, never
 * copied or looked at.
 */
#include <fcntl.h>

#include "base/util.h"
#include "fuse/lock-waiters.h"
#include "fuse/ops.h"
#include "fuse/request.h"
#include "fuse/session-internal.h"

/* The largest count that fits the 32 bit result, and what one copy_file_range(2) can do. */
#define COPY_MAX_BYTES 0x7ffff000u

static uint64_t file_of(const struct request *req, uint64_t fh)
{
	return req_file(req, req->in.nodeid, fh);
}

int op_open(struct request *req)
{
	const struct fuse_open_in *in = req_take(req, sizeof(*in));
	struct fs_opened opened;
	int r;

	r = fs_open(req_fs(req), req->in.nodeid, in->flags, req_kills_suidgid(req, in->open_flags),
		    &opened);
	if (r < 0)
		return r;
	return reply_open(req, &opened);
}

/*
 * One preadv or pwritev takes at most SESSION_IOVS pieces, a message may have more. To stop early
 * would look like the end of the file.
 */
static ssize_t transfer(struct request *req, bool writing, struct fs_write *io,
			struct iov_cursor *cur, size_t size)
{
	struct iovec *iov = req->thread->iov;
	size_t done = 0, len;

	/* What a dead worker has appended for this request is not appended again. */
	if (writing && io->append)
		done = iov_skip(cur, MIN(size, (size_t)fs_appended(req_fs(req))));
	io->offset += done;
	while (done < size) {
		unsigned int n = iov_slice(cur, size - done, iov, SESSION_IOVS, &len);
		ssize_t r;

		if (n == 0)
			break;
		r = writing ? fs_write(req_fs(req), io, iov, n)
			    : fs_read(req_fs(req), io->fh, io->offset, iov, n);
		if (r < 0)
			return done ? (ssize_t)done : r;
		done += (size_t)r;
		io->offset += (size_t)r;
		if ((size_t)r < len)
			break;
	}
	return (ssize_t)done;
}

int op_read(struct request *req)
{
	const struct fuse_read_in *in = req_take(req, sizeof(*in));
	struct fs_write io = { .fh = file_of(req, in->fh), .offset = in->offset };
	struct iov_cursor body = reply_body(&req->reply);
	size_t size = MIN(in->size, SESSION_DATA_BYTES);
	ssize_t n;

	n = transfer(req, false, &io, &body, MIN(size, body.remaining));
	if (n < 0)
		return (int)n;
	return reply_in_place(req, (size_t)n);
}

/*
 * fcntl(2) may have changed O_APPEND since the open: the request says how it is now. What the guest
 * gathered in its cache goes where it says.
 */
static bool write_appends(const struct request *req, const struct fuse_write_in *in)
{
	return in->flags & WIRE_O_APPEND && !(in->write_flags & FUSE_WRITE_CACHE) &&
	       !session_has(req->session, FUSE_WRITEBACK_CACHE);
}

/*
 * Each write says so, not only the open: what was not opened has no flags of its own, and
 * pwritev2(2) has flags for one write.
 */
static void take_sync_flags(uint32_t open_flags, struct fs_write *io)
{
	io->sync = (open_flags & WIRE_O_SYNC) == WIRE_O_SYNC;
	io->dsync = !io->sync && open_flags & WIRE_O_DSYNC;
}

int op_write(struct request *req)
{
	const struct fuse_write_in *in = req_take(req, sizeof(*in));
	struct fs_write io = {
		.fh = file_of(req, in->fh),
		.offset = in->offset,
		.kill_suidgid = in->write_flags & FUSE_WRITE_KILL_SUIDGID,
		.from_cache = in->write_flags & FUSE_WRITE_CACHE,
		.append = write_appends(req, in),
		.direct = in->flags & WIRE_O_DIRECT,
	};
	ssize_t n;

	if (in->size > SESSION_DATA_BYTES || in->size > req->payload_len)
		return -EINVAL;
	take_sync_flags(in->flags, &io);
	n = transfer(req, true, &io, &req->payload, in->size);
	if (n < 0)
		return (int)n;
	return reply_write(req, (size_t)n);
}

/* Sent at every close; on Linux closing any descriptor of a file gives up all locks in it. */
int op_flush(struct request *req)
{
	const struct fuse_flush_in *in = req_take(req, sizeof(*in));
	int r;

	r = fs_flush(req_fs(req), in->fh);
	if (session_has(req->session, FUSE_POSIX_LOCKS) &&
	    fs_drop_locks(req_fs(req), in->fh, in->lock_owner) > 0)
		lock_waiters_retry(req->session->waiters, req->in.nodeid);
	if (r < 0)
		return r;
	return reply_empty(req);
}

int op_fsync(struct request *req)
{
	const struct fuse_fsync_in *in = req_take(req, sizeof(*in));
	int r;

	r = fs_fsync(req_fs(req), file_of(req, in->fh), in->fsync_flags & FUSE_FSYNC_FDATASYNC);
	if (r < 0)
		return r;
	return reply_empty(req);
}

int op_release(struct request *req)
{
	const struct fuse_release_in *in = req_take(req, sizeof(*in));
	int r;

	/* Of a file that was created before the guest had learned that it need not. */
	if (file_of(req, in->fh) & FS_FH_OF_NODE)
		return reply_empty(req);
	if (in->release_flags & FUSE_RELEASE_FLOCK_UNLOCK)
		(void)fs_flock(req_fs(req), in->fh, F_UNLCK); /* the release does it too, later */
	r = fs_release(req_fs(req), in->fh);
	if (r < 0)
		return r;
	lock_waiters_retry(req->session->waiters, req->in.nodeid);
	return reply_empty(req);
}

int op_fallocate(struct request *req)
{
	const struct fuse_fallocate_in *in = req_take(req, sizeof(*in));
	const struct fs_range range = {
		.fh = file_of(req, in->fh),
		.offset = in->offset,
		.length = in->length,
		.mode = in->mode,
		.kill_suidgid = req_change_kills_suidgid(req),
	};
	int r;

	r = fs_fallocate(req_fs(req), &range);
	if (r < 0)
		return r;
	return reply_empty(req);
}

int op_lseek(struct request *req)
{
	const struct fuse_lseek_in *in = req_take(req, sizeof(*in));
	int64_t offset;

	offset = fs_lseek(req_fs(req), file_of(req, in->fh), in->offset, in->whence);
	if (offset < 0)
		return (int)offset;
	return reply_lseek(req, (uint64_t)offset);
}

static ssize_t copy_range(struct request *req, uint64_t max)
{
	const struct fuse_copy_file_range_in *in = req_take(req, sizeof(*in));
	const struct fs_copy copy = {
		.fh_in = file_of(req, in->fh_in),
		.offset_in = in->off_in,
		.fh_out = req_file(req, in->nodeid_out, in->fh_out),
		.offset_out = in->off_out,
		.length = MIN(in->len, max),
		.flags = in->flags,
		.kill_suidgid = req_change_kills_suidgid(req),
	};

	return fs_copy_file_range(req_fs(req), &copy);
}

int op_copy_file_range(struct request *req)
{
	ssize_t n = copy_range(req, COPY_MAX_BYTES);

	return n < 0 ? (int)n : reply_write(req, (size_t)n);
}

int op_copy_file_range_64(struct request *req)
{
	ssize_t n = copy_range(req, INT64_MAX);
	const struct fuse_copy_file_range_out out = { .bytes_copied = (uint64_t)n };

	return n < 0 ? (int)n : reply_data(req, &out, sizeof(out));
}
