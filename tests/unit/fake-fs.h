/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file system without files: notes how the codec calls it and answers what the test prepared.
 */
#ifndef TESTS_UNIT_FAKE_FS_H
#define TESTS_UNIT_FAKE_FS_H

#include "fuse/passthrough/fs.h"

struct fs {
	int dummy;
};

struct fake_fs {
	/* What the last call was given. */
	const char *called; /* the function's name without "fs_"; NULL: none */
	unsigned int n_calls;
	uint64_t nodeid, fh, offset, length, new_parent;
	uint32_t mode, flags, mask, rdev, whence, size;
	bool kill_suidgid, datasync;
	char name[256], second[4096]; /* new name, or target */
	struct fs_caller caller;
	struct fs_setattr set;
	struct fs_write write;
	struct fs_copy copy;
	struct fs_lock lock;

	struct fs_ioctl ioctl; /* its buffers are valid during the call */
	struct fs_xattr xattr; /* its name is in `name`, its value in the next */
	char xattr_value[65536];
	char label_name[256], label_value[256]; /* of `caller`; empty: none */

	/* Collected over calls. */
	unsigned int n_resets, n_forgets;
	unsigned int n_resumes;
	unsigned int n_lock_calls; /* atomic */
	uint64_t forgotten[512], forgotten_counts[512];
	struct fs_negotiated negotiated;
	unsigned int n_pieces; /* iovecs of the largest read or write */
	char *written;	       /* what fs_write() got, at its offset; `file_bytes` of room */

	/* What to answer. */
	bool exclusive, opens_optional, opendirs_optional;
	int result; /* below 0: every call fails with it */
	struct fs_entry entry;
	struct fs_attr attr;
	struct fs_opened opened;
	struct statvfs statfs;
	const char *target;
	const char *file; /* what fs_read() delivers */
	size_t file_bytes;
	const char *const *names; /* of a directory; NULL-terminated */
	const char *nameless;	  /* the name among them that gets no fs_entry */
	int readdir_result;	  /* after the names */
	bool blocks;		  /* calls announce that they block */
	/* The calls that lock fail with -EAGAIN as long as this is set; atomic. */
	bool locked;
	struct fs_lock conflict; /* of getlk */
	int dropped;		 /* of drop_locks */

	int64_t count;	   /* of lseek, copy_file_range and ioctl */
	const char *value; /* of an attribute, or a list of them */
	size_t value_bytes;
};

extern struct fake_fs fake;

#endif
