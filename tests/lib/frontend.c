/* SPDX-License-Identifier: Apache-2.0 */
/* The vhost-user socket of a VMM stand-in: raw messages, and the fixed opening of a session. */
#include "tests/lib/frontend.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "tests/lib/bounded.h"

static int connect_once(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	return take_fd(&fd);
}

void frontend_connect(struct frontend *fe, const char *path)
{
	int fd = connect_once(path);

	if (fd < 0)
		test_die("connect to %s: %s", path, strerror(-fd));
	frontend_init(fe, fd);
}

void frontend_init(struct frontend *fe, int fd)
{
	int ms = test_timeout_ms();
	struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	*fe = (struct frontend){ .fd = fd, .backend_req_fd = -1 };
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)))
		test_die("SO_SNDTIMEO: %s", strerror(errno));
}

void frontend_close(struct frontend *fe)
{
	fd_close(&fe->fd);
	fd_close(&fe->backend_req_fd);
}

static int connection_error(int err)
{
	if (err == EPIPE || err == ECONNRESET || err == ENOTCONN)
		return -ECONNRESET;
	return err == EAGAIN ? -ETIMEDOUT : -err;
}

int fe_send_raw(struct frontend *fe, const void *bytes, size_t n_bytes, const int *fds,
		unsigned int n_fds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(64 * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = n_bytes };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (n_fds > 64)
		return -EINVAL;
	if (n_fds) {
		struct cmsghdr *cmsg;

		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&message);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
	}
	n = sendmsg(fe->fd, &message, MSG_NOSIGNAL);
	if (n < 0)
		return connection_error(errno);
	return (size_t)n == n_bytes ? 0 : -ETIMEDOUT;
}

int fe_send(struct frontend *fe, uint32_t request, uint32_t flags, const void *payload,
	    uint32_t size, const int *fds, unsigned int n_fds)
{
	struct fe_header header = { request, FE_FLAG_VERSION | flags, size };
	uint8_t bytes[sizeof(header) + FE_MAX_PAYLOAD];

	if (size > FE_MAX_PAYLOAD)
		return -EMSGSIZE;
	memcpy(bytes, &header, sizeof(header));
	if (size)
		memcpy(bytes + sizeof(header), payload, size);
	return fe_send_raw(fe, bytes, sizeof(header) + size, fds, n_fds);
}

static int wait_readable(int fd, int64_t deadline)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	for (;;) {
		int n = poll(&pfd, 1, deadline_left_ms(deadline));

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static void take_fds(struct msghdr *message, struct fe_reply *reply)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(message); cmsg;
	     cmsg = CMSG_NXTHDR(message, cmsg)) {
		size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = MIN(n, (size_t)FE_MAX_FDS);
		memcpy(reply->fds, CMSG_DATA(cmsg), n * sizeof(int));
		reply->n_fds = (unsigned int)n;
	}
}

static int recv_exactly(int fd, void *bytes, size_t n_bytes, struct fe_reply *reply,
			int64_t deadline)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(FE_MAX_FDS * sizeof(int))];
	uint8_t *place = bytes;

	while (n_bytes) {
		struct iovec iov = { .iov_base = place, .iov_len = n_bytes };
		struct msghdr message = { .msg_iov = &iov,
					  .msg_iovlen = 1,
					  .msg_control = control,
					  .msg_controllen = sizeof(control) };
		int result = wait_readable(fd, deadline);
		ssize_t n;

		if (result)
			return result;
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0)
			return connection_error(errno);
		take_fds(&message, reply);
		place += n;
		n_bytes -= (size_t)n;
	}
	return 0;
}

static int recv_message(int fd, struct fe_reply *reply)
{
	int64_t deadline = deadline_default();
	int result;

	reply->n_fds = 0;
	result = recv_exactly(fd, &reply->header, sizeof(reply->header), reply, deadline);
	if (result)
		return result;
	if (reply->header.size > sizeof(reply->bytes))
		return -EPROTO;
	return recv_exactly(fd, reply->bytes, reply->header.size, reply, deadline);
}

int fe_recv(struct frontend *fe, struct fe_reply *ret_reply)
{
	return recv_message(fe->fd, ret_reply);
}

int fe_recv_backend_request(struct frontend *fe, struct fe_reply *ret_request)
{
	return recv_message(fe->backend_req_fd, ret_request);
}

int fe_recv_reply(struct frontend *fe, uint32_t request, struct fe_reply *ret_reply)
{
	int result = fe_recv(fe, ret_reply);

	if (result)
		return result;
	if (ret_reply->header.request != request ||
	    (ret_reply->header.flags & 0x7) != (FE_FLAG_VERSION | FE_FLAG_REPLY))
		return -EPROTO;
	return 0;
}

int fe_wait_hangup(struct frontend *fe)
{
	int64_t deadline = deadline_default();
	uint8_t dropped[4096];

	for (;;) {
		int result = wait_readable(fe->fd, deadline);
		ssize_t n;

		if (result)
			return result;
		n = recv(fe->fd, dropped, sizeof(dropped), 0);
		if (n == 0 || (n < 0 && connection_error(errno) == -ECONNRESET))
			return 0;
		if (n < 0)
			return -errno;
	}
}

bool fe_hung_up(struct frontend *fe)
{
	struct pollfd pfd = { .fd = fe->fd, .events = POLLRDHUP };

	return fe->fd < 0 || (poll(&pfd, 1, 0) == 1 && pfd.revents);
}

void fe_or_die(int result, const char *step)
{
	if (result)
		test_die("%s: %s", step, strerror(-result));
}

int fe_handshake(struct frontend *fe, uint64_t features, uint64_t protocol)
{
	uint64_t offered, offered_protocol = 0;
	int result = fe_set(fe, FE_SET_OWNER, NULL, 0, NULL, 0);

	if (!result)
		result = fe_get_u64(fe, FE_GET_FEATURES, &offered);
	if (result)
		return result;
	fe->features = offered & (features | FE_F_PROTOCOL_FEATURES);
	if (fe->features & FE_F_PROTOCOL_FEATURES) {
		result = fe_get_u64(fe, FE_GET_PROTOCOL_FEATURES, &offered_protocol);
		if (!result)
			result = fe_set_u64(fe, FE_SET_PROTOCOL_FEATURES,
					    offered_protocol & protocol);
		if (result)
			return result;
		fe->protocol = offered_protocol & protocol;
	}
	return fe_set_u64(fe, FE_SET_FEATURES, fe->features);
}

int fe_open_backend_channel(struct frontend *fe)
{
	int pair[2];
	int result;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	result = fe_set(fe, FE_SET_BACKEND_REQ_FD, NULL, 0, &pair[1], 1);
	close(pair[1]);
	if (result)
		close(pair[0]);
	else
		fe->backend_req_fd = pair[0];
	return result;
}
