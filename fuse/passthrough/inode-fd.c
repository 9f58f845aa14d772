/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors reopened through /proc/self/fd, and classes of file systems.
 */
#include "fuse/passthrough/inode-fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/util.h"

/* statfs(2) f_type; the kernel's header has not all of them. */
#define TYPE_BCACHEFS  0xca451a4eu
#define TYPE_BTRFS     0x9123683eu
#define TYPE_CRAMFS    0x28cd3d45u
#define TYPE_EROFS     0xe0f5e1e2u
#define TYPE_EXFAT     0x2011bab0u
#define TYPE_EXT       0xef53u
#define TYPE_F2FS      0xf2f52010u
#define TYPE_HFSPLUS   0x482bu
#define TYPE_HUGETLBFS 0x958458f6u
#define TYPE_ISOFS     0x9660u
#define TYPE_JFS       0x3153464au
#define TYPE_JFFS2     0x72b6u
#define TYPE_MSDOS     0x4d44u
#define TYPE_NILFS     0x3434u
#define TYPE_NTFS3     0x7366746eu
#define TYPE_OVERLAY   0x794c7630u
#define TYPE_RAMFS     0x858458f6u
#define TYPE_REISERFS  0x52654973u
#define TYPE_ROMFS     0x7275u
#define TYPE_SQUASHFS  0x73717368u
#define TYPE_TMPFS     0x01021994u
#define TYPE_UBIFS     0x24051905u
#define TYPE_UDF       0x15013346u
#define TYPE_XFS       0x58465342u
#define TYPE_ZFS       0x2fc12fc1u
#define TYPE_ZONEFS    0x5a4f4653u

enum backing backing_of(int fd)
{
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return BACKING_REMOTE;
	switch ((uint32_t)st.f_type) {
	case TYPE_TMPFS:
	case TYPE_RAMFS:
	case TYPE_HUGETLBFS:
		return BACKING_MEMORY;
	case TYPE_BCACHEFS:
	case TYPE_BTRFS:
	case TYPE_CRAMFS:
	case TYPE_EROFS:
	case TYPE_EXFAT:
	case TYPE_EXT:
	case TYPE_F2FS:
	case TYPE_HFSPLUS:
	case TYPE_ISOFS:
	case TYPE_JFS:
	case TYPE_JFFS2:
	case TYPE_MSDOS:
	case TYPE_NILFS:
	case TYPE_NTFS3:
	case TYPE_OVERLAY:
	case TYPE_REISERFS:
	case TYPE_ROMFS:
	case TYPE_SQUASHFS:
	case TYPE_UBIFS:
	case TYPE_UDF:
	case TYPE_XFS:
	case TYPE_ZFS:
	case TYPE_ZONEFS:
		return BACKING_LOCAL;
	default:
		return BACKING_REMOTE;
	}
}

bool fd_on_overlay(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 && (uint32_t)st.f_type == TYPE_OVERLAY;
}

/* Since Linux 6.6; before, a position counted the entries there were at the time. */
bool tmpfs_positions_last(void)
{
	struct utsname host;
	unsigned long major;
	char *end;

	if (uname(&host) < 0)
		return false;
	major = strtoul(host.release, &end, 10);
	return major > 6 || (major == 6 && *end == '.' && strtoul(end + 1, NULL, 10) >= 6);
}

/* Those whose positions are hashes or numbers of entries, and those that never change. */
bool dir_positions_last(int fd, bool tmpfs_too)
{
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return false;
	switch ((uint32_t)st.f_type) {
	case TYPE_TMPFS:
		return tmpfs_too;
	case TYPE_BTRFS:
	case TYPE_EROFS:
	case TYPE_EXT:
	case TYPE_F2FS:
	case TYPE_SQUASHFS:
	case TYPE_XFS:
		return true;
	default:
		return false;
	}
}

struct fd_name fd_name(int fd)
{
	struct fd_name name;
	char digits[sizeof(name.text)];
	unsigned int value = (unsigned int)fd;
	unsigned int n = 0;

	do {
		digits[n++] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	for (unsigned int i = 0; i < n; i++)
		name.text[i] = digits[n - 1 - i];
	name.text[n] = '\0';
	return name;
}

int fd_reopen(int proc_self_fd, int fd, int flags)
{
	struct fd_name name = fd_name(fd);

	return neg_errno(
		openat(proc_self_fd, name.text, (flags & ~O_NOFOLLOW) | O_CLOEXEC | O_NOCTTY));
}

/*
 * open_tree(2) is for mounts, but without OPEN_TREE_CLONE it opens with O_PATH what a descriptor
 * refers to, in half the time that /proc takes. Some kernels and containers do not have it.
 */
int fd_reopen_path(int proc_self_fd, int fd)
{
	static bool refused; /* atomic */
	int r;

	if (!__atomic_load_n(&refused, __ATOMIC_RELAXED)) {
		r = (int)neg_errno(syscall(SYS_open_tree, fd, "", AT_EMPTY_PATH | O_CLOEXEC));
		if (r != -ENOSYS && r != -EPERM)
			return r;
		__atomic_store_n(&refused, true, __ATOMIC_RELAXED);
	}
	return fd_reopen(proc_self_fd, fd, O_PATH);
}
