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

/* What comes of a message that breaks the protocol. */
enum outcome {
	REFUSED,  /* answered with a failure; the session goes on and serves */
	PASSED,	  /* of no consequence: answered or not, the session goes on and serves */
	HANGS_UP, /* the daemon closes the connection and ends in order */
};

struct violation {
	const char *name;
	enum outcome outcome;
	uint32_t request;
	uint32_t flags; /* beside the version and the wish for an answer; bits 0-1 are XORed */
	uint32_t size;	/* as the header claims and as sent */
	uint64_t words[5];
	unsigned int n_fds;
	bool early; /* first of all, before any handshake */
};

static void send_violation(struct fixture *f, const struct violation *v)
{
	uint8_t bytes[sizeof(struct fe_header) + FE_MAX_PAYLOAD] = { 0 };
	struct fe_header header = {
		.request = v->request,
		.flags = (FE_FLAG_VERSION | FE_FLAG_NEED_REPLY) ^ v->flags,
		.size = v->size,
	};
	cleanup_fd int event = eventfd(0, EFD_CLOEXEC);
	int fds[16];

	for (unsigned int i = 0; i < v->n_fds; i++)
		fds[i] = event;
	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), v->words, sizeof(v->words));
	(void)fe_send_raw(&f->vmm.fe, bytes, sizeof(header) + MIN(v->size, FE_MAX_PAYLOAD), fds,
			  v->n_fds);
}

/* An answer of its own that is empty, or an acknowledgement that is not 0. */
static void expect_refusal(struct fixture *f, const struct violation *v)
{
	struct fe_reply reply;

	fe_or_die(fe_recv_reply(&f->vmm.fe, v->request, &reply), "the refusal");
	g_assert_cmpuint(reply.n_fds, ==, 0);
	if (reply.header.size) {
		g_assert_cmpuint(reply.header.size, ==, sizeof(reply.u64));
		g_assert_cmpuint(reply.u64, !=, 0);
	}
}

/* One daemon for all that it has to survive; each of the others has its own. */
static struct fixture *shared;
static unsigned int shared_n_fds;

static void test_refusal(gconstpointer data)
{
	const struct violation *v = data;

	if (!shared) {
		shared = fixture_start(NULL);
		shared_n_fds = daemon_n_fds(shared->daemon);
	}
	send_violation(shared, v);
	expect_refusal(shared, v);
	g_assert_true(fixture_session_answers(shared));
	fixture_check_alive(shared);
	g_assert_cmpuint(daemon_n_fds(shared->daemon), <=, shared_n_fds + 2);
}

static void test_violation(gconstpointer data)
{
	const struct violation *v = data;
	struct fixture_config config = { .no_vmm = v->early };
	struct fixture *f = fixture_start(&config);

	if (v->early)
		frontend_connect(&f->vmm.fe, daemon_socket_path(f->daemon));
	send_violation(f, v);
	g_assert_cmpint(fixture_session_answers(f), ==, v->outcome != HANGS_UP);
	if (f->has_client && v->outcome != HANGS_UP)
		fixture_check_alive(f);
	fixture_stop_sane(f);
}

static const struct violation headers[] = {
	{ "version 0", HANGS_UP, FE_GET_FEATURES, .flags = 1 },
	{ "version 2", HANGS_UP, FE_GET_FEATURES, .flags = 3 },
	{ "a request that says it is a reply", HANGS_UP, FE_GET_FEATURES, .flags = FE_FLAG_REPLY },
	{ "all flags that mean nothing", PASSED, FE_GET_FEATURES, .flags = 0xfffffff0 },
	{ "request 0", REFUSED, 0 },
	{ "the first request that does not exist", REFUSED, FE_REQUEST_MAX },
	{ "request 1000", REFUSED, 1000, .size = 8 },
	{ "the last request there can be", REFUSED, UINT32_MAX, .size = 40 },
	{ "a request of network devices", REFUSED, 20 },
	{ "a request of IOMMUs", REFUSED, 23, .size = 32 },
	{ "a size of 2 GiB", HANGS_UP, FE_SET_FEATURES, .size = 0x7fffffff },
	{ "a size of 4 GiB", HANGS_UP, FE_SET_MEM_TABLE, .size = UINT32_MAX },
	{ "a size of 64 KiB", HANGS_UP, FE_GET_CONFIG, .size = 0x10000 },
};

static const struct violation fd_counts[] = {
	{ "GET_FEATURES with a descriptor", REFUSED, FE_GET_FEATURES, .n_fds = 1 },
	{ "GET_FEATURES with 16 descriptors", REFUSED, FE_GET_FEATURES, .n_fds = 16 },
	{ "SET_OWNER with 8 descriptors", REFUSED, FE_SET_OWNER, .n_fds = 8 },
	{ "SET_VRING_KICK without its descriptor", REFUSED, FE_SET_VRING_KICK, .size = 8,
	  .words = { 1 } },
	{ "SET_VRING_KICK with 3 descriptors", REFUSED, FE_SET_VRING_KICK, .size = 8,
	  .words = { 1 }, .n_fds = 3 },
	{ "SET_VRING_CALL with a descriptor it denies", REFUSED, FE_SET_VRING_CALL, .size = 8,
	  .words = { 0x101 }, .n_fds = 1 },
	{ "SET_VRING_ERR without its descriptor", REFUSED, FE_SET_VRING_ERR, .size = 8,
	  .words = { 1 } },
	{ "SET_MEM_TABLE without descriptors", REFUSED, FE_SET_MEM_TABLE, .size = 40,
	  .words = { 1, 0, 4096 } },
	{ "SET_MEM_TABLE with one too many", REFUSED, FE_SET_MEM_TABLE, .size = 40,
	  .words = { 1, 0, 4096 }, .n_fds = 2 },
	{ "SET_MEM_TABLE of nothing with 8 descriptors", REFUSED, FE_SET_MEM_TABLE, .size = 8,
	  .n_fds = 8 },
	{ "SET_MEM_TABLE of 9 regions", REFUSED, FE_SET_MEM_TABLE, .size = 296, .words = { 9 },
	  .n_fds = 8 },
	{ "SET_MEM_TABLE of 4 billion regions", REFUSED, FE_SET_MEM_TABLE, .size = 264,
	  .words = { UINT32_MAX }, .n_fds = 8 },
	{ "ADD_MEM_REG without a descriptor", REFUSED, FE_ADD_MEM_REG, .size = 40,
	  .words = { 0, 0, 4096 } },
	{ "ADD_MEM_REG with 8 descriptors", REFUSED, FE_ADD_MEM_REG, .size = 40,
	  .words = { 0, 0, 4096 }, .n_fds = 8 },
	{ "REM_MEM_REG with 5 descriptors", REFUSED, FE_REM_MEM_REG, .size = 40,
	  .words = { 0, 0, 4096 }, .n_fds = 5 },
	{ "SET_BACKEND_REQ_FD without a descriptor", REFUSED, FE_SET_BACKEND_REQ_FD },
	{ "SET_BACKEND_REQ_FD with 2 descriptors", REFUSED, FE_SET_BACKEND_REQ_FD, .n_fds = 2 },
	{ "SET_LOG_BASE, never offered", REFUSED, FE_SET_LOG_BASE, .size = 16,
	  .words = { 4096, UINT64_MAX } },
	{ "SET_LOG_FD, never offered", REFUSED, FE_SET_LOG_FD },
	{ "GET_INFLIGHT_FD of 4 billion queues", REFUSED, FE_GET_INFLIGHT_FD, .size = 24,
	  .words = { 0, 0, UINT64_MAX } },
	{ "SET_INFLIGHT_FD with its descriptor", REFUSED, FE_SET_INFLIGHT_FD, .size = 24,
	  .words = { UINT64_MAX, UINT64_MAX, UINT64_MAX }, .n_fds = 1 },
};

static const struct violation values[] = {
	{ "features that were not offered", REFUSED, FE_SET_FEATURES, .size = 8,
	  .words = { UINT64_MAX } },
	{ "protocol features that were not offered", REFUSED, FE_SET_PROTOCOL_FEATURES, .size = 8,
	  .words = { UINT64_MAX } },
	{ "a ring of 0 entries", REFUSED, FE_SET_VRING_NUM, .size = 8, .words = { 1 } },
	{ "a ring of 3 entries", REFUSED, FE_SET_VRING_NUM, .size = 8,
	  .words = { 1 | 3ULL << 32 } },
	{ "a ring of 65536 entries", REFUSED, FE_SET_VRING_NUM, .size = 8,
	  .words = { 1 | 65536ULL << 32 } },
	{ "a ring of 4 billion entries", REFUSED, FE_SET_VRING_NUM, .size = 8,
	  .words = { 1 | (uint64_t)UINT32_MAX << 32 } },
	{ "a ring position beyond 16 bits", REFUSED, FE_SET_VRING_BASE, .size = 8,
	  .words = { 1 | 65536ULL << 32 } },
	{ "a ring half enabled", REFUSED, FE_SET_VRING_ENABLE, .size = 8,
	  .words = { 1 | 2ULL << 32 } },
	{ "a ring outside memory", REFUSED, FE_SET_VRING_ADDR, .size = 40,
	  .words = { 1, 0x1000, 0x2000, 0x3000 } },
	{ "a ring at the end of addresses", REFUSED, FE_SET_VRING_ADDR, .size = 40,
	  .words = { 1, UINT64_MAX - 15, UINT64_MAX - 15, UINT64_MAX - 15 } },
	{ "a ring that is not aligned", REFUSED, FE_SET_VRING_ADDR, .size = 40,
	  .words = { 1, 0x1008, 0x2001, 0x3001 } },
	{ "a region without bytes", REFUSED, FE_ADD_MEM_REG, .size = 40,
	  .words = { 0, 1ULL << 40, 0, 0x1000 }, .n_fds = 1 },
	{ "a region of an eventfd", REFUSED, FE_ADD_MEM_REG, .size = 40,
	  .words = { 0, 1ULL << 40, 4096, 0x1000 }, .n_fds = 1 },
	{ "a region that wraps", REFUSED, FE_ADD_MEM_REG, .size = 40,
	  .words = { 0, UINT64_MAX - 4095, 8192, 0x1000 }, .n_fds = 1 },
	{ "removal of a region that is not there", REFUSED, FE_REM_MEM_REG, .size = 40,
	  .words = { 0, 1ULL << 40, 4096, 0x1000 } },
	{ "a configuration beyond its end", REFUSED, FE_GET_CONFIG, .size = 12,
	  .words = { 44 | 256ULL << 32, 0 } },
	{ "a configuration that is written", REFUSED, FE_SET_CONFIG, .size = 20,
	  .words = { 0 | 8ULL << 32, 0 } },
};

/* ---- Tables that are products ---- */

static const char *name_of(uint32_t request)
{
	static const struct {
		uint32_t request;
		const char *name;
	} names[] = {
		{ FE_SET_FEATURES, "SET_FEATURES" },
		{ FE_SET_MEM_TABLE, "SET_MEM_TABLE" },
		{ FE_SET_LOG_BASE, "SET_LOG_BASE" },
		{ FE_SET_VRING_NUM, "SET_VRING_NUM" },
		{ FE_SET_VRING_ADDR, "SET_VRING_ADDR" },
		{ FE_SET_VRING_BASE, "SET_VRING_BASE" },
		{ FE_GET_VRING_BASE, "GET_VRING_BASE" },
		{ FE_SET_VRING_KICK, "SET_VRING_KICK" },
		{ FE_SET_VRING_CALL, "SET_VRING_CALL" },
		{ FE_GET_CONFIG, "GET_CONFIG" },
		{ FE_SET_PROTOCOL_FEATURES, "SET_PROTOCOL_FEATURES" },
		{ FE_SET_VRING_ENABLE, "SET_VRING_ENABLE" },
		{ FE_ADD_MEM_REG, "ADD_MEM_REG" },
		{ FE_REM_MEM_REG, "REM_MEM_REG" },
		{ FE_SET_STATUS, "SET_STATUS" },
		{ FE_GET_INFLIGHT_FD, "GET_INFLIGHT_FD" },
		{ FE_SET_INFLIGHT_FD, "SET_INFLIGHT_FD" },
		{ FE_SET_DEVICE_STATE_FD, "SET_DEVICE_STATE_FD" },
		{ FE_CHECK_DEVICE_STATE, "CHECK_DEVICE_STATE" },
		{ FE_VRING_KICK, "VRING_KICK" },
		{ FE_GET_MAX_MEM_SLOTS, "GET_MAX_MEM_SLOTS" },
		{ FE_RESET_DEVICE, "RESET_DEVICE" },
		{ FE_RESET_OWNER, "RESET_OWNER" },
		{ FE_POSTCOPY_ADVISE, "POSTCOPY_ADVISE" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (names[i].request == request)
			return names[i].name;
	g_assert_not_reached();
}

static void add_case(const char *suite, const struct violation *v)
{
	g_autofree char *path = g_strdup_printf("/hostile-messages/%s/%s", suite, v->name);

	g_test_add_data_func(path, v, v->outcome == REFUSED ? test_refusal : test_violation);
}

static void add_table(const char *suite, const struct violation *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add_case(suite, &table[i]);
}

/* Kept to the end of the program, as its name is. */
static __attribute__((format(printf, 3, 4))) void add_made(const char *suite, struct violation v,
							   const char *format, ...)
{
	struct violation *kept = g_memdup2(&v, sizeof(v));
	va_list args;

	va_start(args, format);
	kept->name = g_strdup_vprintf(format, args);
	va_end(args);
	add_case(suite, kept);
}

/* Queue 1, or one region: the size alone is wrong. */
static void add_sizes(void)
{
	static const uint32_t requests[] = {
		FE_SET_FEATURES,     FE_SET_MEM_TABLE,	 FE_SET_LOG_BASE,
		FE_SET_VRING_NUM,    FE_SET_VRING_ADDR,	 FE_GET_VRING_BASE,
		FE_SET_VRING_KICK,   FE_GET_CONFIG,	 FE_SET_PROTOCOL_FEATURES,
		FE_SET_VRING_ENABLE, FE_ADD_MEM_REG,	 FE_REM_MEM_REG,
		FE_SET_STATUS,	     FE_GET_INFLIGHT_FD, FE_SET_DEVICE_STATE_FD,
	};
	static const uint32_t sizes[] = { 0, 4, 7, 9, 300, 4096 };

	for (size_t i = 0; i < G_N_ELEMENTS(requests) * G_N_ELEMENTS(sizes); i++) {
		uint32_t request = requests[i / G_N_ELEMENTS(sizes)];
		uint32_t size = sizes[i % G_N_ELEMENTS(sizes)];
		struct violation v = {
			.outcome = REFUSED, .request = request, .size = size, .words = { 1 }
		};

		add_made("sizes", v, "%s of %u bytes", name_of(request), size);
	}
}

static void add_indexes(void)
{
	static const uint32_t requests[] = { FE_SET_VRING_NUM,	FE_SET_VRING_BASE,
					     FE_GET_VRING_BASE, FE_SET_VRING_ENABLE,
					     FE_SET_VRING_ADDR, FE_VRING_KICK };
	static const uint32_t indexes[] = { 65, 255, 256, 0x10000, UINT32_MAX };

	for (size_t i = 0; i < G_N_ELEMENTS(requests) * G_N_ELEMENTS(indexes); i++) {
		uint32_t request = requests[i / G_N_ELEMENTS(indexes)];
		uint32_t index = indexes[i % G_N_ELEMENTS(indexes)];
		struct violation v = { .request = request,
				       .size = request == FE_SET_VRING_ADDR ? 40 : 8,
				       .words = { index | 1ULL << 32 } };

		add_made("queues", v, "%s of queue %u", name_of(request), index);
	}
	for (unsigned int index = 65; index < 256; index += 63) {
		struct violation v = {
			.request = FE_SET_VRING_CALL, .size = 8, .words = { index }, .n_fds = 1
		};

		add_made("queues", v, "SET_VRING_CALL of queue %u", index);
	}
}

/* Before any handshake, before memory, before features. */
static void add_early(void)
{
	static const uint32_t requests[] = {
		FE_SET_VRING_KICK,	FE_SET_VRING_ENABLE,   FE_GET_VRING_BASE,
		FE_GET_CONFIG,		FE_SET_VRING_ADDR,     FE_REM_MEM_REG,
		FE_GET_MAX_MEM_SLOTS,	FE_RESET_DEVICE,       FE_SET_STATUS,
		FE_SET_DEVICE_STATE_FD, FE_CHECK_DEVICE_STATE, FE_SET_INFLIGHT_FD,
		FE_GET_INFLIGHT_FD,	FE_SET_LOG_BASE,       FE_RESET_OWNER,
		FE_POSTCOPY_ADVISE,
	};

	for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
		struct violation v = { .outcome = PASSED,
				       .request = requests[i],
				       .size = 8,
				       .words = { 1 },
				       .early = true };

		add_made("first of all", v, "%s", name_of(requests[i]));
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

static void test_stray_fds_leak_not(void)
{
	struct fixture *f = fixture_start(NULL);
	struct violation stray = { .request = FE_GET_FEATURES, .n_fds = 1 };
	unsigned int n_fds = daemon_n_fds(f->daemon);
	struct fe_reply reply;

	for (int i = 0; i < MANY_TIMES; i++) {
		send_violation(f, &stray);
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
		struct violation bad = {
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
		send_violation(f, &bad);
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
	int result;

	g_test_init(&argc, &argv, NULL);
	add_table("headers", headers, G_N_ELEMENTS(headers));
	add_table("descriptors", fd_counts, G_N_ELEMENTS(fd_counts));
	add_table("values", values, G_N_ELEMENTS(values));
	add_sizes();
	add_indexes();
	add_early();
	g_test_add_func("/hostile-messages/messages-cut-by-the-disconnect", test_cut_message);
	g_test_add_func("/hostile-messages/messages-in-single-bytes-are-understood",
			test_message_in_pieces);
	g_test_add_func("/hostile-messages/stray-fds-do-not-leak", test_stray_fds_leak_not);
	g_test_add_func("/hostile-messages/replaced-fds-do-not-leak", test_replaced_fds_leak_not);
	g_test_add_func("/hostile-messages/random-messages", test_random_messages);
	result = g_test_run();
	if (shared)
		fixture_stop(shared);
	return result;
}
