/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vhost-user session under several kinds of front-end: what is offered and answered, and when a
 * queue starts and stops. A recording device stands in for the real one.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/session-unit.h"

/* ---- Negotiation ---- */

static void test_offers(void)
{
	struct fixture *f = fixture_new();
	uint64_t config[2] = { 0 };

	f->device.vhost.features = VHOST_BIT(5);
	g_assert_cmphex(ask_u64(f, VHOST_USER_GET_FEATURES), ==,
			F_USUAL | VHOST_BIT(28) | VHOST_BIT(29) | VHOST_BIT(5));
	g_assert_cmphex(ask_u64(f, VHOST_USER_GET_PROTOCOL_FEATURES), ==, P_ALL_BUT_CONFIG);
	f->device.vhost.config = config;
	f->device.vhost.config_bytes = sizeof(config);
	g_assert_cmphex(ask_u64(f, VHOST_USER_GET_PROTOCOL_FEATURES), ==,
			P_ALL_BUT_CONFIG | VHOST_BIT(9));
	g_assert_cmpuint(ask_u64(f, VHOST_USER_GET_QUEUE_NUM), ==, 65);
	g_assert_cmpuint(ask_u64(f, VHOST_USER_GET_MAX_MEM_SLOTS), ==, 509);
	fixture_free(f);
}

static void test_unoffered(void)
{
	struct fixture *f = fixture_new();

	g_assert_false(set_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, VHOST_BIT(8)));
	handshake(f, 0);
	g_assert_false(set_u64(f, VHOST_USER_SET_FEATURES, F_USUAL | VHOST_BIT(26)));
	g_assert_true(set_u64(f, VHOST_USER_SET_FEATURES, F_USUAL));
	fixture_free(f);
}

static void test_acks(void)
{
	struct fixture *f = fixture_new();
	uint64_t features = F_USUAL, answer;

	/* Not agreed, not asked for, agreed and asked for. */
	send_message(f, VHOST_USER_SET_FEATURES, ACKED, &features, 8, NULL, 0);
	g_assert_cmpint(recv_answer(f, VHOST_USER_SET_FEATURES, &answer, 8), ==, -1);
	handshake(f, 0);
	send_message(f, VHOST_USER_SET_FEATURES, VHOST_USER_VERSION, &features, 8, NULL, 0);
	g_assert_cmpint(recv_answer(f, VHOST_USER_SET_FEATURES, &answer, 8), ==, -1);
	g_assert_true(set_u64(f, VHOST_USER_SET_FEATURES, F_USUAL));
	/* A request with an answer has that answer only. */
	send_message(f, VHOST_USER_GET_FEATURES, ACKED, NULL, 0, NULL, 0);
	g_assert_cmpint(recv_answer(f, VHOST_USER_GET_FEATURES, &answer, 8), ==, 8);
	g_assert_cmpint(recv_answer(f, VHOST_USER_GET_FEATURES, &answer, 8), ==, -1);
	fixture_free(f);
}

static int ask_config(struct fixture *f, uint32_t offset, uint32_t size,
		      struct vhost_user_config *answer)
{
	struct vhost_user_config ask = { .offset = offset, .size = size };

	g_assert_cmpint(send_message(f, VHOST_USER_GET_CONFIG, VHOST_USER_VERSION, &ask,
				     12 + MIN(size, 256), NULL, 0),
			==, VHOST_SESSION_GOES_ON);
	return recv_answer(f, VHOST_USER_GET_CONFIG, answer, sizeof(*answer));
}

static void test_config(void)
{
	static const char space[] = "0123456789";
	struct fixture *f = fixture_new();
	struct vhost_user_config answer;
	uint64_t write_to = 0;

	g_assert_cmpint(ask_config(f, 0, 4, &answer), ==, 0); /* not offered */
	f->device.vhost.config = space;
	f->device.vhost.config_bytes = 10;
	handshake(f, VHOST_BIT(9));
	g_assert_cmpint(ask_config(f, 2, 4, &answer), ==, 16);
	g_assert_cmpuint(answer.size, ==, 4);
	g_assert_cmpmem(answer.bytes, 4, "2345", 4);
	g_assert_cmpint(ask_config(f, 8, 4, &answer), ==, 16);
	g_assert_cmpmem(answer.bytes, 4, "89\0\0", 4);
	g_assert_cmpint(ask_config(f, 0, 256, &answer), ==, 268);
	g_assert_cmpint(ask_config(f, 1, 256, &answer), ==, 0);
	g_assert_cmpint(ask_config(f, UINT32_MAX, 4, &answer), ==, 0);
	g_assert_cmpint(ask_config(f, 0, UINT32_MAX, &answer), ==, 0);
	g_assert_false(accepted(f, VHOST_USER_SET_CONFIG, &write_to, 8, -1));
	fixture_free(f);
}

static void test_status(void)
{
	struct fixture *f = fixture_new_running(0);

	g_assert_true(set_u64(f, VHOST_USER_SET_STATUS, 0xf));
	g_assert_cmpuint(ask_u64(f, VHOST_USER_GET_STATUS), ==, 0xf);
	g_assert_true(runs(f, 1));
	g_assert_true(set_u64(f, VHOST_USER_SET_STATUS, 0));
	g_assert_false(runs(f, 1));
	g_assert_cmpuint(f->device.n_resets, ==, 0);
	fixture_free(f);
}

/* ---- Bad messages ---- */

static void test_unknown(void)
{
	static const uint32_t unknown[] = { 0, 6, 19, 31, 41, 46, 1000, UINT32_MAX };
	struct fixture *f = fixture_new();
	char bytes[4096] = { 0 };

	handshake(f, 0);
	for (unsigned int i = 0; i < G_N_ELEMENTS(unknown); i++) {
		g_assert_false(accepted(f, unknown[i], bytes, sizeof(bytes), f->ram.fd));
		g_assert_false(accepted(f, unknown[i], NULL, 0, -1));
	}
	g_assert_cmphex(ask_u64(f, VHOST_USER_GET_FEATURES) & F_USUAL, ==, F_USUAL);
	fixture_free(f);
}

static void test_refused(void)
{
	struct fixture *f = fixture_new();
	uint64_t value = 0;
	int fds[8];

	handshake(f, 0);
	g_assert_true(set_table(f, 1));
	for (int i = 0; i < 8; i++)
		fds[i] = f->ram.fd;
	g_assert_false(accepted(f, VHOST_USER_SET_FEATURES, &value, 4, -1));
	g_assert_false(accepted(f, VHOST_USER_SET_FEATURES, &value, 8, f->ram.fd));
	g_assert_false(accepted(f, VHOST_USER_SET_VRING_KICK, &value, 8, -1));
	g_assert_false(accepted(f, VHOST_USER_SET_MEM_TABLE, &value, 4, -1));
	g_assert_false(set_state(f, VHOST_USER_SET_VRING_NUM, 65, 16));
	g_assert_false(set_state(f, VHOST_USER_SET_VRING_NUM, 1, 0));
	g_assert_false(set_state(f, VHOST_USER_SET_VRING_NUM, 1, 24));
	g_assert_false(set_state(f, VHOST_USER_SET_VRING_NUM, 1, 65536));
	g_assert_false(set_state(f, VHOST_USER_SET_VRING_BASE, 1, 65536));
	g_assert_false(set_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 2));
	g_assert_true(set_state(f, VHOST_USER_SET_VRING_NUM, 1, UNIT_RING_SIZE));
	g_assert_false(set_addr_at(f, 1, UNIT_UVA + 1));
	g_assert_false(set_addr_at(f, 1, UNIT_UVA + UNIT_RAM_SIZE));
	g_assert_false(set_addr_at(f, 1, UINT64_MAX - 15));
	g_assert_false(set_fd(f, VHOST_USER_SET_VRING_KICK, 70, f->ram.fd));
	g_assert_false(change_region(f, VHOST_USER_ADD_MEM_REG, 0, 1)); /* overlaps */
	g_assert_false(change_region(f, VHOST_USER_REM_MEM_REG, 0, 1));
	g_assert_false(set_state(f, VHOST_USER_VRING_KICK, 1, 0)); /* in-band not agreed */
	g_assert_cmpint(get_base(f, 65), ==, -1);
	g_assert_cmpint(send_message(f, VHOST_USER_SET_OWNER, VHOST_USER_VERSION, NULL, 0, fds, 8),
			==, VHOST_SESSION_GOES_ON);
	g_assert_cmphex(ask_u64(f, VHOST_USER_GET_FEATURES) & F_USUAL, ==, F_USUAL);
	fixture_free(f);
}

static void test_bad_tables(void)
{
	struct fixture *f = fixture_new_running(0);
	struct guest_region_desc desc = unit_region(0, 4);
	struct vhost_user_mem_table table = { .n_regions = 1 };

	table.regions[0] = wire_region(&desc);
	/* No descriptor, one too many, more regions than fit, fewer than announced. */
	g_assert_false(accepted(f, VHOST_USER_SET_MEM_TABLE, &table, 40, -1));
	table.n_regions = 0;
	g_assert_false(accepted(f, VHOST_USER_SET_MEM_TABLE, &table, 8, f->ram.fd));
	table.n_regions = 9;
	g_assert_false(accepted(f, VHOST_USER_SET_MEM_TABLE, &table, sizeof(table), f->ram.fd));
	table.n_regions = 2;
	g_assert_false(accepted(f, VHOST_USER_SET_MEM_TABLE, &table, 40, f->ram.fd));
	/* The former table is still in use. */
	g_assert_true(runs(f, 1));
	serve_one(f);
	fixture_free(f);
}

static void test_kinds_of_kick(void)
{
	struct fixture *f = fixture_new();
	int pipe_fds[2];

	handshake(f, 0);
	g_assert_cmpint(pipe2(pipe_fds, O_CLOEXEC), ==, 0);
	g_assert_false(set_fd(f, VHOST_USER_SET_VRING_KICK, 1, pipe_fds[0]));
	g_assert_false(set_fd(f, VHOST_USER_SET_VRING_KICK, 1, f->ram.fd));
	g_assert_false(set_fd(f, VHOST_USER_SET_VRING_KICK, 1, f->fd));
	g_assert_false(set_fd(f, VHOST_USER_SET_VRING_KICK, 1, -1)); /* to be polled */
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	fixture_free(f);
}

static void test_broken(void)
{
	struct fixture *f = fixture_new_running(0);

	g_assert_cmpint(send_message(f, VHOST_USER_GET_FEATURES, 2, NULL, 0, NULL, 0), ==,
			VHOST_SESSION_BROKEN);
	fixture_free(f);
}

static void test_closed(void)
{
	struct fixture *f = fixture_new_running(0);

	shutdown(f->fd, SHUT_WR);
	g_assert_cmpint(vhost_session_handle(f->session), ==, VHOST_SESSION_CLOSED);
	fixture_free(f);
}

static void test_device_refuses(void)
{
	struct fixture *f = fixture_new();
	struct vhost_user_vring_state state = { 1, 1 };

	handshake(f, 0);
	g_assert_true(set_table(f, 1));
	prepare_queue(f, 1, 0);
	f->device.refuse = -EAGAIN;
	g_assert_cmpint(send_message(f, VHOST_USER_SET_VRING_ENABLE, VHOST_USER_VERSION, &state,
				     sizeof(state), NULL, 0),
			==, VHOST_SESSION_BROKEN);
	g_assert_cmpint(vhost_session_handle(f->session), ==, VHOST_SESSION_BROKEN);
	fixture_free(f);
}

/* ---- When a queue runs ---- */

enum step { STEP_TABLE, STEP_NUM, STEP_ADDR, STEP_KICK, STEP_ENABLE, N_STEPS };

static bool do_step(struct fixture *f, enum step step)
{
	switch (step) {
	case STEP_TABLE:
		return set_table(f, 1);
	case STEP_NUM:
		return set_state(f, VHOST_USER_SET_VRING_NUM, 1, UNIT_RING_SIZE);
	case STEP_ADDR:
		return set_addr(f, 1);
	case STEP_KICK:
		return set_kick(f, 1);
	case STEP_ENABLE:
		return set_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 1);
	default:
		g_assert_not_reached();
	}
}

/* All orders of the remaining steps, by recursion over the first ones. */
static void try_orders(enum step *order, unsigned int done, unsigned int used)
{
	struct fixture *f;

	for (unsigned int s = 0; done < N_STEPS && s < N_STEPS; s++) {
		if (used & (1u << s))
			continue;
		order[done] = s;
		try_orders(order, done + 1, used | (1u << s));
	}
	if (done < N_STEPS)
		return;
	f = fixture_new();
	handshake(f, 0);
	for (unsigned int i = 0; i < N_STEPS; i++) {
		g_assert_false(runs(f, 1));
		g_assert_true(do_step(f, order[i]));
	}
	g_assert_true(runs(f, 1));
	serve_one(f);
	fixture_free(f);
}

static void test_any_order(void)
{
	enum step order[N_STEPS];

	try_orders(order, 0, 0);
}

static void test_without_protocol_features(void)
{
	struct fixture *f = fixture_new();

	g_assert_true(set_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, P_REPLY_ACK));
	g_assert_true(set_u64(f, VHOST_USER_SET_FEATURES, VHOST_BIT(32)));
	g_assert_true(set_table(f, 1));
	prepare_queue(f, 1, 0);
	g_assert_true(runs(f, 1));
	g_assert_true(set_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 0));
	g_assert_false(runs(f, 1));
	fixture_free(f);
}

static void test_get_base(void)
{
	struct fixture *f = fixture_new_running(0);

	for (int i = 0; i < 3; i++)
		serve_one(f);
	g_assert_cmpint(get_base(f, 1), ==, 3);
	g_assert_false(runs(f, 1));
	g_assert_cmpint(get_base(f, 1), ==, 3);
	g_assert_cmpint(get_base(f, 2), ==, 0);
	/* A kick starts it again where it was; so does a whole new setup. */
	g_assert_true(set_kick(f, 1));
	g_assert_true(runs(f, 1));
	serve_one(f);
	g_assert_cmpint(get_base(f, 1), ==, 4);
	prepare_queue(f, 1, 4);
	g_assert_true(runs(f, 1));
	serve_one(f);
	fixture_free(f);
}

static void test_enable(void)
{
	struct fixture *f = fixture_new_running(0);

	serve_one(f);
	g_assert_true(set_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 1)); /* already */
	g_assert_cmpuint(f->device.n_starts, ==, 1);
	g_assert_true(set_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 0));
	g_assert_false(runs(f, 1));
	g_assert_true(set_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 1));
	serve_one(f);
	fixture_free(f);
}

static void test_changes_while_running(void)
{
	struct fixture *f = fixture_new_running(0);
	int call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t count;

	serve_one(f);
	/* Features, calls and errors without a stop; a second kick descriptor with one. */
	g_assert_true(set_u64(f, VHOST_USER_SET_FEATURES, F_USUAL));
	g_assert_true(set_fd(f, VHOST_USER_SET_VRING_CALL, 1, call));
	g_assert_true(set_fd(f, VHOST_USER_SET_VRING_ERR, 1, call));
	g_assert_cmpuint(f->device.n_stops, ==, 0);
	g_assert_cmpint(read(call, &count, 8), ==, 8); /* for what could not be told before */
	serve_one(f);
	g_assert_cmpint(read(call, &count, 8), ==, 8);
	g_assert_true(set_kick(f, 1));
	g_assert_cmpuint(f->device.n_stops, ==, 1);
	g_assert_true(runs(f, 1));
	serve_one(f);
	/* A refused change leaves it running. */
	g_assert_false(set_state(f, VHOST_USER_SET_VRING_NUM, 1, 3));
	g_assert_true(runs(f, 1));
	serve_one(f);
	close(call);
	fixture_free(f);
}

static void test_memory_changes(void)
{
	struct fixture *f = fixture_new_running(0);

	serve_one(f);
	g_assert_true(set_table(f, 1));
	g_assert_cmpuint(f->device.n_stops, ==, 1);
	serve_one(f);
	g_assert_true(set_table(f, 0));
	g_assert_false(runs(f, 1));
	/* The ring is not in this part, then in that. */
	g_assert_true(change_region(f, VHOST_USER_ADD_MEM_REG, 32, 4));
	g_assert_false(runs(f, 1));
	g_assert_true(change_region(f, VHOST_USER_ADD_MEM_REG, 0, 4));
	g_assert_true(runs(f, 1));
	serve_one(f);
	g_assert_true(change_region(f, VHOST_USER_REM_MEM_REG, 0, 4));
	g_assert_false(runs(f, 1));
	g_assert_cmpint(get_base(f, 1), ==, 3);
	fixture_free(f);
}

static void test_reset(void)
{
	static const uint32_t requests[] = { VHOST_USER_RESET_DEVICE, VHOST_USER_RESET_OWNER };

	for (unsigned int i = 0; i < G_N_ELEMENTS(requests); i++) {
		struct fixture *f = fixture_new_running(0);

		serve_one(f);
		g_assert_true(accepted(f, requests[i], NULL, 0, -1));
		g_assert_false(runs(f, 1));
		g_assert_cmpuint(f->device.n_resets, ==, 1);
		prepare_queue(f, 1, 1);
		g_assert_false(runs(f, 1));
		g_assert_true(set_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 1));
		serve_one(f);
		fixture_free(f);
	}
}

static void test_last_queue(void)
{
	struct fixture *f = fixture_new();

	handshake(f, 0);
	g_assert_true(set_table(f, 1));
	for (uint32_t i = 0; i < VHOST_MAX_QUEUES; i++) {
		prepare_queue(f, i, 0);
		g_assert_true(set_state(f, VHOST_USER_SET_VRING_ENABLE, i, 1));
	}
	g_assert_cmpuint(f->device.n_starts, ==, VHOST_MAX_QUEUES);
	fixture_free(f); /* stops them all */
}

/* ---- In-band notifications ---- */

static void setup_inband(struct fixture *f, int channel)
{
	handshake(f, P_ALL_BUT_CONFIG);
	g_assert_true(accepted(f, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, channel));
	g_assert_true(set_table(f, 1));
	g_assert_true(set_state(f, VHOST_USER_SET_VRING_NUM, 1, UNIT_RING_SIZE));
	g_assert_true(set_state(f, VHOST_USER_SET_VRING_BASE, 1, 0));
	g_assert_true(set_addr(f, 1));
}

/* As User-Mode Linux: no kick, no call, a pipe as the channel, disabling to stop. */
static void test_uml(void)
{
	struct fixture *f = fixture_new();
	uint32_t message[5];
	struct pollfd p;
	int pipe_fds[2];

	g_assert_cmpint(pipe2(pipe_fds, O_CLOEXEC), ==, 0);
	setup_inband(f, pipe_fds[1]);
	close(pipe_fds[1]);
	g_assert_false(runs(f, 1));
	g_assert_true(set_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 1));
	g_assert_true(runs(f, 1));
	p = (struct pollfd){ .fd = vq_kick_fd(f->device.queue[1]), .events = POLLIN };
	g_assert_cmpint(poll(&p, 1, 0), ==, 0);
	g_assert_true(set_state(f, VHOST_USER_VRING_KICK, 1, 0));
	g_assert_cmpint(poll(&p, 1, 0), ==, 1);
	serve_one(f);
	g_assert_cmpint(read(pipe_fds[0], message, sizeof(message)), ==, sizeof(message));
	g_assert_cmpuint(message[0], ==, VHOST_USER_BACKEND_VRING_CALL);
	g_assert_cmphex(message[1], ==, 1);
	g_assert_cmpuint(message[2], ==, 8);
	g_assert_cmpuint(message[3], ==, 1);
	g_assert_true(set_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 0));
	ask_u64(f, VHOST_USER_GET_FEATURES);
	g_assert_false(runs(f, 1));
	close(pipe_fds[0]);
	fixture_free(f);
}

/* As QEMU: agrees to everything, uses descriptors, enables rings that the guest did not set up. */
static void test_stale_ring(void)
{
	struct fixture *f = fixture_new_running(P_ALL_BUT_CONFIG);

	g_assert_cmpint(get_base(f, 1), ==, 0);
	g_assert_true(set_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 0));
	g_assert_true(set_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 1));
	g_assert_true(set_state(f, VHOST_USER_VRING_KICK, 1, 0));
	g_assert_false(runs(f, 1));
	prepare_queue(f, 1, 0);
	g_assert_true(runs(f, 1));
	fixture_free(f);
}

static void test_channels(void)
{
	struct fixture *f = fixture_new();
	uint32_t message[5];
	int pair[2];

	/* A socket that is replaced while the queue runs; a file is none. */
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
	setup_inband(f, pair[1]);
	g_assert_true(set_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 1));
	g_assert_false(accepted(f, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, f->ram.fd));
	serve_one(f);
	g_assert_cmpint(read(pair[0], message, sizeof(message)), ==, sizeof(message));
	g_assert_true(accepted(f, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, pair[0]));
	serve_one(f);
	g_assert_cmpint(read(pair[1], message, sizeof(message)), ==, sizeof(message));
	close(pair[0]);
	close(pair[1]);
	serve_one(f); /* nobody listens */
	fixture_free(f);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/session/what-is-implemented-is-offered", test_offers);
	g_test_add_func("/session/what-was-not-offered-is-refused", test_unoffered);
	g_test_add_func("/session/acknowledgements-come-when-agreed-and-asked-for", test_acks);
	g_test_add_func("/session/config-space-is-read-in-any-part-and-never-written", test_config);
	g_test_add_func("/session/status-zero-stops-rings-and-keeps-the-device", test_status);
	g_test_add_func("/session/unknown-requests-do-no-harm", test_unknown);
	g_test_add_func("/session/malformed-requests-are-refused", test_refused);
	g_test_add_func("/session/a-bad-memory-table-leaves-the-former-one", test_bad_tables);
	g_test_add_func("/session/a-kick-must-be-an-eventfd", test_kinds_of_kick);
	g_test_add_func("/session/a-wrong-version-ends-the-session", test_broken);
	g_test_add_func("/session/a-hang-up-closes-the-session", test_closed);
	g_test_add_func("/session/a-queue-that-the-device-refuses-ends-the-session",
			test_device_refuses);
	g_test_add_func("/session/a-queue-starts-with-the-last-thing-it-needs", test_any_order);
	g_test_add_func("/session/without-protocol-features-rings-start-enabled",
			test_without_protocol_features);
	g_test_add_func("/session/get-vring-base-stops-and-tells-the-position", test_get_base);
	g_test_add_func("/session/disabling-stops-and-enabling-resumes", test_enable);
	g_test_add_func("/session/a-running-queue-takes-changes", test_changes_while_running);
	g_test_add_func("/session/memory-changes-keep-positions", test_memory_changes);
	g_test_add_func("/session/a-reset-stops-all-and-tells-the-device", test_reset);
	g_test_add_func("/session/there-are-65-queues", test_last_queue);
	g_test_add_func("/session/user-mode-linux-needs-no-descriptors", test_uml);
	g_test_add_func("/session/enabling-does-not-wake-a-stale-ring", test_stale_ring);
	g_test_add_func("/session/the-channel-may-be-replaced-or-broken", test_channels);
	return g_test_run();
}
