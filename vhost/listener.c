/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening vhost-user socket: bound to a path or inherited as an fd.
 */
#include "vhost/listener.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"

#define BACKLOG 1 /* one front-end at a time */

static int set_address(struct sockaddr_un *addr, const char *path)
{
	size_t len = strlen(path);

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (len == 0)
		return -ENOENT;
	if (len >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	memcpy(addr->sun_path, path, len + 1);
	return 0;
}

/*
 * 0 when nobody has the socket file any more. Asked by a datagram: a stream would be taken for the
 * front-end, and its end be the end of a daemon that listens there.
 */
static int check_stale(const struct sockaddr_un *addr)
{
	cleanup_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		return -EADDRINUSE;
	/* Only these say that there is no socket behind the file; a stream's is EPROTOTYPE. */
	return errno == ECONNREFUSED || errno == ENOENT ? 0 : -EADDRINUSE;
}

static int remove_stale(const struct sockaddr_un *addr)
{
	struct stat st;
	int r;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	r = check_stale(addr);
	if (r < 0)
		return r;
	return unlink(addr->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

static int bind_fresh(int fd, const struct sockaddr_un *addr)
{
	const struct sockaddr *sa = (const struct sockaddr *)addr;
	int r;

	/* The socket's own mode is what bind(2) gives the file, so it never is open to others. */
	if (fchmod(fd, 0600) < 0)
		return -errno;
	if (bind(fd, sa, sizeof(*addr)) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return -errno;
	r = remove_stale(addr);
	if (r < 0)
		return r;
	return bind(fd, sa, sizeof(*addr)) < 0 ? -errno : 0;
}

/* Gives the file to the group; by descriptor, so that it is the file that was made. */
static int open_to_group(int path_fd, gid_t group)
{
	char self[32];

	if (group == (gid_t)-1)
		return 0;
	if (fchownat(path_fd, "", (uid_t)-1, group, AT_EMPTY_PATH) < 0)
		return -errno;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", path_fd);
	return chmod(self, 0660) < 0 ? -errno : 0;
}

/* Listens before anything else: whoever waits for the file connects as soon as it is there. */
static int finish_bind(struct vhost_listener *listener, const char *path, gid_t group)
{
	int listening = listen(listener->fd, BACKLOG);
	cleanup_fd int path_fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (listening < 0 || path_fd < 0 || fstat(path_fd, &st) < 0)
		return -errno;
	listener->path = strdup(path);
	if (!listener->path)
		return -ENOMEM;
	listener->path_dev = st.st_dev;
	listener->path_ino = st.st_ino;
	return open_to_group(path_fd, group);
}

int vhost_listener_bind(struct vhost_listener *listener, const char *path, gid_t group)
{
	struct sockaddr_un addr;
	int r = set_address(&addr, path);

	*listener = (struct vhost_listener)VHOST_LISTENER_NULL;
	if (r < 0)
		return r;
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		return -errno;
	r = bind_fresh(listener->fd, &addr);
	if (r == 0)
		r = finish_bind(listener, path, group);
	if (r < 0)
		vhost_listener_deinit(listener);
	return r;
}

int vhost_listener_adopt(struct vhost_listener *listener, int fd)
{
	struct stat st;
	int value = 0, flags;
	socklen_t len = sizeof(value);

	*listener = (struct vhost_listener)VHOST_LISTENER_NULL;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) < 0 || !value)
		return -EINVAL;
	len = sizeof(value);
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &len) < 0 || value != AF_UNIX)
		return -EINVAL;
	len = sizeof(value);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len) < 0 || value != SOCK_STREAM)
		return -EINVAL;
	flags = fcntl(fd, F_GETFD);
	if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0)
		return -errno;
	listener->fd = fd;
	return 0;
}

/* Messages are looked at first: a look would pass over an urgent byte, and poll(2) tell of it. */
static void take_urgent_bytes_in_line(int fd)
{
	const int on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)); /* no such bytes then */
}

int vhost_listener_accept(struct vhost_listener *listener)
{
	struct pollfd p = { .fd = listener->fd, .events = POLLIN };

	for (;;) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0) {
			take_urgent_bytes_in_line(fd);
			return fd;
		}
		if (errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN)
			return -errno;
		/* An inherited socket may be non-blocking. */
		if (poll(&p, 1, -1) < 0)
			return -errno;
	}
}

void vhost_listener_close(struct vhost_listener *listener)
{
	fd_close(&listener->fd);
}

void vhost_listener_deinit(struct vhost_listener *listener)
{
	struct stat st;

	vhost_listener_close(listener);
	if (!listener->path)
		return;
	if (lstat(listener->path, &st) == 0 && st.st_dev == listener->path_dev &&
	    st.st_ino == listener->path_ino && unlink(listener->path) < 0)
		log_debug("Cannot remove %s: %s", listener->path, log_strerror(errno));
	free(listener->path);
	listener->path = NULL;
}
