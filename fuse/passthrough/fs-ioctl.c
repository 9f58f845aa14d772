/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioctl: inode flags, extended flags, fs-verity, and nothing else.
 *
 * A number is passed on only from the table below, with an argument of our own that has been
 * checked: what else an ioctl may mean to a file system of the host is not for a guest to try.
 *
 * Project ids are the host's, which limits a share by them; so they can be read and not changed,
 * as in a user namespace. The immutable and append-only flags need a capability that the daemon
 * does not keep.
 */
#include "fuse/passthrough/fs-internal.h"

#include <linux/fs.h>
#include <linux/fsverity.h>
#include <string.h>
#include <sys/ioctl.h>

#define SALT_MAX      32u
#define SIGNATURE_MAX 16128u
#define DIGEST_MAX    64u

/* Flags are an int, though their numbers say long. The second half is for those who believe it. */
struct inode_flags_arg {
	uint32_t flags;
	uint32_t unused;
};

struct ioctl_target {
	int fd;
	const struct fs_caller *caller;
	struct inflight *record;
};

typedef ssize_t (*ioctl_runner)(const struct ioctl_target *target, const struct fs_ioctl *call);

/* ---- Permissions ---- */

/*
 * Newer guests check all this themselves and send no ids. Guests before Linux 5.13 let everybody
 * through who has the file open.
 */
static int check_owner(const struct ioctl_target *target)
{
	uint32_t uid = target->caller->uid;
	struct stat st;

	if (uid == 0 || uid == FS_NO_ID)
		return 0;
	if (fstat(target->fd, &st) < 0)
		return -errno;
	return st.st_uid == uid ? 0 : -EPERM;
}

/*
 * No guest checks that who makes a file unwritable for ever might write to it. Without ids it is
 * certain only where nobody may read, and thus has the file open, who may not write.
 */
static int check_may_write(const struct ioctl_target *target)
{
	const struct fs_caller *caller = target->caller;
	struct stat st;
	mode_t write;

	if (caller->uid == 0)
		return 0;
	if (fstat(target->fd, &st) < 0)
		return -errno;
	if (caller->uid == FS_NO_ID)
		return (st.st_mode & 0444) >> 1 & ~st.st_mode ? -EACCES : 0;
	write = caller->uid == st.st_uid ? S_IWUSR : caller->gid == st.st_gid ? S_IWGRP : S_IWOTH;
	return st.st_mode & write ? 0 : -EACCES;
}

/* ---- Flags ---- */

static bool is_flags_size(size_t size)
{
	return size == sizeof(uint32_t) || size == sizeof(struct inode_flags_arg);
}

static ssize_t get_flags(const struct ioctl_target *target, const struct fs_ioctl *call)
{
	struct inode_flags_arg arg = { 0 };
	int r;

	if (!is_flags_size(call->out_size))
		return -EINVAL;
	r = neg_errno(ioctl(target->fd, FS_IOC_GETFLAGS, &arg));
	if (r < 0)
		return r;
	memcpy(call->out, &arg.flags, sizeof(arg.flags));
	return sizeof(arg.flags);
}

static ssize_t set_flags(const struct ioctl_target *target, const struct fs_ioctl *call)
{
	struct inode_flags_arg present = { 0 };
	struct inode_flags_arg wanted = { 0 };
	int r;

	if (!is_flags_size(call->in_size))
		return -EINVAL;
	memcpy(&wanted.flags, call->in, sizeof(wanted.flags));
	r = check_owner(target);
	if (r == 0)
		r = neg_errno(ioctl(target->fd, FS_IOC_GETFLAGS, &present));
	if (r < 0)
		return r;
	if ((wanted.flags ^ present.flags) & FS_PROJINHERIT_FL)
		return -EINVAL;
	return neg_errno(ioctl(target->fd, FS_IOC_SETFLAGS, &wanted));
}

static ssize_t get_xflags(const struct ioctl_target *target, const struct fs_ioctl *call)
{
	struct fsxattr arg = { 0 };
	int r;

	if (call->out_size != sizeof(arg))
		return -EINVAL;
	r = neg_errno(ioctl(target->fd, FS_IOC_FSGETXATTR, &arg));
	if (r < 0)
		return r;
	memcpy(call->out, &arg, sizeof(arg));
	return sizeof(arg);
}

static ssize_t set_xflags(const struct ioctl_target *target, const struct fs_ioctl *call)
{
	struct fsxattr present = { 0 };
	struct fsxattr wanted;
	int r;

	if (call->in_size != sizeof(wanted))
		return -EINVAL;
	memcpy(&wanted, call->in, sizeof(wanted));
	r = check_owner(target);
	if (r == 0)
		r = neg_errno(ioctl(target->fd, FS_IOC_FSGETXATTR, &present));
	if (r < 0)
		return r;
	if (wanted.fsx_projid != present.fsx_projid ||
	    (wanted.fsx_xflags ^ present.fsx_xflags) & FS_XFLAG_PROJINHERIT)
		return -EINVAL;
	return neg_errno(ioctl(target->fd, FS_IOC_FSSETXATTR, &wanted));
}

/* ---- fs-verity ---- */

static bool has_verity(int fd)
{
	struct statx stx;

	return fs_statx(fd, "", &stx) < 0 || stx.stx_attributes & STATX_ATTR_VERITY;
}

/* A guest sends the struct, the salt and the signature in a row; its pointers mean nothing here. */
static ssize_t enable_verity(const struct ioctl_target *target, const struct fs_ioctl *call)
{
	const char *tail = (const char *)call->in + sizeof(struct fsverity_enable_arg);
	struct fsverity_enable_arg arg;
	int r;

	if (call->in_size < sizeof(arg))
		return -EINVAL;
	memcpy(&arg, call->in, sizeof(arg));
	if (arg.salt_size > SALT_MAX || arg.sig_size > SIGNATURE_MAX)
		return -EMSGSIZE;
	if (call->in_size != sizeof(arg) + arg.salt_size + arg.sig_size)
		return -EINVAL;
	r = check_may_write(target);
	if (r < 0)
		return r;
	arg.salt_ptr = (uintptr_t)tail;
	arg.sig_ptr = (uintptr_t)(tail + arg.salt_size);
	if (!has_verity(target->fd))
		intent_begin(target->record);
	r = neg_errno(ioctl(target->fd, FS_IOC_ENABLE_VERITY, &arg));
	/* It had none before a dead worker began. */
	return r == -EEXIST && intent_repeats(target->record) ? 0 : r;
}

/* The argument says how much room there is; guests before Linux 6.10 do not send it along. */
static ssize_t measure_verity(const struct ioctl_target *target, const struct fs_ioctl *call)
{
	union {
		struct fsverity_digest head;
		uint8_t bytes[sizeof(struct fsverity_digest) + DIGEST_MAX];
	} arg = { .bytes = { 0 } };
	size_t size;
	int r;

	if (call->in_size < sizeof(arg.head))
		return -EINVAL;
	memcpy(&arg.head, call->in, sizeof(arg.head));
	if (call->out_size < sizeof(arg.head) + arg.head.digest_size)
		return -EINVAL;
	arg.head.digest_size = MIN(arg.head.digest_size, DIGEST_MAX);
	r = neg_errno(ioctl(target->fd, FS_IOC_MEASURE_VERITY, &arg));
	if (r < 0)
		return r;
	size = sizeof(arg.head) + MIN(arg.head.digest_size, DIGEST_MAX);
	if (size > call->out_size)
		return -EOVERFLOW;
	memcpy(call->out, &arg, size);
	return (ssize_t)size;
}

/* ---- The table ---- */

struct ioctl_row {
	uint32_t command;
	bool changes;
	bool slow; /* reads the whole file */
	ioctl_runner run;
};

static const struct ioctl_row rows[] = {
	{ FS_IOC_GETFLAGS, false, false, get_flags },
	{ FS_IOC_SETFLAGS, true, false, set_flags },
	{ FS_IOC32_GETFLAGS, false, false, get_flags },
	{ FS_IOC32_SETFLAGS, true, false, set_flags },
	{ FS_IOC_FSGETXATTR, false, false, get_xflags },
	{ FS_IOC_FSSETXATTR, true, false, set_xflags },
	{ FS_IOC_ENABLE_VERITY, true, true, enable_verity },
	{ FS_IOC_MEASURE_VERITY, false, false, measure_verity },
};

static const struct ioctl_row *find_row(uint32_t command)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].command == command)
			return &rows[i];
	return NULL;
}

/*
 * A file that is to become unwritable for ever may be open for reading only; the descriptor that
 * stands for all opens of the guest may be left from one that wrote.
 */
static int stop_writing(struct fs_thread *thread, uint64_t fh, struct file_ref *file)
{
	if (!(file->slot->flags & HANDLE_IMPLICIT) || !(file->slot->flags & HANDLE_WRITES))
		return 0;
	file_put(file);
	fs_implicit_drop(thread->fs, fh & ~FS_FH_OF_NODE);
	*file = file_of(thread, fh, HANDLE_FILE, 0);
	return file->error;
}

ssize_t fs_ioctl(struct fs_thread *thread, const struct fs_caller *caller, uint64_t nodeid,
		 const struct fs_ioctl *call)
{
	cleanup_file struct file_ref file = file_get_of_node(thread, call->fh, nodeid);
	const struct ioctl_row *row = find_row(call->command);
	struct ioctl_target target;
	int r;

	if (!row)
		return -ENOTTY;
	if (!file.slot)
		return file.error;
	if (row->changes && thread->fs->readonly)
		return -EROFS;
	if (row->slow || file.slot->backing == BACKING_REMOTE)
		fs_may_block(thread);
	r = row->command == FS_IOC_ENABLE_VERITY ? stop_writing(thread, call->fh, &file) : 0;
	if (r < 0)
		return r;
	target = (struct ioctl_target){ file.slot->fd, caller, thread->inflight };
	return row->run(&target, call);
}
