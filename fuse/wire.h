/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FUSE wire protocol: the structs of <linux/fuse.h>, and what newer protocol minors added.
 *
 * The oldest header this builds with is protocol 7.38 without the supplementary group extension.
 * Macros are guarded by themselves; what is an enumerator or a struct in a newer header is guarded
 * by the header's minor, or by a macro that came in the same change.
 */
#ifndef FUSE_WIRE_H
#define FUSE_WIRE_H

#include <fcntl.h>
#include <linux/fuse.h>
#include <stddef.h>

#define WIRE_MAJOR	 FUSE_KERNEL_VERSION
/* The newest minor whose rules are followed here. */
#define WIRE_MINOR	 46
/* virtio-fs guests began with 31; from 23 on the INIT reply has its present length. */
#define WIRE_MINOR_LEAST 27

/* 7.38 (second half): the supplementary group a creation needs. */
#ifndef FUSE_CREATE_SUPP_GROUP
#define FUSE_CREATE_SUPP_GROUP (1ULL << 34)
#define FUSE_EXT_GROUPS	       32

struct fuse_supp_groups {
	uint32_t nr_groups;
	uint32_t groups[];
};
#endif

/* 7.39 */
#ifndef FUSE_DIRECT_IO_ALLOW_MMAP
#define FUSE_DIRECT_IO_ALLOW_MMAP (1ULL << 36)
#endif
#if FUSE_KERNEL_MINOR_VERSION < 39
#define FUSE_STATX 52

struct fuse_sx_time {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t reserved;
};

struct fuse_statx {
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
	struct fuse_sx_time atime;
	struct fuse_sx_time btime;
	struct fuse_sx_time ctime;
	struct fuse_sx_time mtime;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint64_t spare2[14];
};

struct fuse_statx_in {
	uint32_t getattr_flags;
	uint32_t reserved;
	uint64_t fh;
	uint32_t sx_flags;
	uint32_t sx_mask;
};

struct fuse_statx_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec;
	uint32_t flags;
	uint64_t spare[2];
	struct fuse_statx stat;
};
#endif

/* 7.40 */
#ifndef FUSE_PASSTHROUGH
#define FUSE_PASSTHROUGH (1ULL << 37)
#endif
#ifndef FUSE_NO_EXPORT_SUPPORT
#define FUSE_NO_EXPORT_SUPPORT (1ULL << 38)
#endif
#ifndef FUSE_HAS_RESEND
#define FUSE_HAS_RESEND (1ULL << 39)
#endif

/* 7.41: requests other than creations carry the ids WIRE_NO_ID. */
#ifndef FUSE_ALLOW_IDMAP
#define FUSE_ALLOW_IDMAP (1ULL << 40)
#endif
#define WIRE_NO_ID    UINT32_MAX

/*
 * In fuse_write_in.flags: open(2) flags as Linux has them on the guest's processor, which is of the
 * host's kind. Of those that matter here only O_DIRECT differs from one to the other.
 */
#define WIRE_O_APPEND 02000u
#define WIRE_O_DIRECT ((uint32_t)O_DIRECT)
#define WIRE_O_DSYNC  010000u
#define WIRE_O_SYNC   04010000u

/* 7.42 */
#ifndef FUSE_OVER_IO_URING
#define FUSE_OVER_IO_URING (1ULL << 41)
#endif

/* 7.43 */
#ifndef FUSE_REQUEST_TIMEOUT
#define FUSE_REQUEST_TIMEOUT (1ULL << 42)
#endif

/* 7.45 */
#if FUSE_KERNEL_MINOR_VERSION < 45
#define FUSE_COPY_FILE_RANGE_64 53

struct fuse_copy_file_range_out {
	uint64_t bytes_copied;
};
#endif

#define WIRE_NSEC_PER_SEC UINT64_C(1000000000)

/* Layouts are fixed by the protocol; a header that pads differently must not build. */
_Static_assert(sizeof(struct fuse_in_header) == 40, "wire");
_Static_assert(sizeof(struct fuse_out_header) == 16, "wire");
_Static_assert(offsetof(struct fuse_in_header, total_extlen) == 36, "wire");
_Static_assert(sizeof(struct fuse_attr) == 88, "wire");
_Static_assert(sizeof(struct fuse_entry_out) == 128, "wire");
_Static_assert(sizeof(struct fuse_attr_out) == 104, "wire");
_Static_assert(sizeof(struct fuse_open_out) == 16, "wire");
_Static_assert(sizeof(struct fuse_init_in) == 64, "wire");
_Static_assert(sizeof(struct fuse_init_out) == 64, "wire");
_Static_assert(sizeof(struct fuse_setattr_in) == 88, "wire");
_Static_assert(sizeof(struct fuse_create_in) == 16, "wire");
_Static_assert(sizeof(struct fuse_mknod_in) == 16, "wire");
_Static_assert(sizeof(struct fuse_read_in) == 40, "wire");
_Static_assert(sizeof(struct fuse_write_in) == 40, "wire");
_Static_assert(sizeof(struct fuse_statfs_out) == 80, "wire");
_Static_assert(sizeof(struct fuse_copy_file_range_in) == 56, "wire");
_Static_assert(offsetof(struct fuse_dirent, name) == 24, "wire");
_Static_assert(sizeof(struct fuse_direntplus) == 152, "wire");
_Static_assert(sizeof(struct fuse_ext_header) == 8, "wire");
_Static_assert(sizeof(struct fuse_statx_in) == 24, "wire");
_Static_assert(sizeof(struct fuse_statx_out) == 288, "wire");
_Static_assert(sizeof(struct fuse_ioctl_in) == 32, "wire");
_Static_assert(sizeof(struct fuse_ioctl_out) == 16, "wire");
_Static_assert(sizeof(struct fuse_secctx) == 8, "wire");
_Static_assert(sizeof(struct fuse_setxattr_in) == 16, "wire");
_Static_assert(sizeof(struct fuse_getxattr_out) == 8, "wire");

#endif
