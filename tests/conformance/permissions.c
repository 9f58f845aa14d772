/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what: mode bits of files and directories, groups, root, chmod and chown. */
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "world.h"

static const struct {
	const char *sentence;
	gid_t gid;
	mode_t mode;
	const struct actor *who;
	int flags;
	int error;
} file_rows[] = {
	{ "the owner reads with owner's read", 1001, 0400, &alice, O_RDONLY, 0 },
	{ "the owner does not write without owner's write", 1001, 0400, &alice, O_WRONLY, EACCES },
	{ "the owner writes with owner's write alone", 1001, 0200, &alice, O_WRONLY, 0 },
	{ "the owner does not read with owner's write alone", 1001, 0200, &alice, O_RDONLY,
	  EACCES },
	{ "reading and writing needs both bits", 1001, 0400, &alice, O_RDWR, EACCES },
	{ "both bits are enough for reading and writing", 1001, 0600, &alice, O_RDWR, 0 },
	{ "the owner gains nothing from the group's and others' bits", 1001, 0077, &alice, O_RDONLY,
	  EACCES },
	{ "others read with others' read", 1001, 0004, &bob, O_RDONLY, 0 },
	{ "others do not read without it", 1001, 0770, &bob, O_RDONLY, EACCES },
	{ "others do not write with others' read", 1001, 0774, &bob, O_WRONLY, EACCES },
	{ "a member of the main group has the group's bits", 1002, 0040, &bob, O_RDONLY, 0 },
	{ "a member of the main group gains nothing from others' bits", 1002, 0707, &bob, O_RDONLY,
	  EACCES },
	{ "a supplementary group counts", TEAM, 0060, &carol, O_RDWR, 0 },
	{ "a member by a supplementary group gains nothing from others' bits", TEAM, 0707, &carol,
	  O_RDONLY, EACCES },
	{ "who is no member has others' bits", TEAM, 0704, &bob, O_RDONLY, 0 },
	{ "root reads a file of mode 0", 1001, 0000, &root, O_RDONLY, 0 },
	{ "root writes a file of mode 0", 1001, 0000, &root, O_RDWR, 0 },
	{ "truncation at open needs write", 1001, 0400, &alice, O_RDONLY | O_TRUNC, EACCES },
	{ "O_CREAT of what exists needs its bits", 1001, 0400, &alice, O_WRONLY | O_CREAT, EACCES },
	{ "O_PATH needs no bit of the file", 1001, 0000, &bob, O_PATH, 0 },
	{ "appending needs write", 1001, 0400, &alice, O_WRONLY | O_APPEND, EACCES },
};

static void check_files(void)
{
	for (size_t i = 0; i < sizeof(file_rows) / sizeof(file_rows[0]); i++) {
		int ret;

		make_file("file", &alice, 0600);
		set_group("file", file_rows[i].gid, file_rows[i].mode);
		become(file_rows[i].who);
		ret = try_open("file", file_rows[i].flags, 0600);
		if (file_rows[i].error)
			fails(file_rows[i].sentence, file_rows[i].error, ret);
		else
			works(file_rows[i].sentence, ret);
		become(&root);
		must(unlink("file"));
	}
}

/* What is tried in a directory "d" with a file, a directory and a link in it. */
static int do_create(void)
{
	return try_open("d/new", O_WRONLY | O_CREAT, 0644);
}

static int do_mkdir(void)
{
	return mkdir("d/new", 0755);
}

static int do_symlink(void)
{
	return symlink("file", "d/new");
}

static int do_link(void)
{
	return link("outside", "d/new");
}

static int do_mkfifo(void)
{
	return mkfifo("d/new", 0644);
}

static int do_unlink(void)
{
	return unlink("d/file");
}

static int do_rmdir(void)
{
	return rmdir("d/sub");
}

static int do_rename(void)
{
	return rename("d/file", "d/new");
}

static int do_move_out(void)
{
	return rename("d/file", "new");
}

static int do_move_in(void)
{
	return rename("outside", "d/new");
}

static int do_list(void)
{
	return try_open("d", O_RDONLY | O_DIRECTORY, 0);
}

static int do_stat(void)
{
	struct stat st;

	return stat("d/file", &st);
}

static int do_missing(void)
{
	struct stat st;

	return stat("d/missing", &st);
}

static int do_read(void)
{
	return try_open("d/file", O_RDONLY, 0);
}

static int do_readlink(void)
{
	char text[10];

	return (int)readlink("d/link", text, sizeof(text));
}

static int do_through(void)
{
	return try_open("d/sub/../file", O_RDONLY, 0);
}

static int do_chdir(void)
{
	int home = must(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
	int ret = chdir("d"), error = errno;

	must(fchdir(home));
	close(home);
	errno = error;
	return ret;
}

static int do_truncate(void)
{
	return truncate("d/file", 1);
}

static const struct {
	const char *sentence;
	gid_t gid;
	mode_t mode;
	const struct actor *who;
	int (*act)(void);
	int error;
} dir_rows[] = {
	{ "a file is made with write and search", 1001, 0300, &alice, do_create, 0 },
	{ "no file is made without write", 1001, 0500, &alice, do_create, EACCES },
	{ "no file is made without search", 1001, 0600, &alice, do_create, EACCES },
	{ "others make files with others' bits", 1001, 0703, &bob, do_create, 0 },
	{ "others make no file with the group's bits", 1001, 0770, &bob, do_create, EACCES },
	{ "a member makes files with the group's bits", TEAM, 0030, &carol, do_create, 0 },
	{ "a member makes no file with others' bits", TEAM, 0703, &carol, do_create, EACCES },
	{ "root makes files in a directory of mode 0", 1001, 0000, &root, do_create, 0 },
	{ "a directory is made with write and search", 1001, 0300, &alice, do_mkdir, 0 },
	{ "no directory is made without write", 1001, 0500, &alice, do_mkdir, EACCES },
	{ "a symbolic link is made with write and search", 1001, 0300, &alice, do_symlink, 0 },
	{ "no symbolic link is made without write", 1001, 0500, &alice, do_symlink, EACCES },
	{ "a hard link is made with write and search", 1001, 0300, &alice, do_link, 0 },
	{ "no hard link is made without write", 1001, 0500, &alice, do_link, EACCES },
	{ "a FIFO is made with write and search", 1001, 0300, &alice, do_mkfifo, 0 },
	{ "no FIFO is made without write", 1001, 0500, &alice, do_mkfifo, EACCES },
	{ "a file is removed with write and search", 1001, 0300, &alice, do_unlink, 0 },
	{ "no file is removed without write", 1001, 0500, &alice, do_unlink, EACCES },
	{ "no file is removed without search", 1001, 0200, &alice, do_unlink, EACCES },
	{ "a directory is removed with write and search", 1001, 0300, &alice, do_rmdir, 0 },
	{ "no directory is removed without write", 1001, 0500, &alice, do_rmdir, EACCES },
	{ "root removes files in a directory of mode 0", 1001, 0000, &root, do_unlink, 0 },
	{ "a file is renamed with write and search", 1001, 0300, &alice, do_rename, 0 },
	{ "no file is renamed without write", 1001, 0500, &alice, do_rename, EACCES },
	{ "no file moves out without write", 1001, 0500, &alice, do_move_out, EACCES },
	{ "a file moves out with write and search", 1001, 0300, &alice, do_move_out, 0 },
	{ "no file moves in without write", 1001, 0500, &alice, do_move_in, EACCES },
	{ "a file moves in with write and search", 1001, 0300, &alice, do_move_in, 0 },
	{ "names are listed with read alone", 1001, 0400, &alice, do_list, 0 },
	{ "names are not listed without read", 1001, 0300, &alice, do_list, EACCES },
	{ "root lists a directory of mode 0", 1001, 0000, &root, do_list, 0 },
	{ "attributes are told with search alone", 1001, 0100, &alice, do_stat, 0 },
	{ "attributes are not told with read alone", 1001, 0400, &alice, do_stat, EACCES },
	{ "that a name is missing is told with search", 1001, 0100, &alice, do_missing, ENOENT },
	{ "that a name is missing is not told without search", 1001, 0600, &alice, do_missing,
	  EACCES },
	{ "a file is opened with search alone", 1001, 0001, &bob, do_read, 0 },
	{ "no file is opened without search", 1001, 0776, &bob, do_read, EACCES },
	{ "a symbolic link is read with search alone", 1001, 0100, &alice, do_readlink, 0 },
	{ "no symbolic link is read without search", 1001, 0600, &alice, do_readlink, EACCES },
	{ "a way through a directory and back needs search", 1001, 0600, &alice, do_through,
	  EACCES },
	{ "a way through a directory and back works with search", 1001, 0100, &alice, do_through,
	  0 },
	{ "a directory is entered with search alone", 1001, 0100, &alice, do_chdir, 0 },
	{ "a directory is not entered without search", 1001, 0600, &alice, do_chdir, EACCES },
	{ "root enters a directory of mode 0", 1001, 0000, &root, do_chdir, 0 },
	{ "truncation needs no write on the directory", 1001, 0100, &alice, do_truncate, 0 },
	{ "truncation of another's file needs its write", 1001, 0777, &bob, do_truncate, EACCES },
};

static void check_directories(void)
{
	for (size_t i = 0; i < sizeof(dir_rows) / sizeof(dir_rows[0]); i++) {
		char place[16];
		int ret;

		snprintf(place, sizeof(place), "row%zu", i);
		make_dir(place, &root, 0777);
		must(chdir(place));
		make_dir("d", &alice, 0700);
		make_dir("d/sub", &alice, 0755);
		make_file("d/file", &alice, 0644);
		must(symlink("file", "d/link"));
		make_file("outside", &alice, 0644);
		set_group("d", dir_rows[i].gid, dir_rows[i].mode);
		become(dir_rows[i].who);
		ret = dir_rows[i].act();
		if (dir_rows[i].error)
			fails(dir_rows[i].sentence, dir_rows[i].error, ret);
		else
			works(dir_rows[i].sentence, ret);
		become(&root);
		must(chdir(".."));
	}
}

static const struct {
	const char *sentence;
	mode_t mode;
	const struct actor *who;
	int access;
	int error;
} access_rows[] = {
	{ "access tells the owner of read", 0400, &alice, R_OK, 0 },
	{ "access denies the owner write", 0477, &alice, W_OK, EACCES },
	{ "access tells of execute", 0100, &alice, X_OK, 0 },
	{ "access denies execute", 0677, &alice, X_OK, EACCES },
	{ "access asks for all bits at once", 0600, &alice, R_OK | W_OK | X_OK, EACCES },
	{ "access tells others of read", 0004, &bob, R_OK, 0 },
	{ "access denies others", 0770, &bob, R_OK, EACCES },
	{ "access tells anybody that a file exists", 0000, &bob, F_OK, 0 },
	{ "access tells root of read and write", 0000, &root, R_OK | W_OK, 0 },
	{ "access denies root to execute what nobody may", 0666, &root, X_OK, EACCES },
	{ "access tells root of execute when others may", 0001, &root, X_OK, 0 },
};

static void check_access(void)
{
	make_dir("d", &alice, 0000);
	works("access tells root of a directory's search",
	      faccessat(AT_FDCWD, "d", X_OK, AT_EACCESS));
	for (size_t i = 0; i < sizeof(access_rows) / sizeof(access_rows[0]); i++) {
		int ret;

		make_file("file", &alice, access_rows[i].mode);
		become(access_rows[i].who);
		ret = faccessat(AT_FDCWD, "file", access_rows[i].access, AT_EACCESS);
		if (access_rows[i].error)
			fails(access_rows[i].sentence, access_rows[i].error, ret);
		else
			works(access_rows[i].sentence, ret);
		become(&root);
		must(unlink("file"));
	}
}

static int run_program(const void *path)
{
	char *argv[] = { NULL, NULL }, *environment[] = { NULL };

	execve(path, argv, environment);
	return errno;
}

static void check_execution(void)
{
	put("script", "#!/bin/sh\nexit 0\n");
	must(chmod("script", 0644));
	fails("root does not run what nobody may run", EACCES,
	      as_result(in_child(run_program, "./script")));
	must(chmod("script", 0755));
	works("a script runs", as_result(in_child(run_program, "./script")));
	become(&bob);
	works("others run a script", as_result(in_child(run_program, "./script")));
	become(&root);
	must(chmod("script", 0754));
	become(&bob);
	fails("others do not run what only the group may", EACCES,
	      as_result(in_child(run_program, "./script")));
	become(&root);
	make_dir("d", &root, 0755);
	fails("a directory does not run", EACCES, as_result(in_child(run_program, "./d")));
	put("empty", "no program\n");
	must(chmod("empty", 0755));
	fails("text without an interpreter does not run", ENOEXEC,
	      as_result(in_child(run_program, "./empty")));
}

static void check_chmod(void)
{
	make_file("file", &alice, 0644);
	become(&alice);
	works("the owner changes the mode", chmod("file", 0600));
	modes_equal("the new mode is told", 0600, mode_of("file"));
	works("the owner may have mode 0", chmod("file", 0));
	works("the owner changes mode 0 again", chmod("file", 0644));
	become(&bob);
	fails("another user does not change the mode", EPERM, chmod("file", 0666));
	fails("another user does not even set the same mode", EPERM, chmod("file", 0644));
	become(&root);
	works("root changes anybody's mode", chmod("file", 0751));
	modes_equal("root's mode is told", 0751, mode_of("file"));
	works("all mode bits are kept", chmod("file", 07777));
	modes_equal("all mode bits are told", 07777, mode_of("file"));
	fails("the mode of a missing file does not change", ENOENT, chmod("missing", 0600));
	observe("the mode of a symbolic link is asked to change",
		symlink("file", "link") == 0 ? fchmodat(AT_FDCWD, "link", 0600, AT_SYMLINK_NOFOLLOW)
					     : -1);
}

static void check_chown(void)
{
	make_file("file", &alice, 0644);
	become(&alice);
	fails("the owner does not give a file away", EPERM, chown("file", bob.uid, (gid_t)-1));
	fails("the owner does not choose a foreign group", EPERM, chown("file", (uid_t)-1, TEAM));
	works("the owner chooses the own group", chown("file", (uid_t)-1, alice.gid));
	works("the owner may name itself as the owner", chown("file", alice.uid, alice.gid));
	become(&bob);
	fails("another user does not take a file", EPERM, chown("file", bob.uid, bob.gid));
	fails("another user does not change the group", EPERM, chown("file", (uid_t)-1, bob.gid));
	observe("another user changes neither owner nor group",
		chown("file", (uid_t)-1, (gid_t)-1));
	become(&root);
	make_file("carols", &carol, 0644);
	become(&carol);
	works("the owner chooses a supplementary group", chown("carols", (uid_t)-1, TEAM));
	equals("the supplementary group is told", TEAM, gid_of("carols"));
	works("the owner goes back to the main group", chown("carols", (uid_t)-1, carol.gid));
	become(&root);
	works("root gives a file away", chown("file", 70000, 4000000000U));
	equals("a user id above 65535 is told", 70000, uid_of("file"));
	equals("a group id above 2^31 is told", 4000000000U, gid_of("file"));
	works("root changes the owner alone", chown("file", bob.uid, (gid_t)-1));
	equals("the group stayed", 4000000000U, gid_of("file"));
}

static void check_umask(void)
{
	become(&alice);
	umask(0);
	must(try_open("all", O_CREAT | O_WRONLY, 0666));
	modes_equal("a file has the wanted mode with umask 0", 0666, mode_of("all"));
	umask(027);
	must(try_open("some", O_CREAT | O_WRONLY, 0666));
	modes_equal("umask takes bits from a file", 0640, mode_of("some"));
	must(mkdir("dir", 0777));
	modes_equal("umask takes bits from a directory", 0750, mode_of("dir"));
	must(mkfifo("fifo", 0666));
	modes_equal("umask takes bits from a FIFO", 0640, mode_of("fifo"));
	umask(0777);
	works("a file of mode 0 is opened as it is made", try_open("none", O_CREAT | O_RDWR, 0666));
	modes_equal("umask takes all bits", 0, mode_of("none"));
	works("a file is made that its mode does not let write",
	      try_open("readonly", O_CREAT | O_WRONLY, 0444));
	equals("a new file belongs to its maker", alice.uid, uid_of("all"));
	equals("a new file has its maker's group", alice.gid, gid_of("all"));
	equals("a new directory belongs to its maker", alice.uid, uid_of("dir"));
	equals("a new FIFO has its maker's group", alice.gid, gid_of("fifo"));
}

static void check_kept_rights(void)
{
	int fd;

	make_file("file", &alice, 0600);
	become(&alice);
	fd = must(open("file", O_RDWR | O_CLOEXEC));
	must(chmod("file", 0));
	works("what is open is written after the mode changed", write(fd, "new", 3));
	become(&bob);
	works("what is open is written after the user changed", pwrite(fd, "x", 1, 0));
	works("what is open is truncated after the user changed", ftruncate(fd, 2));
	fails("what is open does not change its mode for others", EPERM, fchmod(fd, 0666));
	become(&root);
	close(fd);
	equals("the size is as truncated", 2, size_of("file"));
}

const group_fn permission_groups[] = {
	check_files, check_directories, check_access, check_execution, check_chmod, check_chown,
	check_umask, check_kept_rights, NULL,
};
