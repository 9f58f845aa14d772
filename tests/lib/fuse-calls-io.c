/* SPDX-License-Identifier: Apache-2.0 */
/* Typed FUSE calls: attributes, open files, directories, xattrs, locks. */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "tests/lib/bounded.h"
#include "tests/lib/fuse-calls-internal.h"
#include "tests/lib/fuse-calls.h"

int fuse_getattr(struct fuse_client *client, uint64_t nodeid, uint64_t fh,
		 struct fuse_attr_out *ret_attr)
{
	struct fuse_getattr_in in = { 0 };
	struct fuse_op op = {
		.opcode = FUSE_GETATTR,
		.nodeid = nodeid,
		.in = { { &in, sizeof(in) } },
		.out = ret_attr,
		.out_len = sizeof(*ret_attr),
	};

	if (fh != UINT64_MAX) {
		in.getattr_flags = FUSE_GETATTR_FH;
		in.fh = fh;
	}
	return zero_or_error(fuse_transact(client, &op));
}

int fuse_setattr(struct fuse_client *client, uint64_t nodeid, const struct fuse_setattr_in *in,
		 struct fuse_attr_out *ret_attr)
{
	struct fuse_op op = {
		.opcode = FUSE_SETATTR,
		.nodeid = nodeid,
		.in = { { in, sizeof(*in) } },
		.out = ret_attr,
		.out_len = sizeof(*ret_attr),
	};

	return zero_or_error(fuse_transact(client, &op));
}

int fuse_statx(struct fuse_client *client, uint64_t nodeid, uint64_t fh, uint32_t mask,
	       struct test_fuse_statx_out *ret_statx)
{
	struct test_fuse_statx_in in = { .sx_mask = mask };
	struct fuse_op op = {
		.opcode = TEST_FUSE_STATX,
		.nodeid = nodeid,
		.in = { { &in, sizeof(in) } },
		.out = ret_statx,
		.out_len = sizeof(*ret_statx),
	};

	if (fh != UINT64_MAX) {
		in.getattr_flags = FUSE_GETATTR_FH;
		in.fh = fh;
	}
	return zero_or_error(fuse_transact(client, &op));
}

/* A request of one struct that is answered by the header alone. */
static int plain_call(struct fuse_client *client, uint32_t opcode, uint64_t nodeid, const void *in,
		      size_t in_bytes)
{
	struct fuse_op op = {
		.opcode = opcode,
		.nodeid = nodeid,
		.in = { { in, in_bytes } },
	};

	return fuse_transact(client, &op);
}

int fuse_access(struct fuse_client *client, uint64_t nodeid, uint32_t mask)
{
	struct fuse_access_in in = { .mask = mask };

	return plain_call(client, FUSE_ACCESS, nodeid, &in, sizeof(in));
}

int fuse_statfs(struct fuse_client *client, uint64_t nodeid, struct fuse_statfs_out *ret_statfs)
{
	struct fuse_op op = {
		.opcode = FUSE_STATFS,
		.nodeid = nodeid,
		.out = ret_statfs,
		.out_len = sizeof(*ret_statfs),
	};

	return zero_or_error(fuse_transact(client, &op));
}

int fuse_syncfs(struct fuse_client *client, uint64_t nodeid)
{
	struct fuse_syncfs_in in = { 0 };

	return plain_call(client, FUSE_SYNCFS, nodeid, &in, sizeof(in));
}

static int open_call(struct fuse_client *client, uint32_t opcode, uint64_t nodeid, uint32_t flags,
		     struct fuse_open_out *ret_open)
{
	struct fuse_open_in in = { .flags = flags };
	struct fuse_op op = {
		.opcode = opcode,
		.nodeid = nodeid,
		.in = { { &in, sizeof(in) } },
		.out = ret_open,
		.out_len = sizeof(*ret_open),
	};

	return zero_or_error(fuse_transact(client, &op));
}

int fuse_open(struct fuse_client *client, uint64_t nodeid, uint32_t flags,
	      struct fuse_open_out *ret_open)
{
	return open_call(client, FUSE_OPEN, nodeid, flags, ret_open);
}

int fuse_opendir(struct fuse_client *client, uint64_t nodeid, uint32_t flags,
		 struct fuse_open_out *ret_open)
{
	return open_call(client, FUSE_OPENDIR, nodeid, flags, ret_open);
}

int fuse_release(struct fuse_client *client, uint64_t nodeid, uint64_t fh)
{
	struct fuse_release_in in = { .fh = fh };

	return plain_call(client, FUSE_RELEASE, nodeid, &in, sizeof(in));
}

int fuse_releasedir(struct fuse_client *client, uint64_t nodeid, uint64_t fh)
{
	struct fuse_release_in in = { .fh = fh };

	return plain_call(client, FUSE_RELEASEDIR, nodeid, &in, sizeof(in));
}

int fuse_flush_fh(struct fuse_client *client, uint64_t nodeid, uint64_t fh, uint64_t lock_owner)
{
	struct fuse_flush_in in = { .fh = fh, .lock_owner = lock_owner };

	return plain_call(client, FUSE_FLUSH, nodeid, &in, sizeof(in));
}

static int fsync_call(struct fuse_client *client, uint32_t opcode, uint64_t nodeid, uint64_t fh,
		      bool data_only)
{
	struct fuse_fsync_in in = { .fh = fh, .fsync_flags = data_only ? FUSE_FSYNC_FDATASYNC : 0 };

	return plain_call(client, opcode, nodeid, &in, sizeof(in));
}

int fuse_fsync(struct fuse_client *client, uint64_t nodeid, uint64_t fh, bool data_only)
{
	return fsync_call(client, FUSE_FSYNC, nodeid, fh, data_only);
}

int fuse_fsyncdir(struct fuse_client *client, uint64_t nodeid, uint64_t fh, bool data_only)
{
	return fsync_call(client, FUSE_FSYNCDIR, nodeid, fh, data_only);
}

/* READ, READDIR and READDIRPLUS: the reply goes to the data buffer when there is one. */
static int read_call(struct fuse_client *client, uint32_t opcode, uint64_t nodeid,
		     const struct fuse_read_in *in, void *bytes)
{
	bool by_data = in->size <= client->config.data_bytes;
	struct fuse_op op = {
		.opcode = opcode,
		.nodeid = nodeid,
		.in = { { in, sizeof(*in) } },
		.data_in = by_data ? bytes : NULL,
		.data_in_len = by_data ? in->size : 0,
		.out = by_data ? NULL : bytes,
		.out_len = by_data ? 0 : in->size,
		.variable = true,
	};

	return fuse_transact(client, &op);
}

int fuse_read(struct fuse_client *client, uint64_t nodeid, uint64_t fh, uint64_t offset,
	      uint32_t size, void *bytes)
{
	struct fuse_read_in in = { .fh = fh, .offset = offset, .size = size };

	return read_call(client, FUSE_READ, nodeid, &in, bytes);
}

int fuse_readdir(struct fuse_client *client, uint64_t nodeid, uint64_t fh, uint64_t offset,
		 uint32_t size, void *entries, bool plus)
{
	struct fuse_read_in in = { .fh = fh, .offset = offset, .size = size };

	return read_call(client, plus ? FUSE_READDIRPLUS : FUSE_READDIR, nodeid, &in, entries);
}

int fuse_write(struct fuse_client *client, uint64_t nodeid, uint64_t fh, uint64_t offset,
	       uint32_t size, const void *bytes, uint32_t write_flags)
{
	struct fuse_write_in in = {
		.fh = fh,
		.offset = offset,
		.size = size,
		.write_flags = write_flags,
		.flags = client->file_flags,
	};
	struct fuse_write_out out;
	struct fuse_op op = {
		.opcode = FUSE_WRITE,
		.nodeid = nodeid,
		.in = { { &in, sizeof(in) } },
		.data_out = bytes,
		.data_out_len = size,
		.out = &out,
		.out_len = sizeof(out),
	};
	int result = fuse_transact(client, &op);

	return result < 0 ? result : (int)out.size;
}

int fuse_fallocate(struct fuse_client *client, uint64_t nodeid, uint64_t fh, uint64_t offset,
		   uint64_t length, uint32_t mode)
{
	struct fuse_fallocate_in in = {
		.fh = fh,
		.offset = offset,
		.length = length,
		.mode = mode,
	};

	return plain_call(client, FUSE_FALLOCATE, nodeid, &in, sizeof(in));
}

int fuse_lseek(struct fuse_client *client, uint64_t nodeid, uint64_t fh, uint64_t offset,
	       uint32_t whence, uint64_t *ret_offset)
{
	struct fuse_lseek_in in = { .fh = fh, .offset = offset, .whence = whence };
	struct fuse_lseek_out out;
	struct fuse_op op = {
		.opcode = FUSE_LSEEK,
		.nodeid = nodeid,
		.in = { { &in, sizeof(in) } },
		.out = &out,
		.out_len = sizeof(out),
	};
	int result = fuse_transact(client, &op);

	if (result < 0)
		return result;
	*ret_offset = out.offset;
	return 0;
}

int64_t fuse_copy_file_range(struct fuse_client *client, const struct fuse_copy_file_range_in *in,
			     uint64_t nodeid_in)
{
	struct fuse_write_out out;
	struct fuse_op op = {
		.opcode = FUSE_COPY_FILE_RANGE,
		.nodeid = nodeid_in,
		.in = { { in, sizeof(*in) } },
		.out = &out,
		.out_len = sizeof(out),
	};
	int result = fuse_transact(client, &op);

	return result < 0 ? result : (int64_t)out.size;
}

int64_t fuse_copy_file_range_64(struct fuse_client *client,
				const struct fuse_copy_file_range_in *in, uint64_t nodeid_in)
{
	struct test_fuse_copy_file_range_out out;
	struct fuse_op op = {
		.opcode = TEST_FUSE_COPY_FILE_RANGE_64,
		.nodeid = nodeid_in,
		.in = { { in, sizeof(*in) } },
		.out = &out,
		.out_len = sizeof(out),
	};
	int result = fuse_transact(client, &op);

	return result < 0 ? result : (int64_t)out.bytes_copied;
}

/* Checks the entry at *offset, whose dirent begins @skip bytes into it, and steps over it. */
static const void *next_entry(const void *entries, size_t n_bytes, size_t *offset, size_t skip)
{
	const uint8_t *entry = (const uint8_t *)entries + *offset;
	const struct fuse_dirent *dirent = (const void *)(entry + skip);
	size_t left = n_bytes - *offset;
	size_t whole;

	if (!left)
		return NULL;
	if (left < skip + FUSE_NAME_OFFSET || !dirent->namelen ||
	    left < skip + FUSE_NAME_OFFSET + dirent->namelen)
		test_die("directory entry at %zu of %zu is cut", *offset, n_bytes);
	whole = align_up(skip + FUSE_NAME_OFFSET + dirent->namelen, 8);
	if (memchr(dirent->name, '/', dirent->namelen) || memchr(dirent->name, 0, dirent->namelen))
		test_die("directory entry with a bad name");
	if (left < whole)
		test_die("directory entry at %zu lacks its padding", *offset);
	*offset += whole;
	return entry;
}

const struct fuse_dirent *fuse_dirent_next(const void *entries, size_t n_bytes, size_t *offset)
{
	return next_entry(entries, n_bytes, offset, 0);
}

const struct fuse_direntplus *fuse_direntplus_next(const void *entries, size_t n_bytes,
						   size_t *offset)
{
	return next_entry(entries, n_bytes, offset, offsetof(struct fuse_direntplus, dirent));
}

int fuse_setxattr(struct fuse_client *client, uint64_t nodeid, const char *name, const void *value,
		  uint32_t size, uint32_t flags)
{
	struct fuse_setxattr_in in = { .size = size, .flags = flags };
	size_t in_bytes = client->init_flags & FUSE_SETXATTR_EXT ? sizeof(in)
								 : FUSE_COMPAT_SETXATTR_IN_SIZE;
	bool by_data = size > 4096;
	struct fuse_op op = {
		.opcode = FUSE_SETXATTR,
		.nodeid = nodeid,
		.in = { { &in, in_bytes }, NAME_PART(name), { value, by_data ? 0 : size } },
		.data_out = value,
		.data_out_len = by_data ? size : 0,
	};

	return fuse_transact(client, &op);
}

static int xattr_call(struct fuse_client *client, uint32_t opcode, uint64_t nodeid,
		      const char *name, void *bytes, uint32_t size)
{
	struct fuse_getxattr_in in = { .size = size };
	struct fuse_getxattr_out out = { 0 };
	struct fuse_op op = {
		.opcode = opcode,
		.nodeid = nodeid,
		.in = { { &in, sizeof(in) }, { name, name ? strlen(name) + 1 : 0 } },
		.out = size ? bytes : &out,
		.out_len = size ? size : sizeof(out),
		.variable = size,
	};
	int result = fuse_transact(client, &op);

	return result < 0 || size ? result : (int)out.size;
}

int fuse_getxattr(struct fuse_client *client, uint64_t nodeid, const char *name, void *value,
		  uint32_t size)
{
	return xattr_call(client, FUSE_GETXATTR, nodeid, name, value, size);
}

int fuse_listxattr(struct fuse_client *client, uint64_t nodeid, char *names, uint32_t size)
{
	return xattr_call(client, FUSE_LISTXATTR, nodeid, NULL, names, size);
}

int fuse_removexattr(struct fuse_client *client, uint64_t nodeid, const char *name)
{
	return plain_call(client, FUSE_REMOVEXATTR, nodeid, name, strlen(name) + 1);
}

int fuse_lock(struct fuse_client *client, uint32_t opcode, uint64_t nodeid,
	      const struct fuse_lk_in *in, struct fuse_lk_out *ret_out)
{
	struct fuse_op op = {
		.opcode = opcode,
		.nodeid = nodeid,
		.in = { { in, sizeof(*in) } },
		.out = ret_out,
		.out_len = ret_out ? sizeof(*ret_out) : 0,
	};

	return zero_or_error(fuse_transact(client, &op));
}

int fuse_ioctl(struct fuse_client *client, uint64_t nodeid, uint64_t fh, uint32_t command,
	       const void *in, uint32_t in_size, void *out, uint32_t out_size, bool is_dir,
	       int32_t *ret_result)
{
	struct fuse_ioctl_in head = {
		.fh = fh,
		.flags = is_dir ? FUSE_IOCTL_DIR : 0,
		.cmd = command,
		.in_size = in_size,
		.out_size = out_size,
	};
	uint8_t reply[sizeof(struct fuse_ioctl_out) + 4096];
	struct fuse_op op = {
		.opcode = FUSE_IOCTL,
		.nodeid = nodeid,
		.in = { { &head, sizeof(head) }, { in, in_size } },
		.out = reply,
		.out_len = (uint32_t)sizeof(struct fuse_ioctl_out) + out_size,
		.variable = true,
	};
	struct fuse_ioctl_out result_head;
	int result;

	if (out_size > 4000)
		return -EMSGSIZE;
	result = fuse_transact(client, &op);
	if (result < 0)
		return result;
	if ((size_t)result < sizeof(result_head))
		test_die("the IOCTL reply is cut");
	memcpy(&result_head, reply, sizeof(result_head));
	*ret_result = result_head.result;
	memcpy(out, reply + sizeof(result_head), (size_t)result - sizeof(result_head));
	return 0;
}
