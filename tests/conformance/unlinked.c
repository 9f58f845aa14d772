/* SPDX-License-Identifier: Apache-2.0 */
/* Files and directories that are open and have no name any more. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "world.h"

static void check_files(void)
{
	char buf[32] = "", link_path[32];
	struct stat st;
	int fd, again;

	make_file("file", &root, 0640);
	fd = must(open("file", O_RDWR | O_CLOEXEC));
	works("an open file is removed", unlink("file"));
	holds("its name is gone", !exists("file"));
	works("it tells attributes", fstat(fd, &st));
	equals("it has no links", 0, (long)st.st_nlink);
	equals("it has its size", 5, st.st_size);
	equals("it is read", 5, pread(fd, buf, sizeof(buf), 0));
	reads("it has its content", "text\n", buf);
	equals("it is written", 4, pwrite(fd, "more", 4, 5));
	equals("what was written is read", 9, pread(fd, buf, sizeof(buf), 0));
	works("it is truncated", ftruncate(fd, 2));
	must(fstat(fd, &st));
	equals("it has its new size", 2, st.st_size);
	works("its mode changes", fchmod(fd, 0600));
	works("its owner changes", fchown(fd, alice.uid, alice.gid));
	must(fstat(fd, &st));
	modes_equal("it has its new mode", 0600, st.st_mode & 07777);
	equals("it has its new owner", alice.uid, st.st_uid);
	works("its times change", futimens(fd, NULL));
	works("it is synced", fsync(fd));
	works("it is allocated", fallocate(fd, 0, 0, 10000));
	snprintf(link_path, sizeof(link_path), "/proc/self/fd/%d", fd);
	again = open(link_path, O_RDWR | O_CLOEXEC);
	works("it is opened again through /proc", again);
	equals("the second handle reads it", 2, pread(again, buf, 2, 0));
	close(again);
	observe("root gives it a name again", linkat(fd, "", AT_FDCWD, "again", AT_EMPTY_PATH));
	observe("and through /proc",
		linkat(AT_FDCWD, link_path, AT_FDCWD, "again2", AT_SYMLINK_FOLLOW));
	put("file", "another\n");
	equals("a new file of the name is another one", 2, pread(fd, buf, 2, 0));
	close(fd);
	reads("the new file has its content", "another\n", get("file"));
}

static void check_two_names(void)
{
	struct stat st;
	int fd;

	make_file("file", &root, 0644);
	must(link("file", "second"));
	fd = must(open("file", O_RDWR | O_CLOEXEC));
	must(unlink("file"));
	must(fstat(fd, &st));
	equals("one of two names is left", 1, (long)st.st_nlink);
	must(pwrite(fd, "T", 1, 0));
	reads("what is written is under the other name", "Text\n", get("second"));
	works("a name is given back by descriptor",
	      linkat(fd, "", AT_FDCWD, "third", AT_EMPTY_PATH));
	equals("two names are there again", 2, links_of("second"));
	must(rename("third", "second"));
	equals("a rename among its names leaves both", 2, links_of("second"));
	must(unlink("second"));
	must(unlink("third"));
	must(fstat(fd, &st));
	equals("no name is left", 0, (long)st.st_nlink);
	close(fd);
}

static void check_directories(void)
{
	struct stat st;
	DIR *stream;
	int fd, home = must(open(".", O_PATH | O_CLOEXEC)), n = 0;

	make_dir("d", &root, 0755);
	make_dir("d/sub", &root, 0755);
	fd = must(open("d/sub", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	works("an open directory is removed", rmdir("d/sub"));
	works("it tells its attributes", fstat(fd, &st));
	equals("it has no links left", 0, (long)st.st_nlink);
	fails("no file is made in it", ENOENT,
	      openat(fd, "x", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	fails("no directory is made in it", ENOENT, mkdirat(fd, "x", 0755));
	fails("no link is made in it", ENOENT, symlinkat("x", fd, "y"));
	fails("no file moves into it", ENOENT, renameat(AT_FDCWD, "d", fd, "x"));
	fails("nothing is found in it", ENOENT, fstatat(fd, "x", &st, 0));
	works("its mode changes too", fchmod(fd, 0700));
	stream = fdopendir(fd);
	holds("it is listed", stream != NULL);
	while (stream && readdir(stream))
		n++;
	observe_number("how many names are in its list", n);
	if (stream)
		closedir(stream);
	must(chdir("d"));
	works("the working directory is removed", rmdir("../d"));
	fails("nothing is made where one is", ENOENT, mkdir("x", 0755));
	works("where one is has attributes", stat(".", &st));
	observe("where one is is listed", try_open(".", O_RDONLY | O_DIRECTORY, 0));
	fails("where one is has no path", ENOENT, getcwd((char[200]){ 0 }, 200) ? 0 : -1);
	must(fchdir(home));
	close(home);
}

static void check_kinds(void)
{
	char text[8];
	struct stat st;
	int fd;

	must(symlink("target", "link"));
	fd = must(open("link", O_PATH | O_NOFOLLOW | O_CLOEXEC));
	must(unlink("link"));
	equals("a removed link is read", 6, readlinkat(fd, "", text, sizeof(text)));
	must(fstat(fd, &st));
	equals("a removed link has no links", 0, (long)st.st_nlink);
	close(fd);
	must(mkfifo("fifo", 0644));
	fd = must(open("fifo", O_RDWR | O_NONBLOCK | O_CLOEXEC));
	must(unlink("fifo"));
	equals("a removed FIFO is written", 3, write(fd, "abc", 3));
	equals("a removed FIFO is read", 3, read(fd, text, sizeof(text)));
	close(fd);
	fails("a directory is not removed by unlink", EISDIR,
	      mkdir("d", 0755) < 0 ? -1 : unlink("d"));
	make_file("file", &root, 0644);
	fails("a file is not removed by rmdir", ENOTDIR, rmdir("file"));
	fails("what is missing is not removed", ENOENT, unlink("missing"));
	fails("a missing directory is not removed", ENOENT, rmdir("missing"));
	fails("dot is not removed", EINVAL, rmdir("d/."));
	fails("dot dot is not removed", ENOTEMPTY, rmdir("d/.."));
	fails("a file is not removed with a slash", ENOTDIR, unlink("file/"));
	make_file("d/inner", &root, 0644);
	observe("a directory with content is removed", rmdir("d"));
	works("a directory is removed with a slash", unlink("d/inner") < 0 ? -1 : rmdir("d/"));
}

const group_fn unlinked_groups[] = { check_files, check_two_names, check_directories, check_kinds,
				     NULL };
