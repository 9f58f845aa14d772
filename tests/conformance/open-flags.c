/* SPDX-License-Identifier: Apache-2.0 */
/* What open(2) and openat2(2) make of their flags. */
#include <errno.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "world.h"

static int open_how(const char *path, unsigned long long flags, unsigned long long resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = resolve };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static void check_creation(void)
{
	make_file("file", &root, 0644);
	make_dir("d", &root, 0755);
	works("O_CREAT makes a file", try_open("new", O_CREAT | O_WRONLY, 0600));
	works("O_CREAT opens what exists", try_open("file", O_CREAT | O_WRONLY, 0600));
	reads("O_CREAT leaves what exists", "text\n", get("file"));
	modes_equal("O_CREAT leaves the mode of what exists", 0644, mode_of("file"));
	works("O_EXCL makes a file", try_open("new2", O_CREAT | O_EXCL | O_RDWR, 0600));
	fails("O_EXCL refuses a file", EEXIST, try_open("file", O_CREAT | O_EXCL | O_RDWR, 0600));
	fails("O_EXCL refuses a directory", EEXIST, try_open("d", O_CREAT | O_EXCL | O_RDWR, 0600));
	fails("O_CREAT refuses a directory", EISDIR, try_open("d", O_CREAT | O_RDONLY, 0600));
	fails("O_CREAT refuses a slash behind the name", EISDIR,
	      try_open("x/", O_CREAT | O_WRONLY, 0600));
	fails("O_CREAT refuses a missing directory", ENOENT,
	      try_open("missing/x", O_CREAT | O_WRONLY, 0600));
	fails("O_CREAT refuses a file as directory", ENOTDIR,
	      try_open("file/x", O_CREAT | O_WRONLY, 0600));
	fails("a missing file is not opened", ENOENT, try_open("missing", O_RDWR, 0));
	works("O_CREAT keeps the set-user-ID bit", try_open("setuid", O_CREAT | O_RDWR, 04711));
	modes_equal("the new file has the set-user-ID bit", 04711, mode_of("setuid"));
	works("O_CREAT with a mode of others", try_open("sticky", O_CREAT | O_RDWR, 01600));
	modes_equal("a new file may be sticky", 01600, mode_of("sticky"));
	observe("O_CREAT with O_DIRECTORY",
		try_open("both", O_CREAT | O_DIRECTORY | O_RDONLY, 0700));
}

static void check_truncation(void)
{
	int fd;

	make_file("file", &root, 0644);
	works("O_TRUNC with O_WRONLY", try_open("file", O_TRUNC | O_WRONLY, 0));
	equals("O_TRUNC empties", 0, size_of("file"));
	put("file", "text\n");
	fd = must(open("file", O_RDONLY | O_CLOEXEC));
	put("file", "other text\n");
	works("O_TRUNC with O_RDONLY", try_open("file", O_TRUNC | O_RDONLY, 0));
	equals("O_TRUNC empties even when read only", 0, size_of("file"));
	equals("another handle sees the end at once", 0, read(fd, (char[4]){ 0 }, 4));
	close(fd);
	fails("O_TRUNC refuses a directory", EISDIR, try_open(".", O_TRUNC | O_WRONLY, 0));
	works("O_TRUNC of a new file", try_open("new", O_CREAT | O_TRUNC | O_WRONLY, 0600));
	put("file", "text\n");
	works("O_PATH takes no O_TRUNC", try_open("file", O_PATH | O_TRUNC, 0));
	equals("O_PATH leaves the content", 5, size_of("file"));
}

static void check_access_modes(void)
{
	char byte = 'x';
	int fd;

	make_file("file", &root, 0644);
	fd = must(open("file", O_RDONLY | O_CLOEXEC));
	fails("what is open for reading is not written", EBADF, write(fd, &byte, 1));
	equals("what is open for reading is read", 1, read(fd, &byte, 1));
	equals("its flags say so", O_RDONLY, must(fcntl(fd, F_GETFL)) & O_ACCMODE);
	close(fd);
	fd = must(open("file", O_WRONLY | O_CLOEXEC));
	fails("what is open for writing is not read", EBADF, read(fd, &byte, 1));
	equals("what is open for writing is written", 1, write(fd, &byte, 1));
	close(fd);
	fd = open("file", O_ACCMODE | O_CLOEXEC);
	observe("open with access mode 3", fd);
	observe("access mode 3 reads", read(fd, &byte, 1));
	observe("access mode 3 writes", write(fd, &byte, 1));
	if (fd >= 0)
		close(fd);
	must(chmod("file", 0400));
	must(chown("file", alice.uid, alice.gid));
	become(&alice);
	observe("access mode 3 of a file that is only readable", try_open("file", O_ACCMODE, 0));
}

static void check_directories(void)
{
	char byte;
	int fd;

	make_dir("d", &root, 0755);
	make_file("file", &root, 0644);
	must(symlink("d", "link"));
	works("O_DIRECTORY opens a directory", try_open("d", O_DIRECTORY | O_RDONLY, 0));
	fails("O_DIRECTORY refuses a file", ENOTDIR, try_open("file", O_DIRECTORY | O_RDONLY, 0));
	works("O_DIRECTORY follows a link", try_open("link", O_DIRECTORY | O_RDONLY, 0));
	fails("O_DIRECTORY with O_NOFOLLOW refuses a link", ENOTDIR,
	      try_open("link", O_DIRECTORY | O_NOFOLLOW | O_RDONLY, 0));
	fails("a directory is not opened for writing", EISDIR, try_open("d", O_WRONLY, 0));
	fails("a directory is not opened for both", EISDIR, try_open("d", O_RDWR, 0));
	fd = must(open("d", O_RDONLY | O_CLOEXEC));
	fails("a directory is not read as a file", EISDIR, read(fd, &byte, 1));
	fails("a directory is not written as a file", EBADF, write(fd, "x", 1));
	works("a directory is synced", fsync(fd));
	close(fd);
}

static void check_links(void)
{
	char text[8];
	int fd;

	make_file("file", &root, 0644);
	must(symlink("file", "link"));
	fails("O_NOFOLLOW refuses a link", ELOOP, try_open("link", O_NOFOLLOW | O_RDONLY, 0));
	works("O_NOFOLLOW opens a file", try_open("file", O_NOFOLLOW | O_RDONLY, 0));
	fails("O_NOFOLLOW with O_CREAT refuses a link", ELOOP,
	      try_open("link", O_NOFOLLOW | O_CREAT | O_WRONLY, 0600));
	fd = must(open("link", O_PATH | O_NOFOLLOW | O_CLOEXEC));
	equals("O_PATH with O_NOFOLLOW opens a link", 4, readlinkat(fd, "", text, sizeof(text)));
	close(fd);
	works("RESOLVE_NO_SYMLINKS opens a file", open_how("file", O_RDONLY, RESOLVE_NO_SYMLINKS));
	fails("RESOLVE_NO_SYMLINKS refuses a link", ELOOP,
	      open_how("link", O_RDONLY, RESOLVE_NO_SYMLINKS));
	works("RESOLVE_BENEATH opens what is beneath",
	      open_how("./link", O_RDONLY, RESOLVE_BENEATH));
	fails("RESOLVE_BENEATH refuses dot dot", EXDEV, open_how("..", O_RDONLY, RESOLVE_BENEATH));
	fails("RESOLVE_BENEATH refuses the root", EXDEV, open_how("/", O_RDONLY, RESOLVE_BENEATH));
	works("RESOLVE_NO_XDEV opens what is here", open_how("file", O_RDONLY, RESOLVE_NO_XDEV));
	fails("RESOLVE_NO_XDEV refuses another mount", EXDEV,
	      open_how("/proc/self/stat", O_RDONLY, RESOLVE_NO_XDEV));
	fails("openat2 refuses unknown flags", EINVAL, open_how("file", 1ULL << 40, 0));
}

static void check_path_handles(void)
{
	struct stat st;
	char byte, link[32];
	int fd, dir;

	make_file("file", &root, 0644);
	fd = must(open("file", O_PATH | O_CLOEXEC));
	fails("O_PATH does not read", EBADF, read(fd, &byte, 1));
	fails("O_PATH does not write", EBADF, write(fd, "x", 1));
	fails("O_PATH does not truncate", EBADF, ftruncate(fd, 0));
	fails("O_PATH does not change the mode", EBADF, fchmod(fd, 0600));
	fails("O_PATH does not sync", EBADF, fsync(fd));
	fails("O_PATH is not mapped or sought", EBADF, lseek(fd, 0, SEEK_SET));
	works("O_PATH tells attributes", fstat(fd, &st));
	equals("O_PATH tells the size", 5, st.st_size);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	works("O_PATH is opened again through /proc", try_open(link, O_RDWR, 0));
	works("the mode changes through /proc", chmod(link, 0640));
	modes_equal("the mode changed through /proc", 0640, mode_of("file"));
	must(unlink("file"));
	works("what has no name is opened again through /proc", try_open(link, O_RDONLY, 0));
	close(fd);
	make_dir("d", &root, 0755);
	dir = must(open("d", O_PATH | O_DIRECTORY | O_CLOEXEC));
	fd = openat(dir, "x", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	works("O_PATH of a directory is where files are made", fd);
	close(fd);
	works("O_PATH of a directory is where files are removed", unlinkat(dir, "x", 0));
	close(dir);
}

static void check_unnamed(void)
{
	char link[32], text[8] = "";
	struct stat st;
	int fd;

	fd = must(open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640));
	must(fstat(fd, &st));
	equals("a file without a name has no links", 0, (long)st.st_nlink);
	modes_equal("a file without a name has its mode", 0640, st.st_mode & 07777);
	equals("a file without a name is written", 4, write(fd, "text", 4));
	equals("a file without a name is read", 4, pread(fd, text, 7, 0));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	works("a file without a name gets one through /proc",
	      linkat(AT_FDCWD, link, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	equals("it has one link then", 1, links_of("named"));
	reads("it has its content then", "text", get("named"));
	fails("it does not replace a name", EEXIST,
	      linkat(AT_FDCWD, link, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	works("it gets a second name", linkat(fd, "", AT_FDCWD, "again", AT_EMPTY_PATH));
	close(fd);
	fd = must(open(".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
	works("a file without a name gets one by its descriptor",
	      linkat(fd, "", AT_FDCWD, "by-descriptor", AT_EMPTY_PATH));
	close(fd);
	fd = must(open(".", O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
	fails("a file that shall never have a name gets none", ENOENT,
	      linkat(fd, "", AT_FDCWD, "never", AT_EMPTY_PATH));
	close(fd);
}

static void check_unnamed_refusals(void)
{
	char link[32];
	int fd;

	make_file("file", &root, 0644);
	make_dir("closed", &root, 0755);
	fails("a file without a name must be writable", EINVAL,
	      try_open(".", O_TMPFILE | O_RDONLY, 0600));
	fails("a file without a name must be in a directory", ENOTDIR,
	      try_open("file", O_TMPFILE | O_RDWR, 0600));
	fails("a file without a name needs an existing directory", ENOENT,
	      try_open("missing", O_TMPFILE | O_RDWR, 0600));
	become(&alice);
	fails("a file without a name needs a directory that one may write", EACCES,
	      try_open("closed", O_TMPFILE | O_RDWR, 0600));
	umask(077);
	fd = must(open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	works("a user names a file through /proc",
	      linkat(AT_FDCWD, link, AT_FDCWD, "hers", AT_SYMLINK_FOLLOW));
	modes_equal("umask counts for a file without a name", 0600, mode_of("hers"));
	equals("a file without a name belongs to its maker", alice.uid, uid_of("hers"));
	close(fd);
}

static void check_status_flags(void)
{
	int fd;

	make_file("file", &alice, 0666);
	fd = must(open("file", O_RDWR | O_CLOEXEC));
	works("O_APPEND is switched on", fcntl(fd, F_SETFL, O_APPEND));
	holds("O_APPEND is told", must(fcntl(fd, F_GETFL)) & O_APPEND);
	must(pwrite(fd, "more\n", 5, 0));
	reads("O_APPEND writes at the end wherever told", "text\nmore\n", get("file"));
	works("O_APPEND is switched off", fcntl(fd, F_SETFL, 0));
	must(pwrite(fd, "T", 1, 0));
	reads("a write goes where told again", "Text\nmore\n", get("file"));
	works("O_NONBLOCK is of no account", fcntl(fd, F_SETFL, O_NONBLOCK));
	works("root switches O_NOATIME on", fcntl(fd, F_SETFL, O_NOATIME));
	close(fd);
	become(&bob);
	fails("O_NOATIME is not for others", EPERM, try_open("file", O_RDONLY | O_NOATIME, 0));
	fd = must(open("file", O_RDONLY | O_CLOEXEC));
	fails("others do not switch O_NOATIME on", EPERM, fcntl(fd, F_SETFL, O_NOATIME));
	close(fd);
	become(&alice);
	works("O_NOATIME is for the owner", try_open("file", O_RDONLY | O_NOATIME, 0));
	fd = open("file", O_WRONLY | O_SYNC | O_CLOEXEC);
	works("O_SYNC opens", fd);
	works("O_SYNC writes", write(fd, "x", 1));
	holds("O_SYNC is told", (must(fcntl(fd, F_GETFL)) & O_SYNC) == O_SYNC);
	close(fd);
	fd = open("file", O_WRONLY | O_DSYNC | O_CLOEXEC);
	works("O_DSYNC writes", write(fd, "x", 1));
	close(fd);
}

static void check_special_files(void)
{
	must(mkfifo("fifo", 0644));
	must(mknod("socket", S_IFSOCK | 0644, 0));
	must(mknod("null", S_IFCHR | 0666, 0x103));
	fails("a FIFO without a reader is not opened for writing", ENXIO,
	      try_open("fifo", O_WRONLY | O_NONBLOCK, 0));
	works("a FIFO without a writer is opened for reading",
	      try_open("fifo", O_RDONLY | O_NONBLOCK, 0));
	works("a FIFO is opened for both", try_open("fifo", O_RDWR | O_NONBLOCK, 0));
	fails("a socket is not opened", ENXIO, try_open("socket", O_RDONLY, 0));
	works("a socket is opened as a path", try_open("socket", O_PATH, 0));
	fails("a FIFO is no directory", ENOTDIR, try_open("fifo", O_RDONLY | O_DIRECTORY, 0));
	observe("a device is opened", try_open("null", O_RDWR, 0));
	fails("O_EXCL refuses a FIFO", EEXIST, try_open("fifo", O_CREAT | O_EXCL | O_RDWR, 0600));
}

const group_fn open_groups[] = {
	check_creation,
	check_truncation,
	check_access_modes,
	check_directories,
	check_links,
	check_path_handles,
	check_unnamed,
	check_unnamed_refusals,
	check_status_flags,
	check_special_files,
	NULL,
};
