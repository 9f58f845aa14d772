/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost-user messages that break the protocol: whatever a front-end sends, the
 * daemon answers, refuses or hangs up; it never crashes, hangs or leaks fds.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"

#define MANY_TIMES 500

struct bad_message {
	uint32_t request;
	uint32_t flags; /* beside the version; bits 0-1 are XORed onto it */
	uint32_t size;	/* as the header claims and as sent */
	uint64_t words[5];
	unsigned int n_fds;
};

static void send_bad(struct fixture *f, const struct bad_message *bad)
{
	uint8_t bytes[sizeof(struct fe_header) + FE_MAX_PAYLOAD] = { 0 };
	struct fe_header header = {
		.request = bad->request,
		.flags = FE_FLAG_VERSION ^ bad->flags,
		.size = bad->size,
	};
	cleanup_fd int event = eventfd(0, EFD_CLOEXEC);
	int fds[16];

	for (unsigned int i = 0; i < bad->n_fds; i++)
		fds[i] = event;
	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), bad->words, sizeof(bad->words));
	(void)fe_send_raw(&f->vmm.fe, bytes, sizeof(header) + MIN(bad->size, FE_MAX_PAYLOAD), fds,
			  bad->n_fds);
}

static void run_bad(const struct bad_message *bad, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct fixture *f = fixture_start(NULL);

		g_test_message("request %u, size %u, %u fds", bad[i].request, bad[i].size,
			       bad[i].n_fds);
		send_bad(f, &bad[i]);
		if (fixture_session_answers(f))
			fixture_check_alive(f);
		fixture_stop_sane(f);
	}
}

static void test_header(void)
{
	static const struct bad_message bad[] = {
		{ .request = FE_GET_FEATURES, .flags = 1 }, /* version 0 */
		{ .request = FE_GET_FEATURES, .flags = 3 }, /* version 2 */
		{ .request = FE_GET_FEATURES, .flags = FE_FLAG_REPLY },
		{ .request = FE_GET_FEATURES, .flags = 0xfffffff0 },
		{ .request = 0 },
		{ .request = FE_REQUEST_MAX, .flags = FE_FLAG_NEED_REPLY },
		{ .request = 1000, .size = 8 },
		{ .request = UINT32_MAX, .size = 40, .flags = FE_FLAG_NEED_REPLY },
		{ .request = 20 }, /* SEND_RARP-like numbers that mean nothing here */
		{ .request = 23, .size = 32, .flags = FE_FLAG_NEED_REPLY },
	};

	run_bad(bad, G_N_ELEMENTS(bad));
}

static void test_sizes(void)
{
	static const uint32_t requests[] = {
		FE_SET_FEATURES,     FE_SET_MEM_TABLE,	 FE_SET_LOG_BASE,
		FE_SET_VRING_NUM,    FE_SET_VRING_ADDR,	 FE_GET_VRING_BASE,
		FE_SET_VRING_KICK,   FE_GET_CONFIG,	 FE_SET_PROTOCOL_FEATURES,
		FE_SET_VRING_ENABLE, FE_ADD_MEM_REG,	 FE_REM_MEM_REG,
		FE_SET_STATUS,	     FE_GET_INFLIGHT_FD, FE_SET_DEVICE_STATE_FD,
	};
	static const uint32_t sizes[] = { 0, 4, 7, 9, 300, 4096 };

	for (size_t i = 0; i < G_N_ELEMENTS(requests); i++)
		for (size_t k = 0; k < G_N_ELEMENTS(sizes); k++) {
			/* Queue 1, or one region: the size alone is wrong. */
			struct bad_message bad = { .request = requests[i],
						   .size = sizes[k],
						   .words = { 1 } };

			run_bad(&bad, 1);
		}
}

static void test_huge_size(void)
{
	static const struct bad_message bad[] = {
		{ .request = FE_SET_FEATURES, .size = 0x7fffffff },
		{ .request = FE_SET_MEM_TABLE, .size = UINT32_MAX },
		{ .request = FE_GET_CONFIG, .size = 0x10000 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		struct fixture *f = fixture_start(NULL);

		/* The claim cannot be met: the daemon hangs up at once or at our disconnect. */
		send_bad(f, &bad[i]);
		vmm_stop(&f->vmm);
		fixture_expect_orderly_end(f);
	}
}

static void test_cut_message(void)
{
	static const size_t lengths[] = { 1, 8, 11, 12, 13, 19 };

	for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
		struct fixture *f = fixture_start(NULL);
		struct fe_header header = { FE_SET_FEATURES, FE_FLAG_VERSION, 8 };
		uint8_t bytes[20] = { 0 };

		memcpy(bytes, &header, sizeof(header));
		fe_or_die(fe_send_raw(&f->vmm.fe, bytes, lengths[i], NULL, 0), "send a part");
		vmm_stop(&f->vmm);
		fixture_expect_orderly_end(f);
	}
}

static void test_message_in_pieces(void)
{
	struct fixture *f = fixture_start(NULL);
	struct fe_header header = { FE_GET_FEATURES, FE_FLAG_VERSION, 0 };
	struct fe_reply reply;

	/* A stream socket may deliver any pieces. */
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < sizeof(header); i++)
			fe_or_die(fe_send_raw(&f->vmm.fe, (uint8_t *)&header + i, 1, NULL, 0),
				  "send a byte");
		fe_or_die(fe_recv_reply(&f->vmm.fe, FE_GET_FEATURES, &reply), "GET_FEATURES");
	}
	fixture_check_alive(f);
	fixture_stop(f);
}

static void test_fd_counts(void)
{
	static const struct bad_message bad[] = {
		{ .request = FE_GET_FEATURES, .n_fds = 1 },
		{ .request = FE_GET_FEATURES, .n_fds = 16 },
		{ .request = FE_SET_OWNER, .n_fds = 8 },
		{ .request = FE_SET_VRING_KICK, .size = 8, .words = { 1 } }, /* none, one needed */
		{ .request = FE_SET_VRING_KICK, .size = 8, .words = { 1 }, .n_fds = 3 },
		{ .request = FE_SET_VRING_CALL, .size = 8, .words = { 0x101 }, .n_fds = 1 },
		{ .request = FE_SET_VRING_ERR, .size = 8, .words = { 1 } },
		{ .request = FE_SET_MEM_TABLE, .size = 40, .words = { 1, 0, 4096, 0, 0 } },
		{ .request = FE_SET_MEM_TABLE, .size = 40, .words = { 1, 0, 4096 }, .n_fds = 2 },
		{ .request = FE_SET_MEM_TABLE, .size = 8, .words = { 0 }, .n_fds = 8 },
		{ .request = FE_ADD_MEM_REG, .size = 40, .words = { 0, 0, 4096 } },
		{ .request = FE_ADD_MEM_REG, .size = 40, .words = { 0, 0, 4096 }, .n_fds = 8 },
		{ .request = FE_REM_MEM_REG, .size = 40, .words = { 0, 0, 4096 }, .n_fds = 5 },
		{ .request = FE_SET_BACKEND_REQ_FD },
		{ .request = FE_SET_BACKEND_REQ_FD, .n_fds = 2 },
		{ .request = FE_SET_LOG_BASE, .size = 16, .words = { 4096, 0 } },
		{ .request = FE_SET_LOG_FD },
	};

	run_bad(bad, G_N_ELEMENTS(bad));
}

static void test_queue_indexes(void)
{
	static const uint32_t indexed[] = { FE_SET_VRING_NUM, FE_SET_VRING_BASE, FE_GET_VRING_BASE,
					    FE_SET_VRING_ENABLE, FE_VRING_KICK };
	static const uint32_t indexes[] = { 65, 66, 255, 256, 0x10000, 0x7fffffff, UINT32_MAX };

	for (size_t i = 0; i < G_N_ELEMENTS(indexes); i++) {
		for (size_t k = 0; k < G_N_ELEMENTS(indexed); k++) {
			struct bad_message bad = { .request = indexed[k],
						   .size = 8,
						   .words = { indexes[i] | 1ULL << 32 } };

			run_bad(&bad, 1);
		}
		run_bad(&(struct bad_message){ .request = FE_SET_VRING_ADDR,
					       .size = 40,
					       .words = { indexes[i] } },
			1);
	}
	for (unsigned int index = 65; index < 256; index += 63) {
		struct bad_message bad = {
			.request = FE_SET_VRING_CALL, .size = 8, .words = { index }, .n_fds = 1
		};

		run_bad(&bad, 1);
	}
}

static void test_out_of_phase(void)
{
	static const uint32_t early[] = {
		FE_SET_VRING_KICK,	FE_SET_VRING_ENABLE,   FE_GET_VRING_BASE,
		FE_GET_CONFIG,		FE_SET_VRING_ADDR,     FE_REM_MEM_REG,
		FE_GET_MAX_MEM_SLOTS,	FE_RESET_DEVICE,       FE_SET_STATUS,
		FE_SET_DEVICE_STATE_FD, FE_CHECK_DEVICE_STATE, FE_SET_INFLIGHT_FD,
		FE_GET_INFLIGHT_FD,	FE_SET_LOG_BASE,       FE_RESET_OWNER,
		FE_POSTCOPY_ADVISE,
	};

	for (size_t i = 0; i < G_N_ELEMENTS(early); i++) {
		struct fixture_config config = { .no_vmm = true };
		struct fixture *f = fixture_start(&config);
		struct bad_message bad = { .request = early[i], .size = 8, .words = { 1 } };

		/* Before any handshake, before memory, before features. */
		frontend_connect(&f->vmm.fe, daemon_socket_path(f->daemon));
		g_test_message("request %u first of all", early[i]);
		send_bad(f, &bad);
		fixture_stop_sane(f);
	}
}

static void test_stray_fds_leak_not(void)
{
	struct fixture *f = fixture_start(NULL);
	struct bad_message stray = { .request = FE_GET_FEATURES, .n_fds = 1 };
	unsigned int n_fds = daemon_n_fds(f->daemon);
	struct fe_reply reply;

	for (int i = 0; i < MANY_TIMES; i++) {
		send_bad(f, &stray);
		if (fe_recv_reply(&f->vmm.fe, FE_GET_FEATURES, &reply))
			break; /* refused by hanging up: fine too */
	}
	if (fixture_session_answers(f))
		g_assert_cmpuint(daemon_n_fds(f->daemon), <=, n_fds + 2);
	fixture_stop_sane(f);
}

static void test_replaced_fds_leak_not(void)
{
	struct fixture *f = fixture_start(NULL);
	unsigned int n_fds = daemon_n_fds(f->daemon);
	struct ring *ring = f->client.ring;

	for (int i = 0; i < MANY_TIMES; i++) {
		fe_or_die(fe_set_vring_fd(&f->vmm.fe, FE_SET_VRING_CALL, 1, ring->call_peer_fd),
			  "SET_VRING_CALL");
		fe_or_die(fe_set_vring_fd(&f->vmm.fe, FE_SET_VRING_ERR, 1, ring->err_fd),
			  "SET_VRING_ERR");
		fe_or_die(fe_set_vring_fd(&f->vmm.fe, FE_SET_VRING_KICK, 1, ring->kick_fd),
			  "SET_VRING_KICK");
	}
	fixture_check_alive(f);
	g_assert_cmpuint(daemon_n_fds(f->daemon), <=, n_fds + 2);
	fixture_stop(f);
}

static void fuzz_session(struct test_random *random)
{
	static const uint32_t sizes[] = { 0, 4, 8, 8, 8, 12, 16, 24, 40, 40, 48, 268 };
	struct fixture *f = fixture_start(NULL);

	for (int i = 0; i < 30; i++) {
		uint64_t r = test_random_next(random);
		struct bad_message bad = {
			.request = (uint32_t)(r % 48),
			.flags = (r >> 8) % 16 ? 0 : (uint32_t)(r >> 12),
			.size = sizes[(r >> 16) % G_N_ELEMENTS(sizes)],
			.n_fds = (r >> 24) % 4 == 0 ? (unsigned int)(r >> 26) % 3 : 0,
		};

		for (size_t k = 0; k < G_N_ELEMENTS(bad.words); k++) {
			uint64_t word = test_random_next(random);

			/* Mostly small numbers: those get past the first check. */
			bad.words[k] = word % 3 ? (word >> 8) % 70 : word;
		}
		send_bad(f, &bad);
		if (!fixture_session_answers(f))
			break;
	}
	fixture_stop_sane(f);
}

static void test_random_messages(void)
{
	struct test_random random = test_random_seeded(20);

	for (int i = 0; i < 150; i++)
		fuzz_session(&random);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/hostile-messages/bad-headers", test_header);
	g_test_add_func("/hostile-messages/bad-payload-sizes", test_sizes);
	g_test_add_func("/hostile-messages/sizes-beyond-any-message", test_huge_size);
	g_test_add_func("/hostile-messages/messages-cut-by-the-disconnect", test_cut_message);
	g_test_add_func("/hostile-messages/messages-in-single-bytes-are-understood",
			test_message_in_pieces);
	g_test_add_func("/hostile-messages/wrong-numbers-of-fds", test_fd_counts);
	g_test_add_func("/hostile-messages/queue-indexes-beyond-the-last", test_queue_indexes);
	g_test_add_func("/hostile-messages/messages-before-the-handshake", test_out_of_phase);
	g_test_add_func("/hostile-messages/stray-fds-do-not-leak", test_stray_fds_leak_not);
	g_test_add_func("/hostile-messages/replaced-fds-do-not-leak", test_replaced_fds_leak_not);
	g_test_add_func("/hostile-messages/random-messages", test_random_messages);
	return g_test_run();
}
