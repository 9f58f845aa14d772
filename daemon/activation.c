/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket activation and readiness, as systemd has them: sd_listen_fds(3), sd_notify(3).
 *
 * The message comes from the serving process, which with --sandbox=namespace is a child of the one
 * that was started: a unit of Type=notify needs NotifyAccess=all.
 */
#include "daemon/activation.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/parse.h"

#define FIRST_FD 3

static int notify_fd = -1;

/* The number in an environment variable, 0 if there is none. */
static uint64_t number_in(const char *variable)
{
	const char *text = getenv(variable);
	uint64_t value;

	return text && parse_u64(text, INT_MAX, &value) == 0 ? value : 0;
}

int activation_fd(void)
{
	uint64_t n;

	/* Inherited by accident from somebody's parent otherwise. */
	if (number_in("LISTEN_PID") != (uint64_t)getpid())
		return ACTIVATION_NONE;
	n = number_in("LISTEN_FDS");
	if (n > 1)
		return ACTIVATION_TOO_MANY;
	return n == 1 ? FIRST_FD : ACTIVATION_NONE;
}

int activation_open_notify(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;
	cleanup_fd int fd = -1;

	if (!len)
		return 0;
	if ((path[0] != '/' && path[0] != '@') || len >= sizeof(addr.sun_path))
		return -EINVAL;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = '\0'; /* the abstract name space */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return -errno;
	notify_fd = take_fd(&fd);
	return 0;
}

void activation_tell_ready(void)
{
	static const char ready[] = "READY=1";

	if (notify_fd < 0)
		return;
	if (send(notify_fd, ready, sizeof(ready) - 1, MSG_NOSIGNAL) < 0)
		log_debug("Cannot tell the service manager: %s", log_strerror(errno));
	fd_close(&notify_fd);
}

void activation_each_fd(void (*fn)(void *arg, int fd), void *arg)
{
	fn(arg, notify_fd);
}
