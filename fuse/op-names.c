/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that make, move and remove names.
 */
#include <limits.h>

#include "base/util.h"
#include "fuse/ops.h"
#include "fuse/request.h"

int op_symlink(struct request *req)
{
	const char *name = req_take_name(req);
	const char *target = req_take_string(req, PATH_MAX - 1);
	struct fs_caller caller;
	NOT_ZEROED struct fs_entry entry;
	int r;

	r = req_take_creator(req, &caller);
	if (r < 0)
		return r;
	r = fs_symlink(req_fs(req), &caller, req->in.nodeid, name, target, &entry);
	if (r < 0)
		return r;
	return reply_entry(req, &entry);
}

int op_mknod(struct request *req)
{
	const struct fuse_mknod_in *in = req_take(req, sizeof(*in));
	const char *name = req_take_name(req);
	struct fs_caller caller;
	NOT_ZEROED struct fs_entry entry;
	int r;

	r = req_take_creator(req, &caller);
	if (r < 0)
		return r;
	caller.umask = req_umask(req, in->umask);
	r = fs_mknod(req_fs(req), &caller, req->in.nodeid, name, in->mode, in->rdev, &entry);
	if (r < 0)
		return r;
	return reply_entry(req, &entry);
}

int op_mkdir(struct request *req)
{
	const struct fuse_mkdir_in *in = req_take(req, sizeof(*in));
	const char *name = req_take_name(req);
	struct fs_caller caller;
	NOT_ZEROED struct fs_entry entry;
	int r;

	r = req_take_creator(req, &caller);
	if (r < 0)
		return r;
	caller.umask = req_umask(req, in->umask);
	r = fs_mkdir(req_fs(req), &caller, req->in.nodeid, name, in->mode, &entry);
	if (r < 0)
		return r;
	return reply_entry(req, &entry);
}

int op_create(struct request *req)
{
	const struct fuse_create_in *in = req_take(req, sizeof(*in));
	const char *name = req_take_name(req);
	struct fs_opened opened;
	struct fs_caller caller;
	NOT_ZEROED struct fs_entry entry;
	int r;

	r = req_take_creator(req, &caller);
	if (r < 0)
		return r;
	caller.umask = req_umask(req, in->umask);
	r = fs_create(req_fs(req), &caller, req->in.nodeid, name, in->mode, in->flags,
		      req_kills_suidgid(req, in->open_flags), &entry, &opened);
	if (r < 0)
		return r;
	return reply_create(req, &entry, &opened);
}

/* A name comes along, "/" from Linux, and means nothing. */
int op_tmpfile(struct request *req)
{
	const struct fuse_create_in *in = req_take(req, sizeof(*in));
	const char *name = req_take_string(req, NAME_MAX);
	struct fs_opened opened;
	struct fs_caller caller;
	NOT_ZEROED struct fs_entry entry;
	int r;

	(void)name;
	r = req_take_creator(req, &caller);
	if (r < 0)
		return r;
	caller.umask = req_umask(req, in->umask);
	r = fs_tmpfile(req_fs(req), &caller, req->in.nodeid, in->mode, in->flags, &entry, &opened);
	if (r < 0)
		return r;
	return reply_create(req, &entry, &opened);
}

int op_link(struct request *req)
{
	const struct fuse_link_in *in = req_take(req, sizeof(*in));
	const char *name = req_take_name(req);
	NOT_ZEROED struct fs_entry entry;
	int r;

	if (req->error)
		return req->error;
	r = fs_link(req_fs(req), in->oldnodeid, req->in.nodeid, name, &entry);
	if (r < 0)
		return r;
	return reply_entry(req, &entry);
}

int op_unlink(struct request *req)
{
	const char *name = req_take_name(req);
	int r;

	if (req->error)
		return req->error;
	r = fs_unlink(req_fs(req), req->in.nodeid, name);
	if (r < 0)
		return r;
	return reply_empty(req);
}

int op_rmdir(struct request *req)
{
	const char *name = req_take_name(req);
	int r;

	if (req->error)
		return req->error;
	r = fs_rmdir(req_fs(req), req->in.nodeid, name);
	if (r < 0)
		return r;
	return reply_empty(req);
}

static int rename_names(struct request *req, uint64_t new_parent, uint32_t flags)
{
	const char *name = req_take_name(req);
	const char *new_name = req_take_name(req);
	const struct fs_caller caller = { .uid = req->in.uid, .gid = req->in.gid };
	int r;

	if (req->error)
		return req->error;
	r = fs_rename(req_fs(req), &caller, req->in.nodeid, name, new_parent, new_name, flags);
	if (r < 0)
		return r;
	return reply_empty(req);
}

int op_rename(struct request *req)
{
	const struct fuse_rename_in *in = req_take(req, sizeof(*in));

	return rename_names(req, in->newdir, 0);
}

int op_rename2(struct request *req)
{
	const struct fuse_rename2_in *in = req_take(req, sizeof(*in));

	return rename_names(req, in->newdir, in->flags);
}
