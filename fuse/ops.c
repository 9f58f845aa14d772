/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations table and the one place where requests are checked, run and their errors
 * answered.
 */
#include "fuse/ops.h"

#include <assert.h>
#include <inttypes.h>

#include "base/log.h"
#include "base/util.h"
#include "fuse/request.h"
#include "fuse/session-internal.h"

/* For columns: the fixed argument struct and the reply struct of an operation. */
#define IN(wire_struct)	 sizeof(struct wire_struct)
#define OUT(wire_struct) sizeof(struct wire_struct)

/* The part of fuse_init_in that every guest sends. */
#define INIT_IN_LEAST	 offsetof(struct fuse_init_in, flags2)
#define CREATE_OUT	 (sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out))

/* clang-format off */
static const struct op ops[] = {
	[FUSE_LOOKUP] = { "LOOKUP", 0, OUT(fuse_entry_out), 0, op_lookup },
	[FUSE_FORGET] = { "FORGET", IN(fuse_forget_in), 0, OP_BEFORE_INIT | OP_NO_REPLY,
			  op_forget },
	[FUSE_GETATTR] = { "GETATTR", IN(fuse_getattr_in), OUT(fuse_attr_out), 0, op_getattr },
	[FUSE_SETATTR] = { "SETATTR", IN(fuse_setattr_in), OUT(fuse_attr_out), OP_MODIFIES,
			   op_setattr },
	[FUSE_READLINK] = { "READLINK", 0, 0, 0, op_readlink },
	[FUSE_SYMLINK] = { "SYMLINK", 0, OUT(fuse_entry_out), OP_MODIFIES, op_symlink },
	[FUSE_MKNOD] = { "MKNOD", IN(fuse_mknod_in), OUT(fuse_entry_out), OP_MODIFIES, op_mknod },
	[FUSE_MKDIR] = { "MKDIR", IN(fuse_mkdir_in), OUT(fuse_entry_out), OP_MODIFIES, op_mkdir },
	[FUSE_UNLINK] = { "UNLINK", 0, 0, OP_MODIFIES, op_unlink },
	[FUSE_RMDIR] = { "RMDIR", 0, 0, OP_MODIFIES, op_rmdir },
	[FUSE_RENAME] = { "RENAME", IN(fuse_rename_in), 0, OP_MODIFIES, op_rename },
	[FUSE_LINK] = { "LINK", IN(fuse_link_in), OUT(fuse_entry_out), OP_MODIFIES, op_link },
	[FUSE_OPEN] = { "OPEN", IN(fuse_open_in), OUT(fuse_open_out), OP_OPENS, op_open },
	[FUSE_READ] = { "READ", IN(fuse_read_in), 0, 0, op_read },
	[FUSE_WRITE] = { "WRITE", IN(fuse_write_in), OUT(fuse_write_out),
			 OP_MODIFIES | OP_DATA_IN, op_write },
	[FUSE_STATFS] = { "STATFS", 0, OUT(fuse_statfs_out), 0, op_statfs },
	[FUSE_RELEASE] = { "RELEASE", IN(fuse_release_in), 0, 0, op_release },
	[FUSE_FSYNC] = { "FSYNC", IN(fuse_fsync_in), 0, 0, op_fsync },
	[FUSE_SETXATTR] = { "SETXATTR", FUSE_COMPAT_SETXATTR_IN_SIZE, 0, OP_MODIFIES | OP_XATTR,
			    op_setxattr },
	[FUSE_GETXATTR] = { "GETXATTR", IN(fuse_getxattr_in), 0, OP_XATTR, op_getxattr },
	[FUSE_LISTXATTR] = { "LISTXATTR", IN(fuse_getxattr_in), 0, OP_XATTR, op_listxattr },
	[FUSE_REMOVEXATTR] = { "REMOVEXATTR", 0, 0, OP_MODIFIES | OP_XATTR, op_removexattr },
	[FUSE_FLUSH] = { "FLUSH", IN(fuse_flush_in), 0, OP_OPENS, op_flush },
	[FUSE_INIT] = { "INIT", INIT_IN_LEAST, OUT(fuse_init_out), OP_BEFORE_INIT, op_init },
	[FUSE_OPENDIR] = { "OPENDIR", IN(fuse_open_in), OUT(fuse_open_out), OP_OPENS_DIR,
			   op_opendir },
	[FUSE_READDIR] = { "READDIR", IN(fuse_read_in), 0, 0, op_readdir },
	[FUSE_RELEASEDIR] = { "RELEASEDIR", IN(fuse_release_in), 0, 0, op_releasedir },
	[FUSE_FSYNCDIR] = { "FSYNCDIR", IN(fuse_fsync_in), 0, 0, op_fsyncdir },
	[FUSE_GETLK] = { "GETLK", IN(fuse_lk_in), OUT(fuse_lk_out), OP_LOCKS, op_getlk },
	[FUSE_SETLK] = { "SETLK", IN(fuse_lk_in), 0, OP_LOCKS, op_setlk },
	[FUSE_SETLKW] = { "SETLKW", IN(fuse_lk_in), 0, OP_LOCKS, op_setlkw },
	[FUSE_ACCESS] = { "ACCESS", IN(fuse_access_in), 0, 0, op_access },
	[FUSE_CREATE] = { "CREATE", IN(fuse_create_in), CREATE_OUT, OP_MODIFIES, op_create },
	[FUSE_INTERRUPT] = { "INTERRUPT", IN(fuse_interrupt_in), 0, OP_BEFORE_INIT | OP_NO_REPLY,
			     op_interrupt },
	[FUSE_DESTROY] = { "DESTROY", 0, 0, OP_BEFORE_INIT, op_destroy },
	[FUSE_IOCTL] = { "IOCTL", IN(fuse_ioctl_in), OUT(fuse_ioctl_out), 0, op_ioctl },
	[FUSE_BATCH_FORGET] = { "BATCH_FORGET", IN(fuse_batch_forget_in), 0,
				OP_BEFORE_INIT | OP_NO_REPLY | OP_DATA_IN, op_batch_forget },
	[FUSE_FALLOCATE] = { "FALLOCATE", IN(fuse_fallocate_in), 0, OP_MODIFIES, op_fallocate },
	[FUSE_READDIRPLUS] = { "READDIRPLUS", IN(fuse_read_in), 0, 0, op_readdirplus },
	[FUSE_RENAME2] = { "RENAME2", IN(fuse_rename2_in), 0, OP_MODIFIES, op_rename2 },
	[FUSE_LSEEK] = { "LSEEK", IN(fuse_lseek_in), OUT(fuse_lseek_out), OP_NOT_WRITEBACK,
			 op_lseek },
	[FUSE_COPY_FILE_RANGE] = { "COPY_FILE_RANGE", IN(fuse_copy_file_range_in),
				   OUT(fuse_write_out), OP_MODIFIES, op_copy_file_range },
	[FUSE_SYNCFS] = { "SYNCFS", IN(fuse_syncfs_in), 0, 0, op_syncfs },
	[FUSE_TMPFILE] = { "TMPFILE", IN(fuse_create_in), CREATE_OUT, OP_MODIFIES, op_tmpfile },
	[FUSE_STATX] = { "STATX", IN(fuse_statx_in), OUT(fuse_statx_out), 0, op_statx },
	[FUSE_COPY_FILE_RANGE_64] = { "COPY_FILE_RANGE_64", IN(fuse_copy_file_range_in),
				      OUT(fuse_copy_file_range_out), OP_MODIFIES,
				      op_copy_file_range_64 },
};
/* clang-format on */

const struct op *ops_find(uint32_t opcode)
{
	if (opcode >= ARRAY_SIZE(ops) || !ops[opcode].handler)
		return NULL;
	return &ops[opcode];
}

/* What the daemon's options and INIT decide for the operations that have such flags. */
static int check_session(const struct request *req, const struct op *op)
{
	if ((op->flags & OP_LOCKS) &&
	    !session_has(req->session, FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS))
		return -ENOSYS;
	/* The guest asks once. */
	if (((op->flags & OP_OPENS) && session_has(req->session, FUSE_NO_OPEN_SUPPORT)) ||
	    ((op->flags & OP_OPENS_DIR) && session_has(req->session, FUSE_NO_OPENDIR_SUPPORT)))
		return -ENOSYS;
	if ((op->flags & OP_MODIFIES) && req->session->options.readonly)
		return -EROFS;
	/* Where data begin and end, the host cannot say; guests then do without. */
	if ((op->flags & OP_NOT_WRITEBACK) && session_has(req->session, FUSE_WRITEBACK_CACHE))
		return -ENOSYS;
	return 0;
}

/* What holds for every operation; cheap and without any effect. */
static int check(struct request *req, const struct op *op)
{
	if (!(op->flags & OP_BEFORE_INIT) && !session_initialised(req->session))
		return -EIO;
	if (op->flags & OP_DEPENDS) {
		int r = check_session(req, op);

		if (r < 0)
			return r;
	}
	if (!(op->flags & OP_NO_REPLY) && reply_room(&req->reply) < op->min_reply)
		return -EINVAL;
	return 0;
}

static int run(struct request *req, const struct op *op)
{
	int r;

	r = check(req, op);
	if (r < 0)
		return r;
	req_load_args(req, op->flags & OP_DATA_IN ? op->min_args : SIZE_MAX);
	if (req->args_len < op->min_args)
		return -EINVAL;
	r = op->handler(req);
	/*
	 * A guest takes ENOSYS for "never ask again", which a host's answer about one file must
	 * not cause. And it is the daemon whose descriptors have run out, not the guest's process.
	 */
	if (r == -ENOSYS)
		return -EOPNOTSUPP;
	return r == -EMFILE ? -ENFILE : r;
}

/* The row of what is known and switched on. */
static const struct op *find_for(const struct request *req)
{
	const struct op *op = ops_find(req->in.opcode);

	return op && op->flags & OP_XATTR && !req->session->options.xattr ? NULL : op;
}

uint32_t ops_dispatch(struct request *req)
{
	const struct op *op = find_for(req);
	bool silent = op && (op->flags & OP_NO_REPLY);
	int r;

	if (req->error)
		r = req->error;
	else if (!op)
		r = -ENOSYS;
	else if (!silent && !reply_fits_header(&req->reply))
		r = -EINVAL; /* an operation nobody could hear of is not begun */
	else
		r = run(req, op);
	if (r == OP_PARKED)
		return FUSE_PARKED;
	log_debug("fuse: %s (%" PRIu32 ") unique %" PRIu64 " node %" PRIu64 ": %d, %" PRIu32
		  " bytes",
		  op ? op->name : "?", req->in.opcode, req->in.unique, req->in.nodeid, r,
		  req->reply.bytes);
	if (silent)
		return 0;
	if (r < 0)
		reply_error(&req->reply, r);
	assert(req->reply.sent);
	return req->reply.bytes;
}
