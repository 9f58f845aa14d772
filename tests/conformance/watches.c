/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that run from here, what watches tell, leases, and file handles. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <unistd.h>
#include "world.h"

static void copy_program(const char *path)
{
	int from = must(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	int to = must(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755));

	while (must(sendfile(to, from, NULL, 1 << 20)) > 0)
		;
	close(from);
	close(to);
}

/* "./program --ids": its effective user and group as one number. */
static int run_ids(const void *path)
{
	execl(path, path, "--ids", NULL);
	return 200;
}

/* As main.c tells them: each one's distance from 1000. */
static void check_programs(void)
{
	copy_program("program");
	become(&alice);
	equals("a program runs as who started it", 11, in_child(run_ids, "./program"));
	become(&root);
	must(chown("program", bob.uid, carol.gid));
	become(&alice);
	equals("who owns a program is of no account", 11, in_child(run_ids, "./program"));
	become(&root);
	must(chmod("program", 04755));
	become(&alice);
	equals("a set-user-ID program runs as its owner", 21, in_child(run_ids, "./program"));
	become(&root);
	must(chmod("program", 02755));
	become(&alice);
	equals("a set-group-ID program runs as its group", 13, in_child(run_ids, "./program"));
	become(&root);
	must(chmod("program", 06755));
	become(&alice);
	equals("a program runs as both", 23, in_child(run_ids, "./program"));
	become(&root);
	must(link("program", "second"));
	must(rename("program", "renamed"));
	become(&alice);
	equals("a program runs under another name", 23, in_child(run_ids, "./second"));
	equals("a renamed program runs", 23, in_child(run_ids, "./renamed"));
}

/* What a watch on "d" told since the last time. */
static unsigned int events_of(int watch)
{
	char buf[4096] __attribute__((aligned(8)));
	unsigned int all = 0;
	ssize_t len = read(watch, buf, sizeof(buf));

	for (ssize_t at = 0; at < len;) {
		const struct inotify_event *event = (const void *)(buf + at);

		all |= event->mask;
		at += (ssize_t)sizeof(*event) + event->len;
	}
	return all;
}

static void check_watches(void)
{
	int watch = must(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), fd;

	make_dir("d", &root, 0755);
	works("a directory is watched", inotify_add_watch(watch, "d", IN_ALL_EVENTS));
	fd = must(open("d/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	equals("a creation is told", IN_CREATE | IN_OPEN, events_of(watch));
	must(write(fd, "x", 1));
	equals("a write is told", IN_MODIFY, events_of(watch));
	close(fd);
	equals("a close is told", IN_CLOSE_WRITE, events_of(watch));
	must(chmod("d/file", 0600));
	equals("a new mode is told", IN_ATTRIB, events_of(watch));
	must(truncate("d/file", 0));
	equals("truncation is told", IN_MODIFY, events_of(watch));
	must(rename("d/file", "d/other"));
	equals("a rename is told", IN_MOVED_FROM | IN_MOVED_TO, events_of(watch));
	must(rename("d/other", "elsewhere"));
	equals("leaving is told", IN_MOVED_FROM, events_of(watch));
	must(mkdir("d/sub", 0755));
	equals("a new directory is told", IN_CREATE | IN_ISDIR, events_of(watch));
	must(rmdir("d/sub"));
	equals("a directory's removal is told", IN_DELETE | IN_ISDIR, events_of(watch));
	must(symlink("x", "d/link"));
	equals("a new link is told", IN_CREATE, events_of(watch));
	must(unlink("d/link"));
	equals("a removal is told", IN_DELETE, events_of(watch));
	must(rmdir("d"));
	equals("the end of what is watched is told", IN_DELETE_SELF | IN_IGNORED, events_of(watch));
	close(watch);
}

static void check_leases(void)
{
	int fd, second;

	make_file("file", &root, 0644);
	fd = must(open("file", O_RDONLY | O_CLOEXEC));
	observe("a lease for reading is taken", fcntl(fd, F_SETLEASE, F_RDLCK));
	observe_number("it is told", fcntl(fd, F_GETLEASE));
	must(fcntl(fd, F_SETLEASE, F_UNLCK) < 0 && errno != EAGAIN ? -1 : 0);
	second = must(open("file", O_RDWR | O_CLOEXEC));
	fails("no lease for reading while one may write", EAGAIN, fcntl(fd, F_SETLEASE, F_RDLCK));
	close(second);
	close(fd);
}

static int by_handle(int mount, struct file_handle *handle)
{
	int fd = open_by_handle_at(mount, handle, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static void check_handles(void)
{
	int mount = must(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), id;
	struct file_handle *handle = calloc(1, sizeof(*handle) + MAX_HANDLE_SZ);

	make_file("file", &root, 0644);
	handle->handle_bytes = MAX_HANDLE_SZ;
	works("a file has a handle", name_to_handle_at(AT_FDCWD, "file", handle, &id, 0));
	works("it is opened by its handle", by_handle(mount, handle));
	must(rename("file", "moved"));
	works("it is opened by its handle under another name", by_handle(mount, handle));
	must(unlink("moved"));
	fails("a handle of what is gone is stale", ESTALE, by_handle(mount, handle));
	handle->handle_bytes = 0;
	fails("a handle needs its room", EOVERFLOW,
	      name_to_handle_at(AT_FDCWD, ".", handle, &id, 0));
	handle->handle_bytes = MAX_HANDLE_SZ;
	works("a directory has a handle", name_to_handle_at(AT_FDCWD, ".", handle, &id, 0));
	works("a directory is opened by its handle", by_handle(mount, handle));
	become(&alice);
	fails("a user opens nothing by handle", EPERM, by_handle(mount, handle));
	become(&root);
	free(handle);
	close(mount);
}

const group_fn watch_groups[] = { check_programs, check_watches, check_leases, check_handles,
				  NULL };
