/* SPDX-License-Identifier: Apache-2.0 */
/* FIFOs, sockets and devices: made, told apart, and used between processes. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "world.h"

static mode_t kind_of(const char *path)
{
	struct stat st = { 0 };

	must(lstat(path, &st));
	return st.st_mode & S_IFMT;
}

static dev_t device_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 ? 0 : st.st_rdev;
}

static void check_nodes(void)
{
	umask(0);
	works("a file is made with mknod", mknod("file", S_IFREG | 0640, 0));
	equals("it is one", S_IFREG, kind_of("file"));
	modes_equal("it has its mode", 0640, mode_of("file"));
	works("mknod without a kind makes a file", mknod("none", 0600, 0));
	equals("that is one too", S_IFREG, kind_of("none"));
	works("a FIFO is made", mknod("fifo", S_IFIFO | 0622, 0));
	equals("a FIFO is one", S_IFIFO, kind_of("fifo"));
	modes_equal("a FIFO has its mode", 0622, mode_of("fifo"));
	works("a socket is made", mknod("socket", S_IFSOCK | 0600, 0));
	equals("a socket is one", S_IFSOCK, kind_of("socket"));
	works("a character device is made", mknod("char", S_IFCHR | 0666, makedev(1, 3)));
	equals("a character device is one", S_IFCHR, kind_of("char"));
	holds("a character device has its number", device_of("char") == makedev(1, 3));
	works("a block device is made", mknod("block", S_IFBLK | 0660, makedev(7, 200)));
	equals("a block device is one", S_IFBLK, kind_of("block"));
	holds("a block device has its number", device_of("block") == makedev(7, 200));
	observe("a device of large numbers is made",
		mknod("large", S_IFCHR | 0600, makedev(500, 300000)));
	observe_number("its number is as given", device_of("large") == makedev(500, 300000));
	works("a whiteout is made", mknod("whiteout", S_IFCHR, 0));
	fails("a directory is not made with mknod", EPERM, mknod("dir", S_IFDIR | 0755, 0));
	fails("a link is not made with mknod", EINVAL, mknod("link", S_IFLNK | 0777, 0));
	fails("a kind of no meaning is not made", EINVAL, mknod("x", 0170000, 0));
	fails("an existing name is not made again", EEXIST, mknod("fifo", S_IFIFO | 0600, 0));
	become(&alice);
	fails("a user makes no character device", EPERM, mknod("c", S_IFCHR | 0600, 0x103));
	fails("a user makes no block device", EPERM, mknod("b", S_IFBLK | 0600, 0x700));
	observe("a user makes a whiteout", mknod("w", S_IFCHR | 0600, 0));
	works("a user makes a FIFO", mknod("hers", S_IFIFO | 0600, 0));
	works("a user makes a socket", mknod("socket2", S_IFSOCK | 0600, 0));
}

static void check_node_changes(void)
{
	must(mkfifo("fifo", 0600));
	must(mknod("char", S_IFCHR | 0600, 0x103));
	works("a FIFO's mode changes", chmod("fifo", 0644));
	modes_equal("it is told", 0644, mode_of("fifo"));
	works("a FIFO's owner changes", chown("fifo", alice.uid, alice.gid));
	equals("the owner is told", alice.uid, uid_of("fifo"));
	works("a device's mode changes", chmod("char", 0666));
	modes_equal("a device's mode is told", 0666, mode_of("char"));
	works("a device is renamed", rename("char", "char2"));
	holds("it keeps its number", device_of("char2") == 0x103);
	works("a device is removed", unlink("char2"));
	works("a FIFO is removed", unlink("fifo"));
	equals("a FIFO has no size", 0, mkfifo("fifo", 0600) < 0 ? -1 : size_of("fifo"));
	become(&bob);
	fails("a FIFO that one may not write is not opened", EACCES,
	      try_open("fifo", O_WRONLY | O_NONBLOCK, 0));
}

static int write_fifo(const void *arg)
{
	int fd = open("fifo", O_WRONLY | O_CLOEXEC);

	(void)arg;
	if (fd < 0 || write(fd, "hello", 5) != 5)
		return 1;
	close(fd);
	return 0;
}

static void check_fifos(void)
{
	char buf[16] = "";
	struct pollfd poller;
	int fd, status;
	pid_t pid;

	must(mkfifo("fifo", 0600));
	fflush(NULL);
	pid = must(fork());
	if (pid == 0)
		_exit(write_fifo(NULL));
	fd = open("fifo", O_RDONLY | O_CLOEXEC);
	works("a FIFO's two ends meet", fd);
	equals("what one process writes another reads", 5, read(fd, buf, sizeof(buf)));
	reads("it is what was written", "hello", buf);
	equals("the end comes with the writer's close", 0, read(fd, buf, sizeof(buf)));
	must(waitpid(pid, &status, 0));
	equals("the writer ended well", 0, status);
	poller = (struct pollfd){ fd, POLLIN, 0 };
	must(poll(&poller, 1, 0));
	holds("a hang-up is told", poller.revents & POLLHUP);
	close(fd);
	must(rename("fifo", "moved"));
	must(link("moved", "second"));
	fd = must(open("moved", O_RDWR | O_NONBLOCK | O_CLOEXEC));
	must(write(fd, "x", 1));
	status = must(open("second", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	equals("two names are one FIFO", 1, read(status, buf, 1));
	fails("an empty FIFO makes wait", EAGAIN, read(status, buf, 1));
	close(status);
	close(fd);
}

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	return addr;
}

static int bind_to(int fd, const char *path)
{
	struct sockaddr_un addr = address(path);

	return bind(fd, (struct sockaddr *)&addr, sizeof(addr));
}

static int connect_to(int fd, const char *path)
{
	struct sockaddr_un addr = address(path);

	return connect(fd, (struct sockaddr *)&addr, sizeof(addr));
}

static void check_sockets(void)
{
	int server = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	int client = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	int second = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	char buf[8] = "";
	int peer;

	works("a socket is bound", bind_to(server, "socket"));
	equals("its name is a socket", S_IFSOCK, kind_of("socket"));
	modes_equal("it has a mode by umask", 0755, mode_of("socket"));
	fails("its name is not bound again", EADDRINUSE, bind_to(second, "socket"));
	fails("who does not listen is not reached", ECONNREFUSED, connect_to(client, "socket"));
	must(listen(server, 5));
	works("who listens is reached", connect_to(client, "socket"));
	peer = must(accept4(server, NULL, NULL, SOCK_CLOEXEC));
	must(write(client, "hi", 2));
	equals("what is sent arrives", 2, read(peer, buf, sizeof(buf)));
	must(rename("socket", "moved"));
	works("a moved socket is reached", connect_to(second, "moved"));
	close(second);
	second = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	make_file("file", &root, 0666);
	fails("a file is not reached", ECONNREFUSED, connect_to(second, "file"));
	fails("what is missing is not reached", ENOENT, connect_to(second, "missing"));
	must(chmod("moved", 0600));
	become(&bob);
	fails("who may not write a socket does not reach it", EACCES, connect_to(second, "moved"));
	become(&root);
	close(peer);
	close(client);
	close(server);
	fails("a socket that nobody has is not reached", ECONNREFUSED, connect_to(second, "moved"));
	close(second);
}

const group_fn special_groups[] = { check_nodes, check_node_changes, check_fifos, check_sockets,
				    NULL };
