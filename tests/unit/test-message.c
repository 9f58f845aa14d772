/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost-user messages on a stream socket: pieces, sizes and descriptors, right and wrong.
 */
#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/vhost-unit.h"
#include "vhost/message.h"

#define LONG_MS	 10000
#define SHORT_MS 10

static void open_pair(int pair[2])
{
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
}

static void close_pair(const int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

static void send_fds(int fd, const void *bytes, size_t len, const int *fds, unsigned int n_fds)
{
	char control[CMSG_SPACE(32 * sizeof(int))] __attribute__((__aligned__(8))) = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (n_fds) {
		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	g_assert_cmpint(sendmsg(fd, &header, 0), ==, (ssize_t)len);
}

static void send_bytes(int fd, const void *bytes, size_t len)
{
	send_fds(fd, bytes, len, NULL, 0);
}

/* Looks twice, as after a death, and takes. */
static enum vhost_recv_result recv_message(int fd, int timeout_ms, struct vhost_message *message)
{
	enum vhost_recv_result result = vhost_message_peek(fd, timeout_ms, message);

	if (result != VHOST_RECV_MESSAGE)
		return result;
	vhost_message_close_fds(message);
	g_assert_cmpint(vhost_message_peek(fd, timeout_ms, message), ==, VHOST_RECV_MESSAGE);
	g_assert_cmpint(vhost_message_take(fd), ==, 0);
	g_assert_cmpint(vhost_message_take(fd), ==, 0); /* nothing more */
	return VHOST_RECV_MESSAGE;
}

struct wire {
	struct vhost_user_header header;
	uint64_t payload;
} __attribute__((__packed__));

static const struct wire sample = {
	.header = { .request = VHOST_USER_SET_FEATURES, .flags = 0x9, .size = 8 },
	.payload = 0x1122334455667788,
};

static void check_sample(const struct vhost_message *message)
{
	g_assert_cmpuint(message->header.request, ==, VHOST_USER_SET_FEATURES);
	g_assert_cmphex(message->header.flags, ==, 0x9);
	g_assert_cmphex(message->payload.u64, ==, 0x1122334455667788);
}

static void test_whole(void)
{
	struct vhost_message message;
	int pair[2];

	open_pair(pair);
	g_assert_cmpint(recv_message(pair[0], LONG_MS, &message), ==, VHOST_RECV_NOTHING);
	send_bytes(pair[1], &sample, sizeof(sample));
	send_bytes(pair[1], &sample, sizeof(sample));
	for (int i = 0; i < 2; i++) {
		g_assert_cmpint(recv_message(pair[0], LONG_MS, &message), ==, VHOST_RECV_MESSAGE);
		check_sample(&message);
	}
	g_assert_cmpint(recv_message(pair[0], LONG_MS, &message), ==, VHOST_RECV_NOTHING);
	close_pair(pair);
}

/* Messages that wait behind each other: each has the descriptors it came with, and no others. */
static void test_fds_in_line(void)
{
	static const unsigned int n_fds[] = { 0, 1, 0, 2, 0, 0, 8, 1, 0 };
	unsigned int before = unit_count_fds();
	int pair[2], fds[8];

	open_pair(pair);
	for (int i = 0; i < 8; i++)
		fds[i] = pair[1];
	for (unsigned int i = 0; i < G_N_ELEMENTS(n_fds); i++)
		send_fds(pair[1], &sample, sizeof(sample), fds, n_fds[i]);
	for (unsigned int i = 0; i < G_N_ELEMENTS(n_fds); i++) {
		struct vhost_message message;

		g_assert_cmpint(recv_message(pair[0], LONG_MS, &message), ==, VHOST_RECV_MESSAGE);
		check_sample(&message);
		g_assert_cmpuint(message.n_fds, ==, n_fds[i]);
		g_assert_false(message.fds_lost);
		vhost_message_close_fds(&message);
		g_assert_cmpuint(unit_count_fds(), ==, before + 2);
	}
	close_pair(pair);
}

static void *send_single_bytes(void *arg)
{
	for (size_t i = 0; i < sizeof(sample); i++)
		send_bytes(*(int *)arg, (const char *)&sample + i, 1);
	return NULL;
}

static void test_pieces(void)
{
	enum vhost_recv_result result;
	struct vhost_message message;
	pthread_t thread;
	int pair[2];

	open_pair(pair);
	pthread_create(&thread, NULL, send_single_bytes, &pair[1]);
	do
		result = recv_message(pair[0], LONG_MS, &message);
	while (result == VHOST_RECV_NOTHING);
	g_assert_cmpint(result, ==, VHOST_RECV_MESSAGE);
	check_sample(&message);
	pthread_join(thread, NULL);
	close_pair(pair);
}

static void test_fds(void)
{
	unsigned int before = unit_count_fds();
	struct vhost_message message;
	int pair[2], fd, fds[2];

	open_pair(pair);
	fds[0] = pair[0];
	fds[1] = pair[1];
	/* One with the header, one with the payload. */
	send_fds(pair[1], &sample.header, sizeof(sample.header), fds, 1);
	send_fds(pair[1], &sample.payload, sizeof(sample.payload), fds + 1, 1);
	g_assert_cmpint(recv_message(pair[0], LONG_MS, &message), ==, VHOST_RECV_MESSAGE);
	g_assert_cmpuint(message.n_fds, ==, 2);
	g_assert_false(message.fds_lost);
	fd = vhost_message_steal_fd(&message, 0);
	g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
	g_assert_cmpint(vhost_message_steal_fd(&message, 0), ==, -1);
	g_assert_cmpint(vhost_message_steal_fd(&message, 2), ==, -1);
	vhost_message_close_fds(&message);
	vhost_message_close_fds(&message);
	close(fd);
	close_pair(pair);
	g_assert_cmpuint(unit_count_fds(), ==, before);
}

static void test_too_many_fds(void)
{
	unsigned int before = unit_count_fds();
	struct vhost_message message;
	int pair[2], fds[9];

	open_pair(pair);
	for (int i = 0; i < 9; i++)
		fds[i] = pair[1];
	send_fds(pair[1], &sample, sizeof(sample), fds, 9);
	g_assert_cmpint(recv_message(pair[0], LONG_MS, &message), ==, VHOST_RECV_MESSAGE);
	g_assert_true(message.fds_lost);
	check_sample(&message);
	vhost_message_close_fds(&message);
	/* Eight with the header and eight with the payload. */
	send_fds(pair[1], &sample.header, sizeof(sample.header), fds, 8);
	send_fds(pair[1], &sample.payload, sizeof(sample.payload), fds, 8);
	g_assert_cmpint(recv_message(pair[0], LONG_MS, &message), ==, VHOST_RECV_MESSAGE);
	g_assert_cmpuint(message.n_fds, ==, 8);
	g_assert_true(message.fds_lost);
	vhost_message_close_fds(&message);
	close_pair(pair);
	g_assert_cmpuint(unit_count_fds(), ==, before);
}

static void test_bad_headers(void)
{
	static const struct vhost_user_header bad[] = {
		{ .request = 1, .flags = 0 },
		{ .request = 1, .flags = 2 },
		{ .request = 1, .flags = 5 },
		{ .request = 1, .flags = 1, .size = 4097 },
		{ .request = 1, .flags = 1, .size = UINT32_MAX },
	};
	unsigned int before = unit_count_fds();

	for (unsigned int i = 0; i < G_N_ELEMENTS(bad); i++) {
		struct vhost_message message;
		int pair[2];

		open_pair(pair);
		send_fds(pair[1], &bad[i], sizeof(bad[i]), pair, 1);
		g_assert_cmpint(recv_message(pair[0], LONG_MS, &message), ==, VHOST_RECV_BROKEN);
		close_pair(pair);
		g_assert_cmpuint(unit_count_fds(), ==, before);
	}
}

static void test_ends(void)
{
	for (size_t len = 0; len < sizeof(sample); len++) {
		enum vhost_recv_result wanted = len ? VHOST_RECV_BROKEN : VHOST_RECV_CLOSED;
		struct vhost_message message;
		int pair[2];

		open_pair(pair);
		if (len)
			send_bytes(pair[1], &sample, len);
		close(pair[1]);
		g_assert_cmpint(recv_message(pair[0], LONG_MS, &message), ==, wanted);
		close(pair[0]);
	}
}

static void test_stall(void)
{
	unsigned int before = unit_count_fds();
	struct vhost_message message;
	int pair[2];

	open_pair(pair);
	send_fds(pair[1], &sample, 15, pair, 1);
	g_assert_cmpint(recv_message(pair[0], SHORT_MS, &message), ==, VHOST_RECV_BROKEN);
	close_pair(pair);
	g_assert_cmpuint(unit_count_fds(), ==, before);
}

static void test_reply(void)
{
	uint64_t value = 42;
	struct wire answer;
	int pair[2];

	open_pair(pair);
	g_assert_cmpint(vhost_message_reply(pair[0], LONG_MS, 17, &value, sizeof(value)), ==, 0);
	g_assert_cmpint(read(pair[1], &answer, sizeof(answer)), ==, sizeof(answer));
	g_assert_cmpuint(answer.header.request, ==, 17);
	g_assert_cmphex(answer.header.flags, ==, 5);
	g_assert_cmpuint(answer.header.size, ==, 8);
	g_assert_cmpuint(answer.payload, ==, 42);
	close_pair(pair);
}

static void test_reply_unread(void)
{
	struct vhost_user_config config = { 0 };
	int pair[2], r;

	open_pair(pair);
	do
		r = vhost_message_reply(pair[0], SHORT_MS, 24, &config, sizeof(config));
	while (r == 0);
	g_assert_cmpint(r, ==, -ETIMEDOUT);
	close(pair[1]);
	g_assert_cmpint(vhost_message_reply(pair[0], SHORT_MS, 24, NULL, 0), ==, -EPIPE);
	close(pair[0]);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/message/messages-are-taken-one-at-a-time", test_whole);
	g_test_add_func("/message/a-message-may-come-in-single-bytes", test_pieces);
	g_test_add_func("/message/descriptors-may-come-with-any-part", test_fds);
	g_test_add_func("/message/descriptors-stay-with-their-message", test_fds_in_line);
	g_test_add_func("/message/descriptors-beyond-eight-are-closed-and-told", test_too_many_fds);
	g_test_add_func("/message/bad-headers-break-the-connection", test_bad_headers);
	g_test_add_func("/message/a-hang-up-inside-a-message-is-told-from-one-between", test_ends);
	g_test_add_func("/message/a-message-that-stops-half-way-is-not-waited-for-for-ever",
			test_stall);
	g_test_add_func("/message/a-reply-names-its-request", test_reply);
	g_test_add_func("/message/a-front-end-that-does-not-read-is-not-waited-for-for-ever",
			test_reply_unread);
	return g_test_run();
}
