/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations table: everything that is the same for all operations is a column, checked
 * before the handler runs.
 */
#ifndef FUSE_OPS_H
#define FUSE_OPS_H

#include <stdint.h>

struct request;

enum op_flags {
	OP_MODIFIES = 1 << 0,	 /* -EROFS on a read-only share */
	OP_BEFORE_INIT = 1 << 1, /* legal without INIT; all others are -EIO */
	OP_NO_REPLY = 1 << 2,	 /* the guest waits for nothing, not even an error */
	OP_DATA_IN = 1 << 3,	 /* only the fixed arguments are copied, the rest stays in place */
	OP_LOCKS = 1 << 4,	 /* -ENOSYS unless INIT agreed on locks of either kind */
	OP_NOT_WRITEBACK = 1 << 5, /* -ENOSYS where the guest may hold unwritten data */
	OP_XATTR = 1 << 6,	   /* unknown (-ENOSYS) unless extended attributes are on */
	OP_OPENS = 1 << 7,	   /* -ENOSYS where INIT agreed that files need not be opened */
	OP_OPENS_DIR = 1 << 8,	   /* the same of directories */
	/* Any that needs a look at the session. */
	OP_DEPENDS = OP_MODIFIES | OP_LOCKS | OP_NOT_WRITEBACK | OP_OPENS | OP_OPENS_DIR,
};

/* From a handler: the reply comes later, and the message has been given away. */
#define OP_PARKED 1

/*
 * Decodes its arguments, calls the file system, replies. Returns 0 after it has replied, OP_PARKED,
 * or -errno without having replied: the dispatcher answers errors, and nobody else.
 */
typedef int (*op_handler)(struct request *req);

struct op {
	const char *name;
	uint32_t min_args;  /* bytes of fixed arguments; fewer are -EINVAL */
	uint32_t min_reply; /* bytes behind the header; less room is -EINVAL, before any effect */
	uint32_t flags;	    /* enum op_flags */
	op_handler handler;
};

/* The row of an opcode; NULL for those that are answered -ENOSYS. */
const struct op *ops_find(uint32_t opcode);

/* Serves one request; returns the length of the reply or FUSE_PARKED. */
uint32_t ops_dispatch(struct request *req);

/* op-init.c */
int op_init(struct request *req);
int op_destroy(struct request *req);

/* op-meta.c */
int op_lookup(struct request *req);
int op_forget(struct request *req);
int op_batch_forget(struct request *req);
int op_getattr(struct request *req);
int op_statx(struct request *req);
int op_setattr(struct request *req);
int op_readlink(struct request *req);
int op_statfs(struct request *req);
int op_access(struct request *req);
int op_syncfs(struct request *req);
int op_ioctl(struct request *req);

/* op-names.c */
int op_symlink(struct request *req);
int op_mknod(struct request *req);
int op_mkdir(struct request *req);
int op_create(struct request *req);
int op_tmpfile(struct request *req);
int op_link(struct request *req);
int op_unlink(struct request *req);
int op_rmdir(struct request *req);
int op_rename(struct request *req);
int op_rename2(struct request *req);

/* op-io.c */
int op_open(struct request *req);
int op_read(struct request *req);
int op_write(struct request *req);
int op_flush(struct request *req);
int op_fsync(struct request *req);
int op_release(struct request *req);
int op_fallocate(struct request *req);
int op_lseek(struct request *req);
int op_copy_file_range(struct request *req);
int op_copy_file_range_64(struct request *req);

/* op-lock.c */
int op_getlk(struct request *req);
int op_setlk(struct request *req);
int op_setlkw(struct request *req);
int op_interrupt(struct request *req);

/* op-dir.c */
int op_opendir(struct request *req);
int op_readdir(struct request *req);
int op_readdirplus(struct request *req);
int op_releasedir(struct request *req);
int op_fsyncdir(struct request *req);

/* op-xattr.c */
int op_setxattr(struct request *req);
int op_getxattr(struct request *req);
int op_listxattr(struct request *req);
int op_removexattr(struct request *req);

#endif
