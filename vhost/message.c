/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One vhost-user message in or out, with the descriptors that travel with it.
 *
 * The front-end writes these bytes. Size, version and number of descriptors may be anything, a
 * message may stop half-way, and descriptors may come with any part of it. After this file the
 * size fits the buffer, the whole payload is there, and every descriptor has an owner.
 *
 * A message stays in the socket until it has been handled, because whoever handles it may die. How
 * much has been looked at is kept by the kernel (SO_PEEK_OFF): each look begins where the last one
 * ended, and what is taken out is deducted. So the socket itself tells a successor whether the
 * message that its predecessor had looked at is still there.
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

static void take_in_fd(struct vhost_message *message, int fd)
{
	if (message->n_fds < VHOST_USER_MAX_FDS) {
		message->fds[message->n_fds++] = fd;
		return;
	}
	message->fds_lost = true;
	fd_close(&fd);
}

/* Moves the descriptors of one recvmsg(2) into the message, or closes them. */
static void collect_fds(struct vhost_message *message, struct msghdr *header, bool wanted)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		size_t n_fds;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n_fds; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (wanted)
				take_in_fd(message, fd);
			else
				fd_close(&fd);
		}
	}
	/* The kernel had more than fits, or this process may not open that many. */
	if (wanted && (header->msg_flags & MSG_CTRUNC))
		message->fds_lost = true;
}

/*
 * One look at up to `len` bytes behind those looked at before: count, 0 at the end of the stream, or
 * -errno (-EAGAIN). Each look gives new copies of the descriptors that came with those bytes; without
 * `message` they are not wanted.
 *
 * Whoever looks is given those of the next message, too, if his own has none. So one byte more is
 * asked for: only a look that stops before it, though there was room, was stopped by descriptors of
 * its own.
 */
static ssize_t peek_some(int fd, void *buf, size_t len, int flags, struct vhost_message *message)
{
	char control[CMSG_SPACE(VHOST_USER_MAX_FDS * sizeof(int))]
		__attribute__((__aligned__(__alignof__(struct cmsghdr))));
	char one_more;
	struct iovec iov[] = {
		{ .iov_base = buf, .iov_len = len },
		{ .iov_base = &one_more, .iov_len = 1 },
	};
	struct msghdr header = {
		.msg_iov = iov,
		.msg_iovlen = message ? 2 : 1,
		.msg_control = message ? control : NULL,
		.msg_controllen = message ? sizeof(control) : 0,
	};
	ssize_t n;

	do
		n = recvmsg(fd, &header, MSG_PEEK | MSG_CMSG_CLOEXEC | flags);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (message)
		collect_fds(message, &header, n <= (ssize_t)len);
	return MIN(n, (ssize_t)len);
}

/*
 * As peek_some(), but waits. Not with poll(2), which does not know that what is there has been looked
 * at.
 */
static ssize_t wait_and_peek(int fd, void *buf, size_t len, int64_t deadline_ms,
			     struct vhost_message *message)
{
	int64_t left = deadline_ms - now_ms();
	struct timeval timeout = { .tv_sec = left / 1000, .tv_usec = left % 1000 * 1000 };
	ssize_t n;

	if (left <= 0)
		return -ETIMEDOUT;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return -errno;
	n = peek_some(fd, buf, len, 0, message);
	return n == -EAGAIN ? -ETIMEDOUT : n;
}

/* Looks at exactly `len` bytes. 0, -ETIMEDOUT, -ECONNRESET at the end of the stream, or -errno. */
static int peek_rest(int fd, void *buf, size_t len, int64_t deadline_ms,
		     struct vhost_message *message)
{
	size_t done = 0;

	while (done < len) {
		char *to = (char *)buf + done;
		ssize_t n = peek_some(fd, to, len - done, MSG_DONTWAIT, message);

		if (n == -EAGAIN)
			n = wait_and_peek(fd, to, len - done, deadline_ms, message);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0)
			return (int)n;
		done += (size_t)n;
	}
	return 0;
}

/* As if so many bytes had been looked at. */
static int set_looked_at(int fd, size_t bytes)
{
	int offset = (int)bytes;

	return setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) < 0 ? -errno : 0;
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

/* The header alone, without its descriptors: the next look brings them. */
static enum vhost_recv_result peek_header(int fd, int64_t deadline_ms,
					  struct vhost_message *message)
{
	char *head = (char *)&message->header;
	const char *fault;
	ssize_t n;
	int r = set_looked_at(fd, 0);

	if (r < 0)
		return broken(message, log_strerror(r));
	n = peek_some(fd, head, sizeof(message->header), MSG_DONTWAIT, NULL);
	if (n == -EAGAIN)
		return VHOST_RECV_NOTHING;
	/* A front-end that dies with unread replies resets the connection: closed all the same. */
	if (n == 0 || n == -ECONNRESET)
		return VHOST_RECV_CLOSED;
	if (n < 0)
		return broken(message, log_strerror((int)n));
	r = peek_rest(fd, head + n, sizeof(message->header) - (size_t)n, deadline_ms, NULL);
	if (r < 0)
		return broken(message, recv_fault(r));
	fault = header_fault(&message->header);
	return fault ? broken(message, fault) : VHOST_RECV_MESSAGE;
}

enum vhost_recv_result vhost_message_peek(int fd, int timeout_ms, struct vhost_message *message)
{
	struct {
		struct vhost_user_header header;
		char payload[VHOST_USER_MAX_PAYLOAD_BYTES];
	} whole;
	int64_t deadline_ms = now_ms() + timeout_ms;
	enum vhost_recv_result result;
	size_t size;
	int r;

	memset(message, 0, sizeof(*message));
	result = peek_header(fd, deadline_ms, message);
	if (result != VHOST_RECV_MESSAGE)
		return result;
	size = sizeof(whole.header) + message->header.size;
	r = set_looked_at(fd, 0);
	if (r == 0)
		r = peek_rest(fd, &whole, size, deadline_ms, message);
	if (r == 0)
		r = set_looked_at(fd, size); /* and not one byte more */
	if (r < 0)
		return broken(message, recv_fault(r));
	memcpy(message->payload.bytes, whole.payload, message->header.size);
	return VHOST_RECV_MESSAGE;
}

int vhost_message_take(int fd)
{
	char bytes[sizeof(struct vhost_user_header) + VHOST_USER_MAX_PAYLOAD_BYTES];
	socklen_t len = sizeof(int);
	int looked_at;
	ssize_t n;

	for (;;) {
		if (getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &looked_at, &len) < 0)
			return -errno;
		if (looked_at <= 0)
			return 0;
		n = recv(fd, bytes, MIN((size_t)looked_at, sizeof(bytes)), MSG_DONTWAIT);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
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
