/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of files and of the file system: stat, statx, statfs, flags. */
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "world.h"

static struct statx look(const char *path, unsigned int mask)
{
	struct statx stx = { 0 };

	must(statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, mask, &stx));
	return stx;
}

static void check_stat(void)
{
	struct stat a, b;
	int fd;

	make_file("file", &alice, 0640);
	must(stat("file", &a));
	equals("a file's size is told", 5, a.st_size);
	equals("a file's owner is told", alice.uid, a.st_uid);
	equals("a file's group is told", alice.gid, a.st_gid);
	equals("a file's kind and mode are told", S_IFREG | 0640, a.st_mode);
	equals("a file's links are told", 1, (long)a.st_nlink);
	observe_number("the preferred size of blocks", a.st_blksize);
	fd = must(open("file", O_RDWR | O_CLOEXEC));
	must(fstat(fd, &b));
	holds("an open file tells the same", a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	must(write(fd, "0123456789", 10));
	must(stat("file", &a));
	equals("the size is told at once after a write", 10, a.st_size);
	must(fsync(fd));
	must(stat("file", &a));
	observe_number("the blocks of a small file", a.st_blocks);
	close(fd);
	must(stat(".", &b));
	holds("a file has its directory's device", a.st_dev == b.st_dev);
	must(stat("..", &a));
	holds("another directory is another inode", a.st_ino != b.st_ino);
	make_dir("d", &root, 0750);
	must(stat("d", &a));
	equals("a directory's kind and mode are told", S_IFDIR | 0750, a.st_mode);
	must(symlink("file", "link"));
	must(lstat("link", &a));
	equals("a link's kind is told", S_IFLNK, a.st_mode & S_IFMT);
	must(stat("link", &a));
	equals("the kind of what a link leads to is told", S_IFREG, a.st_mode & S_IFMT);
}

static void check_statx(void)
{
	struct statx stx, then;

	make_file("file", &root, 0644);
	stx = look("file", STATX_BASIC_STATS);
	equals("all basic fields are there", STATX_BASIC_STATS, stx.stx_mask & STATX_BASIC_STATS);
	stx = look("file", STATX_BTIME);
	holds("the time of birth is there", stx.stx_mask & STATX_BTIME);
	holds("the time of birth is a time", stx.stx_btime.tv_sec > 1500000000);
	must(utimensat(AT_FDCWD, "file", (struct timespec[2]){ { 1, 0 }, { 1, 0 } }, 0));
	must(rename("file", "renamed"));
	then = look("renamed", STATX_BTIME);
	holds("the time of birth does not change",
	      then.stx_btime.tv_sec == stx.stx_btime.tv_sec &&
		      then.stx_btime.tv_nsec == stx.stx_btime.tv_nsec);
	observe_number("which attributes are known",
		       (long long)(stx.stx_attributes_mask &
				   (STATX_ATTR_COMPRESSED | STATX_ATTR_IMMUTABLE |
				    STATX_ATTR_APPEND | STATX_ATTR_NODUMP)));
	equals("no attribute is set", 0,
	       (long long)(stx.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND |
						 STATX_ATTR_NODUMP | STATX_ATTR_MOUNT_ROOT)));
	make_dir("d", &root, 0755);
	stx = look("d", STATX_BASIC_STATS | STATX_BTIME);
	holds("a directory has a time of birth", stx.stx_mask & STATX_BTIME);
	equals("a directory's mode is told", S_IFDIR | 0755, stx.stx_mode);
	must(symlink("x", "link"));
	holds("a link has a time of birth", look("link", STATX_BTIME).stx_mask & STATX_BTIME);
	works("attributes are asked without the server",
	      statx(AT_FDCWD, "d", AT_STATX_DONT_SYNC, STATX_SIZE, &stx));
	works("attributes are asked of the server",
	      statx(AT_FDCWD, "d", AT_STATX_FORCE_SYNC, STATX_ALL, &stx));
	fails("contrary flags are refused", EINVAL,
	      statx(AT_FDCWD, "d", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, 0, &stx));
	fails("a reserved field is refused", EINVAL, statx(AT_FDCWD, "d", 0, 1U << 31, &stx));
	fails("a missing file is not there", ENOENT, statx(AT_FDCWD, "x", 0, STATX_ALL, &stx));
}

static void check_file_system(void)
{
	struct statfs a, b;
	struct statvfs v;
	int fd;

	make_file("file", &root, 0644);
	works("the file system is told", statfs("file", &a));
	fd = must(open(".", O_RDONLY | O_CLOEXEC));
	works("the file system of a descriptor is told", fstatfs(fd, &b));
	close(fd);
	holds("both are the same", a.f_type == b.f_type && a.f_blocks == b.f_blocks);
	observe_number("the size of blocks", (long long)a.f_bsize);
	observe_number("the size of fragments", (long long)a.f_frsize);
	observe_number("the number of blocks", (long long)a.f_blocks);
	holds("no more files are free than there are", a.f_ffree <= a.f_files);
	equals("the longest name", 255, (long long)a.f_namelen);
	holds("some of it is free", a.f_bfree > 0 && a.f_bfree <= a.f_blocks);
	holds("a user gets no more than is free", a.f_bavail <= a.f_bfree);
	works("statvfs tells too", statvfs("file", &v));
	equals("the longest name is told by statvfs", 255, (long long)v.f_namemax);
	equals("the longest name is told by pathconf", 255, pathconf(".", _PC_NAME_MAX));
	fails("a missing file has no file system", ENOENT, statfs("missing", &a));
}

static int set_flags(const char *path, int flags)
{
	int fd = must(open(path, O_RDONLY | O_CLOEXEC));
	int ret = ioctl(fd, FS_IOC_SETFLAGS, &flags), error = errno;

	close(fd);
	errno = error;
	return ret;
}

static int get_flags(const char *path)
{
	int fd = must(open(path, O_RDONLY | O_CLOEXEC)), flags = 0;
	int ret = ioctl(fd, FS_IOC_GETFLAGS, &flags), error = errno;

	close(fd);
	errno = error;
	return ret < 0 ? -1 : flags;
}

static void check_flags(void)
{
	int base, fd;

	make_file("file", &alice, 0644);
	make_dir("d", &root, 0755);
	base = get_flags("file");
	works("a file's flags are told", base);
	observe_number("a new file's flags", base);
	observe_number("a new directory's flags", get_flags("d"));
	works("a flag is set", set_flags("file", base | FS_NODUMP_FL));
	holds("the flag is told", get_flags("file") & FS_NODUMP_FL);
	holds("statx tells the flag", look("file", 0).stx_attributes & STATX_ATTR_NODUMP);
	works("a flag is taken back", set_flags("file", base));
	equals("the flags are as before", base, get_flags("file"));
	works("a directory's flag is set", set_flags("d", get_flags("d") | FS_NODUMP_FL));
	holds("a directory's flag is told", get_flags("d") & FS_NODUMP_FL);
	become(&bob);
	fails("another user sets no flag", EPERM, set_flags("file", base | FS_NODUMP_FL));
	fails("a user makes nothing immutable", EPERM, set_flags("file", base | FS_IMMUTABLE_FL));
	become(&alice);
	works("the owner sets a flag", set_flags("file", base | FS_NODUMP_FL));
	fails("the owner makes nothing immutable", EPERM,
	      set_flags("file", base | FS_IMMUTABLE_FL));
	become(&root);
	observe("root makes a file immutable", set_flags("file", base | FS_IMMUTABLE_FL));
	observe("an immutable file is opened", try_open("file", O_WRONLY, 0));
	set_flags("file", base);
	fd = must(open("file", O_RDONLY | O_CLOEXEC));
	fails("a terminal's request is not a file's", ENOTTY, ioctl(fd, 0x5401, &base));
	works("bytes to read are told", ioctl(fd, FIONREAD, &base));
	equals("all bytes are to read", 5, base);
	close(fd);
}

const group_fn stat_groups[] = { check_stat, check_statx, check_file_system, check_flags, NULL };
