/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our requests to the front-end, over the channel of SET_BACKEND_REQ_FD.
 *
 * Never with NEED_REPLY: a pipe has no way back, and no thread here could wait for the answer.
 */
#include "vhost/backend-req.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

int vhost_backend_check_channel(int fd)
{
	struct stat st;
	int flags;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode) && !S_ISFIFO(st.st_mode))
		return -EINVAL;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

void vhost_backend_send(int fd, enum vhost_user_backend_request request, unsigned int index)
{
	struct {
		struct vhost_user_header header;
		struct vhost_user_vring_state state;
	} __attribute__((__packed__)) message = {
		.header = {
			.request = request,
			.flags = VHOST_USER_VERSION,
			.size = sizeof(struct vhost_user_vring_state),
		},
		.state = { .index = index },
	};
	ssize_t n;

	/* 20 bytes are under PIPE_BUF and one socket buffer, so they go whole or not at all. */
	do
		n = write(fd, &message, sizeof(message));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		log_debug("Queue %u: notification lost: %s", index, log_strerror(errno));
}
