/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding of replies.
 */
#include "fuse/reply.h"

#include <assert.h>
#include <errno.h>

#include "base/util.h"
#include "fuse/request.h"
#include "fuse/session-internal.h"

#define HEADER_BYTES sizeof(struct fuse_out_header)

/* Guests take errors outside -511..0 for a broken reply. */
#define ERRNO_LIMIT  512

void reply_init(struct reply *reply, const struct iovec *writable, unsigned int n_writable,
		uint64_t unique)
{
	reply->unique = unique;
	reply->bytes = 0;
	reply->sent = false;
	iov_cursor_init(&reply->start, writable, n_writable);
}

bool reply_fits_header(const struct reply *reply)
{
	return reply->start.remaining >= HEADER_BYTES;
}

size_t reply_room(const struct reply *reply)
{
	return reply_fits_header(reply) ? reply->start.remaining - HEADER_BYTES : 0;
}

struct iov_cursor reply_body(const struct reply *reply)
{
	struct iov_cursor cur = reply->start;

	iov_skip(&cur, HEADER_BYTES);
	return cur;
}

/* `data` NULL: the body stands in its place already, and the header completes it. */
static void send_reply(struct reply *reply, int error, const void *data, size_t len)
{
	struct iov_cursor cur = reply->start;
	const struct fuse_out_header head = {
		.len = (uint32_t)(HEADER_BYTES + len),
		.error = error,
		.unique = reply->unique,
	};

	assert(!reply->sent);
	reply->sent = true;
	reply->bytes = head.len;
	iov_copy_in(&cur, &head, sizeof(head));
	if (data)
		iov_copy_in(&cur, data, len);
}

static int send_success(struct reply *reply, const void *data, size_t len)
{
	if (unlikely(!range_fits(HEADER_BYTES, len, reply->start.remaining)))
		return -EINVAL;
	send_reply(reply, 0, data, len);
	return 0;
}

void reply_error(struct reply *reply, int error)
{
	if (error >= 0 || error <= -ERRNO_LIMIT)
		error = -EIO;
	if (reply_fits_header(reply))
		send_reply(reply, error, NULL, 0);
	reply->sent = true;
}

void reply_status(struct reply *reply, int status)
{
	if (status)
		reply_error(reply, status);
	else
		(void)send_success(reply, NULL, 0);
}

int reply_empty(struct request *req)
{
	return send_success(&req->reply, NULL, 0);
}

int reply_data(struct request *req, const void *data, size_t len)
{
	return send_success(&req->reply, data, len);
}

int reply_in_place(struct request *req, size_t len)
{
	return send_success(&req->reply, NULL, len);
}

/* How Linux packs a device number into 32 bits: 12 bits major between 8 and 12 bits minor. */
static uint32_t encode_dev(uint32_t major, uint32_t minor)
{
	return (minor & 0xff) | (major << 8) | ((minor & ~0xffu) << 12);
}

static void encode_attr(const struct request *req, const struct fs_attr *attr,
			struct fuse_attr *ret_out)
{
	const struct statx *stx = &attr->stx;

	*ret_out = (struct fuse_attr){
		.ino = stx->stx_ino,
		.size = stx->stx_size,
		.blocks = stx->stx_blocks,
		.atime = (uint64_t)stx->stx_atime.tv_sec,
		.mtime = (uint64_t)stx->stx_mtime.tv_sec,
		.ctime = (uint64_t)stx->stx_ctime.tv_sec,
		.atimensec = stx->stx_atime.tv_nsec,
		.mtimensec = stx->stx_mtime.tv_nsec,
		.ctimensec = stx->stx_ctime.tv_nsec,
		.mode = stx->stx_mode,
		.nlink = stx->stx_nlink,
		.uid = stx->stx_uid,
		.gid = stx->stx_gid,
		.rdev = encode_dev(stx->stx_rdev_major, stx->stx_rdev_minor),
		.blksize = stx->stx_blksize,
	};
	if (attr->submount && session_has(req->session, FUSE_SUBMOUNTS))
		ret_out->flags |= FUSE_ATTR_SUBMOUNT;
}

static uint64_t whole_seconds(uint64_t ns)
{
	return ns / WIRE_NSEC_PER_SEC;
}

static uint32_t rest_ns(uint64_t ns)
{
	return (uint32_t)(ns % WIRE_NSEC_PER_SEC);
}

void reply_encode_entry(const struct request *req, const struct fs_entry *entry,
			struct fuse_entry_out *ret_out)
{
	*ret_out = (struct fuse_entry_out){
		.nodeid = entry->nodeid,
		.generation = entry->generation,
		.entry_valid = whole_seconds(req->session->entry_ns),
		.entry_valid_nsec = rest_ns(req->session->entry_ns),
		.attr_valid = whole_seconds(req->session->attr_ns),
		.attr_valid_nsec = rest_ns(req->session->attr_ns),
	};
	encode_attr(req, &entry->attr, &ret_out->attr);
}

/*
 * A FLUSH that does nothing may be left out, unless it is what ends the locks of a closing process.
 * With write-back guests send it all the same.
 */
static bool may_skip_flush(const struct request *req, const struct fs_opened *opened)
{
	return opened->no_flush && !session_has(req->session, FUSE_POSIX_LOCKS);
}

static struct fuse_open_out encode_opened(const struct request *req, const struct fs_opened *opened)
{
	struct fuse_open_out out = { .fh = opened->fh };

	if (opened->direct_io)
		out.open_flags |= FOPEN_DIRECT_IO;
	if (opened->keep_cache)
		out.open_flags |= FOPEN_KEEP_CACHE;
	if (opened->cache_dir)
		out.open_flags |= FOPEN_CACHE_DIR;
	if (opened->parallel_direct_writes)
		out.open_flags |= FOPEN_PARALLEL_DIRECT_WRITES;
	if (may_skip_flush(req, opened))
		out.open_flags |= FOPEN_NOFLUSH;
	return out;
}

int reply_entry(struct request *req, const struct fs_entry *entry)
{
	struct fuse_entry_out out;

	reply_encode_entry(req, entry, &out);
	return reply_data(req, &out, sizeof(out));
}

int reply_absence(struct request *req)
{
	const struct fuse_entry_out out = {
		.entry_valid = whole_seconds(req->session->negative_ns),
		.entry_valid_nsec = rest_ns(req->session->negative_ns),
	};

	return reply_data(req, &out, sizeof(out));
}

int reply_attr(struct request *req, const struct fs_attr *attr)
{
	struct fuse_attr_out out = {
		.attr_valid = whole_seconds(req->session->attr_ns),
		.attr_valid_nsec = rest_ns(req->session->attr_ns),
	};

	encode_attr(req, attr, &out.attr);
	return reply_data(req, &out, sizeof(out));
}

static struct fuse_sx_time encode_time(struct statx_timestamp time)
{
	return (struct fuse_sx_time){ .tv_sec = time.tv_sec, .tv_nsec = time.tv_nsec };
}

static void encode_statx(const struct statx *stx, struct fuse_statx *ret_out)
{
	*ret_out = (struct fuse_statx){
		.mask = stx->stx_mask & (STATX_BASIC_STATS | STATX_BTIME),
		.blksize = stx->stx_blksize,
		.nlink = stx->stx_nlink,
		.uid = stx->stx_uid,
		.gid = stx->stx_gid,
		.mode = stx->stx_mode,
		.ino = stx->stx_ino,
		.size = stx->stx_size,
		.blocks = stx->stx_blocks,
		.atime = encode_time(stx->stx_atime),
		.btime = encode_time(stx->stx_btime),
		.ctime = encode_time(stx->stx_ctime),
		.mtime = encode_time(stx->stx_mtime),
		.rdev_major = stx->stx_rdev_major,
		.rdev_minor = stx->stx_rdev_minor,
		.dev_major = stx->stx_dev_major,
		.dev_minor = stx->stx_dev_minor,
	};
}

int reply_statx(struct request *req, const struct fs_attr *attr)
{
	struct fuse_statx_out out = {
		.attr_valid = whole_seconds(req->session->attr_ns),
		.attr_valid_nsec = rest_ns(req->session->attr_ns),
	};

	encode_statx(&attr->stx, &out.stat);
	return reply_data(req, &out, sizeof(out));
}

int reply_open(struct request *req, const struct fs_opened *opened)
{
	const struct fuse_open_out out = encode_opened(req, opened);

	return reply_data(req, &out, sizeof(out));
}

int reply_create(struct request *req, const struct fs_entry *entry, const struct fs_opened *opened)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out = { .open = encode_opened(req, opened) };

	reply_encode_entry(req, entry, &out.entry);
	return reply_data(req, &out, sizeof(out));
}

int reply_write(struct request *req, size_t size)
{
	const struct fuse_write_out out = { .size = (uint32_t)size };

	return reply_data(req, &out, sizeof(out));
}

int reply_statfs(struct request *req, const struct statvfs *st)
{
	const struct fuse_statfs_out out = {
		.st.blocks = st->f_blocks,
		.st.bfree = st->f_bfree,
		.st.bavail = st->f_bavail,
		.st.files = st->f_files,
		.st.ffree = st->f_ffree,
		.st.bsize = (uint32_t)st->f_bsize,
		.st.namelen = (uint32_t)st->f_namemax,
		.st.frsize = (uint32_t)st->f_frsize,
	};

	return reply_data(req, &out, sizeof(out));
}

int reply_lock(struct request *req, const struct fs_lock *lock)
{
	const struct fuse_lk_out out = {
		.lk.start = lock->start,
		.lk.end = lock->end,
		.lk.type = lock->type,
		.lk.pid = lock->pid,
	};

	return reply_data(req, &out, sizeof(out));
}

int reply_lseek(struct request *req, uint64_t offset)
{
	const struct fuse_lseek_out out = { .offset = offset };

	return reply_data(req, &out, sizeof(out));
}
