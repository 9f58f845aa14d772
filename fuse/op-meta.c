/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on nodes: look up, forget, attributes, flags, link targets, the whole file system.
 */
#include <errno.h>
#include <limits.h>

#include "base/intent.h"
#include "base/util.h"
#include "fuse/ops.h"
#include "fuse/request.h"
#include "fuse/session-internal.h"

/*
 * Node 0 stands for "there is none, and you may remember that". Guests that are not Linux, to be
 * known by what they do not offer, would take it for a node.
 */
static bool may_remember_absence(const struct request *req)
{
	return req->session->negative_ns && session_has(req->session, FUSE_PARALLEL_DIROPS);
}

int op_lookup(struct request *req)
{
	const char *name = req_take_name(req);
	filled_later struct fs_entry entry;
	int r;

	if (req->error)
		return req->error;
	r = fs_lookup(req_fs(req), req->in.nodeid, name, &entry);
	if (r == -ENOENT && may_remember_absence(req))
		return reply_absence(req);
	if (r < 0)
		return r;
	return reply_entry(req, &entry);
}

/* Whether a dead worker has got as far as this is not to be told: at worst a lookup stays. */
int op_forget(struct request *req)
{
	const struct fuse_forget_in *in = req_take(req, sizeof(*in));
	struct inflight *record = req_fs(req)->inflight;

	if (intent_repeats(record))
		return 0;
	intent_begin(record);
	fs_forget(req->session->fs, req->in.nodeid, in->nlookup);
	return 0;
}

/* So many fit into the longest request of a guest that means well. */
#define FORGETS_MAX (SESSION_DATA_BYTES / sizeof(struct fuse_forget_one))

/*
 * The list is read in pieces, each once. Descriptors may name the same memory over and over, so that
 * a message could be endless: what is beyond the bound stays known.
 */
int op_batch_forget(struct request *req)
{
	const struct fuse_batch_forget_in *in = req_take(req, sizeof(*in));
	size_t left = MIN((size_t)in->count, req->payload_len / sizeof(struct fuse_forget_one));
	struct inflight *record = req_fs(req)->inflight;
	size_t skip = intent_get(record, INTENT_COUNT);
	size_t at = 0;
	struct fuse_forget_one some[64];

	left = MIN(left, FORGETS_MAX);
	intent_begin(record);
	while (left > 0) {
		size_t n = MIN(left, ARRAY_SIZE(some));

		iov_copy_out(&req->payload, some, n * sizeof(some[0]));
		for (size_t i = 0; i < n; i++) {
			if (++at <= skip)
				continue;
			intent_set(record, INTENT_COUNT, at);
			fs_forget(req->session->fs, some[i].nodeid, some[i].nlookup);
		}
		left -= n;
	}
	return 0;
}

int op_getattr(struct request *req)
{
	const struct fuse_getattr_in *in = req_take(req, sizeof(*in));
	uint64_t fh = in->getattr_flags & FUSE_GETATTR_FH ? req_file(req, req->in.nodeid, in->fh)
							  : FS_NO_FH;
	filled_later struct fs_attr attr;
	int r;

	r = fs_getattr(req_fs(req), req->in.nodeid, fh, &attr);
	if (r < 0)
		return r;
	return reply_attr(req, &attr);
}

/* The guest's kernel wants the birth time; all attributes come along with it. */
int op_statx(struct request *req)
{
	const struct fuse_statx_in *in = req_take(req, sizeof(*in));
	uint64_t fh = in->getattr_flags & FUSE_GETATTR_FH ? req_file(req, req->in.nodeid, in->fh)
							  : FS_NO_FH;
	filled_later struct fs_attr attr;
	int r;

	r = fs_getattr(req_fs(req), req->in.nodeid, fh, &attr);
	if (r < 0)
		return r;
	return reply_statx(req, &attr);
}

/* What says that something is to be set. A time of change cannot be: it moves by itself. */
#define FATTR_CHANGES                                                                      \
	(FATTR_MODE | FATTR_UID | FATTR_GID | FATTR_SIZE | FATTR_ATIME | FATTR_ATIME_NOW | \
	 FATTR_MTIME | FATTR_MTIME_NOW)

static void decode_setattr(const struct request *req, const struct fuse_setattr_in *in,
			   struct fs_setattr *ret_set)
{
	*ret_set = (struct fs_setattr){
		.fh = in->valid & FATTR_FH ? req_file(req, req->in.nodeid, in->fh) : FS_NO_FH,
		.set_mode = in->valid & FATTR_MODE,
		.set_uid = in->valid & FATTR_UID,
		.set_gid = in->valid & FATTR_GID,
		.set_size = in->valid & FATTR_SIZE,
		.set_atime = in->valid & (FATTR_ATIME | FATTR_ATIME_NOW),
		.set_mtime = in->valid & (FATTR_MTIME | FATTR_MTIME_NOW),
		.atime_now = in->valid & FATTR_ATIME_NOW,
		.mtime_now = in->valid & FATTR_MTIME_NOW,
		.kill_suidgid = in->valid & FATTR_KILL_SUIDGID,
		.touch = !(in->valid & FATTR_CHANGES),
		.mode = in->mode & 07777, /* guests send the type along */
		.uid = in->uid,
		.gid = in->gid,
		.size = in->size,
		.atime = { .tv_sec = (time_t)in->atime, .tv_nsec = in->atimensec },
		.mtime = { .tv_sec = (time_t)in->mtime, .tv_nsec = in->mtimensec },
	};
}

int op_setattr(struct request *req)
{
	const struct fuse_setattr_in *in = req_take(req, sizeof(*in));
	struct fs_setattr set;
	filled_later struct fs_attr attr;
	int r;

	/* utimensat(2) gives larger values meanings of their own. */
	if (in->atimensec >= WIRE_NSEC_PER_SEC || in->mtimensec >= WIRE_NSEC_PER_SEC)
		return -EINVAL;
	decode_setattr(req, in, &set);
	/* Only for what sets an owner or a size does a guest say so. */
	if (set.touch && session_has(req->session, FUSE_HANDLE_KILLPRIV_V2))
		set.kill_suidgid = true;
	r = fs_setattr(req_fs(req), req->in.nodeid, &set, &attr);
	if (r < 0)
		return r;
	return reply_attr(req, &attr);
}

/* Read in full first: a target cut to the guest's room would be another target. */
int op_readlink(struct request *req)
{
	char *target = req->thread->out;
	ssize_t n;

	n = fs_readlink(req_fs(req), req->in.nodeid, target, PATH_MAX);
	if (n < 0)
		return (int)n;
	return reply_data(req, target, (size_t)n);
}

/* Only what the number of the command and its sizes describe; a guest is never asked for more. */
int op_ioctl(struct request *req)
{
	const struct fuse_ioctl_in *in = req_take(req, sizeof(*in));
	const struct fs_caller caller = { .uid = req->in.uid, .gid = req->in.gid };
	struct fuse_ioctl_out *out = (struct fuse_ioctl_out *)req->thread->out;
	struct fs_ioctl call = {
		.fh = req_file(req, req->in.nodeid, in->fh),
		.command = in->cmd,
		.in = req_take(req, in->in_size),
		.out = out + 1,
		.in_size = in->in_size,
		.out_size = MIN(in->out_size, SESSION_OUT_BYTES - sizeof(*out)),
	};
	ssize_t n;

	if (req->error)
		return req->error;
	n = fs_ioctl(req_fs(req), &caller, req->in.nodeid, &call);
	if (n < 0)
		return (int)n;
	*out = (struct fuse_ioctl_out){ 0 };
	return reply_data(req, out, sizeof(*out) + (size_t)n);
}

int op_statfs(struct request *req)
{
	struct statvfs st;
	int r;

	r = fs_statfs(req_fs(req), req->in.nodeid, &st);
	if (r < 0)
		return r;
	return reply_statfs(req, &st);
}

int op_access(struct request *req)
{
	const struct fuse_access_in *in = req_take(req, sizeof(*in));
	const struct fs_caller caller = { .uid = req->in.uid, .gid = req->in.gid };
	int r;

	r = fs_access(req_fs(req), &caller, req->in.nodeid, in->mask);
	if (r < 0)
		return r;
	return reply_empty(req);
}

int op_syncfs(struct request *req)
{
	int r;

	r = fs_syncfs(req_fs(req), req->in.nodeid);
	if (r < 0)
		return r;
	return reply_empty(req);
}
