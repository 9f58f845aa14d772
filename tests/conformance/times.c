/* SPDX-License-Identifier: Apache-2.0 */
/* Time stamps: setting them, who may, and which operation changes which of them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include "world.h"

static int set_times(const char *path, long long atime, long ansec, long long mtime, long mnsec)
{
	const struct timespec times[2] = { { atime, ansec }, { mtime, mnsec } };

	return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

static struct stat look(const char *path)
{
	struct stat st = { 0 };

	must(lstat(path, &st));
	return st;
}

static bool newer(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* Until the file system's clock, which is a coarse one, is some ticks beyond a file's time. */
static void wait_beyond(const char *path)
{
	struct timespec past = look(path).st_ctim;
	struct stat st;

	past.tv_nsec += 15000000;
	if (past.tv_nsec >= 1000000000) {
		past.tv_sec++;
		past.tv_nsec -= 1000000000;
	}
	put("clock", "");
	do {
		must(chmod("clock", 0600));
		st = look("clock");
	} while (!newer(&st.st_ctim, &past));
}

static void check_values(void)
{
	struct stat st;

	make_file("file", &root, 0644);
	works("times are set", set_times("file", 1000000001, 123456789, 1000000002, 987654321));
	st = look("file");
	equals("the access time is told", 1000000001, st.st_atim.tv_sec);
	equals("its nanoseconds are told", 123456789, st.st_atim.tv_nsec);
	equals("the modification time is told", 1000000002, st.st_mtim.tv_sec);
	equals("its nanoseconds are told too", 987654321, st.st_mtim.tv_nsec);
	works("times before 1970 are set", set_times("file", -2, 1, -86400, 999999999));
	st = look("file");
	equals("an access time before 1970 is told", -2, st.st_atim.tv_sec);
	equals("a modification time before 1970 is told", -86400, st.st_mtim.tv_sec);
	equals("nanoseconds before 1970 are told", 999999999, st.st_mtim.tv_nsec);
	works("times after 2038 are set", set_times("file", 1LL << 31, 5, 4200000000, 6));
	st = look("file");
	equals("an access time after 2038 is told", 1LL << 31, st.st_atim.tv_sec);
	equals("a modification time after 2100 is told", 4200000000, st.st_mtim.tv_sec);
	observe("a time in the year 10000", set_times("file", 253402300800, 0, 253402300800, 0));
	observe_number("what was made of the year 10000", look("file").st_mtim.tv_sec);
	observe("a time in the year 1", set_times("file", -62135596800, 0, -62135596800, 0));
	observe_number("what was made of the year 1", look("file").st_mtim.tv_sec);
	fails("nanoseconds of a second and more are refused", EINVAL,
	      set_times("file", 1, 1000000000, 1, 0));
	fails("negative nanoseconds are refused", EINVAL, set_times("file", 1, -1, 1, 0));
	works("time 0 is set", set_times("file", 0, 0, 0, 0));
	equals("time 0 is told", 0, look("file").st_mtim.tv_sec);
}

static void check_special_values(void)
{
	struct stat before, st;
	int fd;

	make_file("file", &root, 0644);
	must(set_times("file", 1000, 1, 2000, 2));
	works("one time is left out", set_times("file", 0, UTIME_OMIT, 3000, 3));
	st = look("file");
	equals("the time left out stays", 1000, st.st_atim.tv_sec);
	equals("the other one is set", 3000, st.st_mtim.tv_sec);
	works("one time is now", set_times("file", 0, UTIME_NOW, 0, UTIME_OMIT));
	st = look("file");
	holds("it is now", st.st_atim.tv_sec > 1500000000);
	equals("the other one stays", 3000, st.st_mtim.tv_sec);
	works("both times are now", utimensat(AT_FDCWD, "file", NULL, 0));
	holds("both are now", look("file").st_mtim.tv_sec > 1500000000);
	wait_beyond("file");
	before = look("file");
	works("both times are left out", set_times("file", 0, UTIME_OMIT, 0, UTIME_OMIT));
	st = look("file");
	holds("nothing changes when both are left out", !newer(&st.st_ctim, &before.st_ctim));
	fd = must(open("file", O_RDONLY | O_CLOEXEC));
	works("times are set through a descriptor for reading",
	      futimens(fd, (struct timespec[2]){ { 5, 5 }, { 6, 6 } }));
	equals("they are told", 6, look("file").st_mtim.tv_sec);
	close(fd);
}

static void check_kinds(void)
{
	make_file("file", &root, 0644);
	make_dir("d", &root, 0755);
	must(symlink("file", "link"));
	must(mkfifo("fifo", 0644));
	must(set_times("file", 1, 0, 1, 0));
	works("a directory's times are set", set_times("d", 100, 0, 200, 7));
	equals("a directory's times are told", 200, look("d").st_mtim.tv_sec);
	works("a link's times are set", set_times("link", 100, 0, 300, 8));
	equals("a link's times are told", 300, look("link").st_mtim.tv_sec);
	equals("what it leads to keeps its own", 1, look("file").st_mtim.tv_sec);
	works("a FIFO's times are set", set_times("fifo", 100, 0, 400, 9));
	equals("a FIFO's times are told", 400, look("fifo").st_mtim.tv_sec);
	works("a link is followed",
	      utimensat(AT_FDCWD, "link", (struct timespec[2]){ { 7, 0 }, { 8, 0 } }, 0));
	equals("what it leads to has the time", 8, look("file").st_mtim.tv_sec);
	fails("a missing file has no times", ENOENT, set_times("missing", 1, 0, 1, 0));
}

static void check_rights(void)
{
	make_file("closed", &alice, 0644);
	make_file("shared", &alice, 0666);
	become(&alice);
	works("the owner sets times", set_times("closed", 1, 0, 1, 0));
	must(chmod("closed", 0444));
	works("the owner needs no write to set times", set_times("closed", 2, 0, 2, 0));
	works("the owner needs no write for now", utimensat(AT_FDCWD, "closed", NULL, 0));
	become(&bob);
	fails("others do not set times", EPERM, set_times("closed", 1, 0, 1, 0));
	fails("others do not set now without write", EACCES,
	      utimensat(AT_FDCWD, "closed", NULL, 0));
	fails("others do not set times even with write", EPERM, set_times("shared", 1, 0, 1, 0));
	works("others set now with write", utimensat(AT_FDCWD, "shared", NULL, 0));
	works("others set both to now with write", set_times("shared", 0, UTIME_NOW, 0, UTIME_NOW));
	fails("others do not set one to now", EPERM,
	      set_times("shared", 0, UTIME_NOW, 0, UTIME_OMIT));
	works("others leave both out", set_times("closed", 0, UTIME_OMIT, 0, UTIME_OMIT));
	become(&root);
	works("root sets anybody's times", set_times("closed", 3, 0, 3, 0));
}

/* One operation each on "d/file" and its directory. */
static void op_write(void)
{
	int fd = must(open("d/file", O_WRONLY | O_CLOEXEC));

	must(write(fd, "x", 1));
	close(fd);
}

static void op_write_nothing(void)
{
	int fd = must(open("d/file", O_WRONLY | O_CLOEXEC));

	must(write(fd, "", 0));
	close(fd);
}

static void op_open_truncating(void)
{
	must(try_open("d/file", O_WRONLY | O_TRUNC, 0));
}

static void op_open(void)
{
	must(try_open("d/file", O_RDWR, 0));
}

static void op_open_creating(void)
{
	must(try_open("d/file", O_RDWR | O_CREAT, 0644));
}

static void op_grow(void)
{
	must(truncate("d/file", 1000));
}

static void op_ftruncate(void)
{
	int fd = must(open("d/file", O_WRONLY | O_CLOEXEC));

	must(ftruncate(fd, 77));
	close(fd);
}

static void op_chmod(void)
{
	must(chmod("d/file", 0600));
}

static void op_chown(void)
{
	must(chown("d/file", alice.uid, alice.gid));
}

static void op_link(void)
{
	must(link("d/file", "d/second"));
}

static void op_link_elsewhere(void)
{
	must(link("d/file", "elsewhere"));
}

static void op_unlink_second(void)
{
	must(unlink("d/second"));
}

static void op_rename(void)
{
	must(rename("d/file", "d/tmp"));
	must(rename("d/tmp", "d/file"));
}

static void op_setxattr(void)
{
	must(setxattr("d/file", "user.x", "y", 1, 0));
}

static void op_removexattr(void)
{
	must(removexattr("d/file", "user.x"));
}

static void op_create(void)
{
	must(try_open("d/new", O_WRONLY | O_CREAT | O_EXCL, 0644));
}

static void op_mkdir(void)
{
	must(mkdir("d/sub", 0755));
}

static void op_rmdir(void)
{
	must(rmdir("d/sub"));
}

static void op_symlink(void)
{
	must(symlink("x", "d/link"));
}

static void op_mknod(void)
{
	must(mkfifo("d/fifo", 0644));
}

static void op_replace(void)
{
	must(rename("d/new", "d/fifo"));
}

static void op_tmpfile(void)
{
	must(try_open("d", O_TMPFILE | O_RDWR, 0600));
}

static void op_set_atime(void)
{
	must(set_times("d/file", 5, 5, 0, UTIME_OMIT));
}

static void op_fallocate(void)
{
	int fd = must(open("d/file", O_WRONLY | O_CLOEXEC));

	must(fallocate(fd, 0, 0, 5000));
	close(fd);
}

static void op_failed_create(void)
{
	try_open("d/file", O_WRONLY | O_CREAT | O_EXCL, 0644);
}

enum { NO = 0, YES = 1, SEEN = 2 };

static const struct {
	const char *what;
	void (*act)(void);
	int file_mtime, file_ctime, dir_mtime, dir_ctime;
} rows[] = {
	{ "a write", op_write, YES, YES, NO, NO },
	{ "a write of nothing", op_write_nothing, NO, NO, NO, NO },
	{ "an open", op_open, NO, NO, NO, NO },
	{ "an open with O_CREAT", op_open_creating, NO, NO, NO, NO },
	{ "a failing creation", op_failed_create, NO, NO, NO, NO },
	{ "growing", op_grow, YES, YES, NO, NO },
	{ "ftruncate", op_ftruncate, YES, YES, NO, NO },
	{ "an open with O_TRUNC", op_open_truncating, YES, YES, NO, NO },
	{ "chmod", op_chmod, NO, YES, NO, NO },
	{ "chown", op_chown, NO, YES, NO, NO },
	{ "setting the access time", op_set_atime, NO, YES, NO, NO },
	{ "a hard link", op_link, NO, YES, YES, YES },
	{ "removing a hard link", op_unlink_second, NO, YES, YES, YES },
	{ "a hard link elsewhere", op_link_elsewhere, NO, YES, NO, NO },
	{ "a rename", op_rename, NO, SEEN, YES, YES },
	{ "setting an attribute", op_setxattr, NO, YES, NO, NO },
	{ "removing an attribute", op_removexattr, NO, YES, NO, NO },
	{ "a creation", op_create, NO, NO, YES, YES },
	{ "a new directory", op_mkdir, NO, NO, YES, YES },
	{ "a directory's removal", op_rmdir, NO, NO, YES, YES },
	{ "a symbolic link", op_symlink, NO, NO, YES, YES },
	{ "a FIFO", op_mknod, NO, NO, YES, YES },
	{ "a replacement", op_replace, NO, NO, YES, YES },
	{ "a file without a name", op_tmpfile, NO, NO, NO, NO },
	{ "an allocation that grows", op_fallocate, YES, YES, NO, NO },
};

static void tell(const char *what, const char *which, int want, bool changed)
{
	char sentence[120];

	snprintf(sentence, sizeof(sentence), "%s %s %s", what,
		 want == YES ? "changes" : (want == NO ? "leaves" : "touches or leaves"), which);
	if (want == SEEN)
		observe_number(sentence, changed);
	else
		equals(sentence, want, changed);
}

static void check_changes(void)
{
	make_dir("d", &root, 0755);
	make_file("d/file", &root, 0644);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stat file, dir, file_then, dir_then;

		must(set_times("d/file", 1000, 0, 1000, 0));
		must(set_times("d", 1000, 0, 1000, 0));
		wait_beyond("d");
		file = look("d/file");
		dir = look("d");
		rows[i].act();
		file_then = look("d/file");
		dir_then = look("d");
		tell(rows[i].what, "the file's modification time", rows[i].file_mtime,
		     newer(&file_then.st_mtim, &file.st_mtim));
		tell(rows[i].what, "the file's change time", rows[i].file_ctime,
		     newer(&file_then.st_ctim, &file.st_ctim));
		tell(rows[i].what, "the directory's modification time", rows[i].dir_mtime,
		     newer(&dir_then.st_mtim, &dir.st_mtim));
		tell(rows[i].what, "the directory's change time", rows[i].dir_ctime,
		     newer(&dir_then.st_ctim, &dir.st_ctim));
	}
}

static void check_access_time(void)
{
	struct stat st;
	char byte;
	int fd;

	make_file("file", &root, 0644);
	must(set_times("file", 1000, 0, 2000, 0));
	fd = must(open("file", O_RDONLY | O_CLOEXEC));
	must(read(fd, &byte, 1));
	close(fd);
	observe_number("whether a read touches the access time",
		       look("file").st_atim.tv_sec != 1000);
	must(set_times("file", 1000, 0, 2000, 0));
	fd = must(open("file", O_RDONLY | O_NOATIME | O_CLOEXEC));
	must(read(fd, &byte, 1));
	must(fstat(fd, &st));
	close(fd);
	holds("a read with O_NOATIME leaves the access time", look("file").st_atim.tv_sec == 1000);
	must(set_times("file", 1000, 0, 2000, 0));
	fd = must(open("file", O_WRONLY | O_CLOEXEC));
	must(write(fd, "x", 1));
	close(fd);
	equals("a write leaves the access time", 1000, look("file").st_atim.tv_sec);
}

static void check_new_files(void)
{
	struct stat st, other;

	put("reference", "");
	wait_beyond("reference");
	make_file("file", &root, 0644);
	st = look("file");
	other = look("reference");
	holds("a new file is newer than an older one", newer(&st.st_mtim, &other.st_mtim));
	holds("a new file was changed when it was made", !newer(&st.st_mtim, &st.st_ctim));
	must(set_times("file", 1, 0, 1, 0));
	holds("the change time is not set back", look("file").st_ctim.tv_sec > 1500000000);
}

const group_fn time_groups[] = {
	check_values,  check_special_values, check_kinds,     check_rights,
	check_changes, check_access_time,    check_new_files, NULL,
};
