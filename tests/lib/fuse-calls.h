/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One typed, synchronous function per FUSE opcode.
 *
 * Each returns 0 (or the count its comment names) or the negative error of the
 * reply. Lengths are checked as Linux 7.x does; a wrong one, a hang-up or a
 * time-out ends the test. Creations carry client->supp_group as extension.
 */
#ifndef TESTS_LIB_FUSE_CALLS_H
#define TESTS_LIB_FUSE_CALLS_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/fuse-client.h"
#include "tests/lib/fuse-extra.h"

/* What a Linux 7.3 virtio-fs guest without a DAX window offers. */
#define FUSE_TEST_LINUX_FLAGS                                                                      \
	(FUSE_ASYNC_READ | FUSE_POSIX_LOCKS | FUSE_ATOMIC_O_TRUNC | FUSE_EXPORT_SUPPORT |          \
	 FUSE_BIG_WRITES | FUSE_DONT_MASK | FUSE_SPLICE_WRITE | FUSE_SPLICE_MOVE |                 \
	 FUSE_SPLICE_READ | FUSE_FLOCK_LOCKS | FUSE_HAS_IOCTL_DIR | FUSE_AUTO_INVAL_DATA |         \
	 FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO | FUSE_WRITEBACK_CACHE |     \
	 FUSE_NO_OPEN_SUPPORT | FUSE_PARALLEL_DIROPS | FUSE_HANDLE_KILLPRIV | FUSE_POSIX_ACL |     \
	 FUSE_ABORT_ERROR | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS | FUSE_NO_OPENDIR_SUPPORT |       \
	 FUSE_EXPLICIT_INVAL_DATA | FUSE_SUBMOUNTS | FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT | \
	 FUSE_INIT_EXT | FUSE_SECURITY_CTX | FUSE_CREATE_SUPP_GROUP | FUSE_HAS_EXPIRE_ONLY |       \
	 FUSE_DIRECT_IO_ALLOW_MMAP | FUSE_NO_EXPORT_SUPPORT | FUSE_HAS_RESEND | FUSE_ALLOW_IDMAP | \
	 FUSE_REQUEST_TIMEOUT)

/* INIT as 7.46 with FUSE_TEST_LINUX_FLAGS. */
int fuse_init_default(struct fuse_client *client);
/* INIT with a chosen minor and flags; a minor under 36 sends the 16-byte form without INIT_EXT. */
int fuse_init(struct fuse_client *client, uint32_t minor, uint64_t flags);
int fuse_destroy(struct fuse_client *client);

int fuse_lookup(struct fuse_client *client, uint64_t parent, const char *name,
		struct fuse_entry_out *ret_entry);
/* Looks a path up component by component from the root; "" is the root itself. */
int fuse_walk(struct fuse_client *client, const char *path, struct fuse_entry_out *ret_entry);
/* The nodeid of a path that must exist; dies otherwise. */
uint64_t fuse_node(struct fuse_client *client, const char *path);
/* On the hiprio queue as Linux does, waiting for the device to take it. */
void fuse_forget(struct fuse_client *client, uint64_t nodeid, uint64_t count);
/* On the client's own queue. */
void fuse_batch_forget(struct fuse_client *client, const struct fuse_forget_one *items,
		       uint32_t n_items);

/* fh UINT64_MAX: without a handle. */
int fuse_getattr(struct fuse_client *client, uint64_t nodeid, uint64_t fh,
		 struct fuse_attr_out *ret_attr);
int fuse_setattr(struct fuse_client *client, uint64_t nodeid, const struct fuse_setattr_in *in,
		 struct fuse_attr_out *ret_attr);
/* mask: STATX_*; fh UINT64_MAX: without a handle. */
int fuse_statx(struct fuse_client *client, uint64_t nodeid, uint64_t fh, uint32_t mask,
	       struct test_fuse_statx_out *ret_statx);
int fuse_access(struct fuse_client *client, uint64_t nodeid, uint32_t mask);
int fuse_statfs(struct fuse_client *client, uint64_t nodeid, struct fuse_statfs_out *ret_statfs);
int fuse_syncfs(struct fuse_client *client, uint64_t nodeid);

/* Length of the target, which gets a NUL behind it (size counts that byte). */
int fuse_readlink(struct fuse_client *client, uint64_t nodeid, char *target, size_t size);
int fuse_symlink(struct fuse_client *client, uint64_t parent, const char *name, const char *target,
		 struct fuse_entry_out *ret_entry);
int fuse_mknod(struct fuse_client *client, uint64_t parent, const char *name, uint32_t mode,
	       uint32_t rdev, struct fuse_entry_out *ret_entry);
int fuse_mkdir(struct fuse_client *client, uint64_t parent, const char *name, uint32_t mode,
	       struct fuse_entry_out *ret_entry);
int fuse_unlink(struct fuse_client *client, uint64_t parent, const char *name);
int fuse_rmdir(struct fuse_client *client, uint64_t parent, const char *name);
int fuse_rename(struct fuse_client *client, uint64_t parent, const char *name, uint64_t new_parent,
		const char *new_name);
int fuse_rename2(struct fuse_client *client, uint64_t parent, const char *name, uint64_t new_parent,
		 const char *new_name, uint32_t flags);
int fuse_link(struct fuse_client *client, uint64_t nodeid, uint64_t new_parent,
	      const char *new_name, struct fuse_entry_out *ret_entry);

int fuse_create(struct fuse_client *client, uint64_t parent, const char *name, uint32_t mode,
		uint32_t flags, struct fuse_entry_out *ret_entry, struct fuse_open_out *ret_open);
int fuse_tmpfile(struct fuse_client *client, uint64_t parent, uint32_t mode, uint32_t flags,
		 struct fuse_entry_out *ret_entry, struct fuse_open_out *ret_open);
int fuse_open(struct fuse_client *client, uint64_t nodeid, uint32_t flags,
	      struct fuse_open_out *ret_open);
int fuse_opendir(struct fuse_client *client, uint64_t nodeid, uint32_t flags,
		 struct fuse_open_out *ret_open);
int fuse_release(struct fuse_client *client, uint64_t nodeid, uint64_t fh);
int fuse_releasedir(struct fuse_client *client, uint64_t nodeid, uint64_t fh);
int fuse_flush_fh(struct fuse_client *client, uint64_t nodeid, uint64_t fh, uint64_t lock_owner);
int fuse_fsync(struct fuse_client *client, uint64_t nodeid, uint64_t fh, bool data_only);
int fuse_fsyncdir(struct fuse_client *client, uint64_t nodeid, uint64_t fh, bool data_only);

/* Bytes read or written. The client needs a data buffer of at least size. */
int fuse_read(struct fuse_client *client, uint64_t nodeid, uint64_t fh, uint64_t offset,
	      uint32_t size, void *bytes);
int fuse_write(struct fuse_client *client, uint64_t nodeid, uint64_t fh, uint64_t offset,
	       uint32_t size, const void *bytes, uint32_t write_flags);
int fuse_fallocate(struct fuse_client *client, uint64_t nodeid, uint64_t fh, uint64_t offset,
		   uint64_t length, uint32_t mode);
int fuse_lseek(struct fuse_client *client, uint64_t nodeid, uint64_t fh, uint64_t offset,
	       uint32_t whence, uint64_t *ret_offset);
/* Bytes copied. */
int64_t fuse_copy_file_range(struct fuse_client *client, const struct fuse_copy_file_range_in *in,
			     uint64_t nodeid_in);
int64_t fuse_copy_file_range_64(struct fuse_client *client,
				const struct fuse_copy_file_range_in *in, uint64_t nodeid_in);

/* Bytes of directory entries. plus: READDIRPLUS. */
int fuse_readdir(struct fuse_client *client, uint64_t nodeid, uint64_t fh, uint64_t offset,
		 uint32_t size, void *entries, bool plus);
/* The entry at *offset of a READDIR(PLUS) reply, advancing it; NULL at the end. Dies if malformed. */
const struct fuse_dirent *fuse_dirent_next(const void *entries, size_t n_bytes, size_t *offset);
const struct fuse_direntplus *fuse_direntplus_next(const void *entries, size_t n_bytes,
						   size_t *offset);

int fuse_setxattr(struct fuse_client *client, uint64_t nodeid, const char *name, const void *value,
		  uint32_t size, uint32_t flags);
/* Value length; size 0 asks for the length. */
int fuse_getxattr(struct fuse_client *client, uint64_t nodeid, const char *name, void *value,
		  uint32_t size);
int fuse_listxattr(struct fuse_client *client, uint64_t nodeid, char *names, uint32_t size);
int fuse_removexattr(struct fuse_client *client, uint64_t nodeid, const char *name);
/* opcode FUSE_GETLK, FUSE_SETLK or FUSE_SETLKW. ret_out only for GETLK, else NULL. */
int fuse_lock(struct fuse_client *client, uint32_t opcode, uint64_t nodeid,
	      const struct fuse_lk_in *in, struct fuse_lk_out *ret_out);
/* Restricted ioctl: out_size bytes come back at most; the result of the call in *ret_result. */
int fuse_ioctl(struct fuse_client *client, uint64_t nodeid, uint64_t fh, uint32_t command,
	       const void *in, uint32_t in_size, void *out, uint32_t out_size, bool is_dir,
	       int32_t *ret_result);

#endif
