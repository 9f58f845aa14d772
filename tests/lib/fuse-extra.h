/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE protocol bits missing from the installed <linux/fuse.h> (7.38), up to 7.46. */
#ifndef TESTS_LIB_FUSE_EXTRA_H
#define TESTS_LIB_FUSE_EXTRA_H

#include <linux/fuse.h>
#include <stdint.h>

#ifndef FUSE_CREATE_SUPP_GROUP
#define FUSE_CREATE_SUPP_GROUP (1ULL << 34) /* 7.38 */
#endif
#ifndef FUSE_DIRECT_IO_ALLOW_MMAP
#define FUSE_DIRECT_IO_ALLOW_MMAP (1ULL << 36) /* 7.39 */
#endif
#ifndef FUSE_PASSTHROUGH
#define FUSE_PASSTHROUGH (1ULL << 37) /* 7.40 */
#endif
#ifndef FUSE_NO_EXPORT_SUPPORT
#define FUSE_NO_EXPORT_SUPPORT (1ULL << 38) /* 7.40 */
#endif
#ifndef FUSE_HAS_RESEND
#define FUSE_HAS_RESEND (1ULL << 39) /* 7.40 */
#endif
#ifndef FUSE_ALLOW_IDMAP
#define FUSE_ALLOW_IDMAP (1ULL << 40) /* 7.42 */
#endif
#ifndef FUSE_OVER_IO_URING
#define FUSE_OVER_IO_URING (1ULL << 41) /* 7.42 */
#endif
#ifndef FUSE_REQUEST_TIMEOUT
#define FUSE_REQUEST_TIMEOUT (1ULL << 42) /* 7.43 */
#endif

#define TEST_FUSE_STATX		     52 /* 7.39 */
#define TEST_FUSE_COPY_FILE_RANGE_64 53 /* 7.45 */

/* Extension type of supplementary groups, and the struct that follows its header. */
#define TEST_FUSE_EXT_GROUPS	     32

struct test_fuse_supp_groups {
	uint32_t n_groups;
	uint32_t groups[];
};

struct test_fuse_statx_in {
	uint32_t getattr_flags;
	uint32_t reserved;
	uint64_t fh;
	uint32_t sx_flags;
	uint32_t sx_mask;
};

struct test_fuse_sx_time {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t reserved;
};

struct test_fuse_statx {
	uint32_t mask;
	uint32_t blksize;
	uint64_t attributes;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint16_t mode;
	uint16_t spare0[1];
	uint64_t ino;
	uint64_t size;
	uint64_t blocks;
	uint64_t attributes_mask;
	struct test_fuse_sx_time atime;
	struct test_fuse_sx_time btime;
	struct test_fuse_sx_time ctime;
	struct test_fuse_sx_time mtime;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint64_t spare2[14];
};

struct test_fuse_statx_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec;
	uint32_t flags;
	uint64_t spare[2];
	struct test_fuse_statx stat;
};

struct test_fuse_copy_file_range_out {
	uint64_t bytes_copied;
};

#endif
