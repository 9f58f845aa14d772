/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on extended attributes.
 */
#include "base/util.h"
#include "fuse/ops.h"
#include "fuse/request.h"
#include "fuse/session-internal.h"

_Static_assert(SESSION_OUT_BYTES >= FS_XATTR_MAX_BYTES, "a value fits the buffer for replies");

int op_setxattr(struct request *req)
{
	bool extended = session_has(req->session, FUSE_SETXATTR_EXT);
	const struct fuse_setxattr_in *in = req_take(req, extended ? sizeof(*in)
								   : FUSE_COMPAT_SETXATTR_IN_SIZE);
	const char *name = req_take_xattr_name(req);
	struct fs_xattr xattr = { .name = name };
	int r;

	if (req->error)
		return req->error;
	if (in->size > FS_XATTR_MAX_BYTES)
		return -E2BIG;
	xattr.size = in->size;
	xattr.flags = in->flags;
	xattr.acl_kill_sgid = extended && in->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID;
	xattr.value = req_take_value(req, in->size);
	if (req->error)
		return req->error;
	r = fs_setxattr(req_fs(req), req->in.nodeid, &xattr);
	if (r < 0)
		return r;
	return reply_empty(req);
}

/* Room for what is asked for; a guest that asks for more than it has room for gets -ERANGE. */
static int room_for(const struct request *req, uint32_t size, size_t *ret_room)
{
	size_t room = reply_room(&req->reply);

	if (room < (size ? 1 : sizeof(struct fuse_getxattr_out)))
		return size ? -ERANGE : -EINVAL;
	room = MIN(room, (size_t)FS_XATTR_MAX_BYTES);
	*ret_room = MIN((size_t)size, room);
	return 0;
}

/* `n` bytes stand in the thread's buffer, or are how many there would be. */
static int reply_xattr(struct request *req, bool length_only, size_t n)
{
	const struct fuse_getxattr_out out = { .size = (uint32_t)n };

	if (length_only)
		return reply_data(req, &out, sizeof(out));
	return reply_data(req, req->thread->out, n);
}

int op_getxattr(struct request *req)
{
	const struct fuse_getxattr_in *in = req_take(req, sizeof(*in));
	const char *name = req_take_xattr_name(req);
	size_t room;
	ssize_t n = req->error;

	if (n == 0)
		n = room_for(req, in->size, &room);
	if (n == 0)
		n = fs_getxattr(req_fs(req), req->in.nodeid, name, req->thread->out, room);
	if (n < 0)
		return (int)n;
	return reply_xattr(req, in->size == 0, (size_t)n);
}

int op_listxattr(struct request *req)
{
	const struct fuse_getxattr_in *in = req_take(req, sizeof(*in));
	size_t room;
	ssize_t n = room_for(req, in->size, &room);

	if (n == 0)
		n = fs_listxattr(req_fs(req), req->in.nodeid, req->thread->out, room);
	if (n < 0)
		return (int)n;
	return reply_xattr(req, in->size == 0, (size_t)n);
}

int op_removexattr(struct request *req)
{
	const char *name = req_take_xattr_name(req);
	int r;

	if (req->error)
		return req->error;
	r = fs_removexattr(req_fs(req), req->in.nodeid, name);
	if (r < 0)
		return r;
	return reply_empty(req);
}
