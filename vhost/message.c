/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One vhost-user message in or out, with the descriptors that travel with it.
 *
 * The front-end writes these bytes. Size, version and number of descriptors may be anything, a
 * message may stop half-way, and descriptors may come with any part of it. After this file the
 * size fits the buffer, the whole payload is there, and every descriptor has an owner.
 */
#include "vhost/message.h"

#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 0, -ETIMEDOUT or -errno; hang-ups count as ready, the next call tells. */
static int wait_until(int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left;
	int r;

	do {
		left = deadline_ms - now_ms();
		if (left < 0)
			return -ETIMEDOUT;
		r = poll(&p, 1, (int)MIN(left, (int64_t)INT_MAX));
		if (r > 0)
			return 0;
	} while (r == 0 || errno == EINTR);
	return -errno;
}

void vhost_message_close_fds(struct vhost_message *message)
{
	for (unsigned int i = 0; i < message->n_fds; i++)
		fd_close(&message->fds[i]);
	message->n_fds = 0;
}

int vhost_message_steal_fd(struct vhost_message *message, unsigned int i)
{
	return i < message->n_fds ? take_fd(&message->fds[i]) : -1;
}

/* Moves the descriptors of one recvmsg(2) into the message; closes what does not fit. */
static void collect_fds(struct vhost_message *message, struct msghdr *header)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		size_t n_fds;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n_fds; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (message->n_fds < VHOST_USER_MAX_FDS) {
				message->fds[message->n_fds++] = fd;
			} else {
				message->fds_lost = true;
				fd_close(&fd);
			}
		}
	}
	/* The kernel had more than fits, or this process may not open that many. */
	if (header->msg_flags & MSG_CTRUNC)
		message->fds_lost = true;
}

/* One read of up to `len` bytes: count, 0 at the end of the stream, or -errno (-EAGAIN). */
static ssize_t recv_some(int fd, void *buf, size_t len, struct vhost_message *message)
{
	char control[CMSG_SPACE(VHOST_USER_MAX_FDS * sizeof(int))]
		__attribute__((__aligned__(__alignof__(struct cmsghdr))));
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr header = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do
		n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	collect_fds(message, &header);
	return n;
}

/* Reads exactly `len` bytes. 0, -ETIMEDOUT, -ECONNRESET at the end of the stream, or -errno. */
static int recv_rest(int fd, void *buf, size_t len, int64_t deadline_ms,
		     struct vhost_message *message)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = recv_some(fd, (char *)buf + done, len - done, message);

		if (n == 0)
			return -ECONNRESET;
		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (n != -EAGAIN)
			return (int)n;
		n = wait_until(fd, POLLIN, deadline_ms);
		if (n < 0)
			return (int)n;
	}
	return 0;
}

static enum vhost_recv_result broken(struct vhost_message *message, const char *why)
{
	vhost_message_close_fds(message);
	log_peer("The vhost-user connection is unusable: %s", why);
	return VHOST_RECV_BROKEN;
}

static const char *header_fault(const struct vhost_user_header *header)
{
	if ((header->flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION)
		return "a message has an unknown protocol version";
	if (header->flags & VHOST_USER_REPLY)
		return "the front-end sent a reply that nobody asked for";
	if (header->size > VHOST_USER_MAX_PAYLOAD_BYTES)
		return "a message is larger than any known request";
	return NULL;
}

static const char *recv_fault(int r)
{
	if (r == -ETIMEDOUT)
		return "a message stopped half-way";
	if (r == -ECONNRESET)
		return "the front-end hung up in the middle of a message";
	return log_strerror(r);
}

enum vhost_recv_result vhost_message_recv(int fd, int timeout_ms, struct vhost_message *message)
{
	int64_t deadline_ms = now_ms() + timeout_ms;
	char *head = (char *)&message->header;
	const char *fault;
	ssize_t n;
	int r;

	memset(message, 0, sizeof(*message));
	n = recv_some(fd, head, sizeof(message->header), message);
	if (n == -EAGAIN)
		return VHOST_RECV_NOTHING;
	/* A front-end that dies with unread replies resets the connection: closed all the same. */
	if (n == 0 || n == -ECONNRESET) {
		vhost_message_close_fds(message);
		return VHOST_RECV_CLOSED;
	}
	if (n < 0)
		return broken(message, log_strerror((int)n));
	r = recv_rest(fd, head + n, sizeof(message->header) - (size_t)n, deadline_ms, message);
	if (r < 0)
		return broken(message, recv_fault(r));
	fault = header_fault(&message->header);
	if (fault)
		return broken(message, fault);
	r = recv_rest(fd, message->payload.bytes, message->header.size, deadline_ms, message);
	if (r < 0)
		return broken(message, recv_fault(r));
	return VHOST_RECV_MESSAGE;
}

static int send_all(int fd, int64_t deadline_ms, const char *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = send(fd, buf + done, len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
		int r;

		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		r = wait_until(fd, POLLOUT, deadline_ms);
		if (r < 0)
			return r;
	}
	return 0;
}

int vhost_message_reply(int fd, int timeout_ms, uint32_t request, const void *payload,
			uint32_t size)
{
	struct vhost_user_header header = {
		.request = request,
		.flags = VHOST_USER_VERSION | VHOST_USER_REPLY,
		.size = size,
	};
	char buf[sizeof(header) + sizeof(struct vhost_user_config)];

	if (size > sizeof(buf) - sizeof(header))
		return -EMSGSIZE;
	memcpy(buf, &header, sizeof(header));
	if (size)
		memcpy(buf + sizeof(header), payload, size);
	return send_all(fd, now_ms() + timeout_ms, buf, sizeof(header) + size);
}
