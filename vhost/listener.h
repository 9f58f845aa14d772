/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening vhost-user socket: bound to a path or inherited as an fd.
 */
#ifndef VHOST_LISTENER_H
#define VHOST_LISTENER_H

#include <sys/stat.h>
#include <sys/types.h>

struct vhost_listener {
	int fd;		/* owned; -1 when closed */
	char *path;	/* owned; NULL for an inherited fd */
	dev_t path_dev; /* which file we made, so that only that one is unlinked */
	ino_t path_ino;
};

#define VHOST_LISTENER_NULL \
	{                   \
		.fd = -1    \
	}

/*
 * Binds `path` with mode 0600 (0660 and that group when `group` is not (gid_t)-1). A stale socket
 * file is replaced; one that a living process listens on is -EADDRINUSE; anything that is not a
 * socket is -EEXIST and left alone; a path that does not fit sun_path is -ENAMETOOLONG.
 */
int vhost_listener_bind(struct vhost_listener *listener, const char *path, gid_t group);

/* Takes over an inherited listening socket. -ENOTSOCK, -EBADF or -EINVAL (not listening). */
int vhost_listener_adopt(struct vhost_listener *listener, int fd);

/* Waits for one front-end. Returns the connected fd (close-on-exec) or -errno (-EINTR). */
int vhost_listener_accept(struct vhost_listener *listener);

/* Closes the fd only; the path stays. */
void vhost_listener_close(struct vhost_listener *listener);

/* Removes the socket file if it still is the one that was bound, and frees everything. */
void vhost_listener_deinit(struct vhost_listener *listener);

#endif
