/* SPDX-License-Identifier: Apache-2.0 */
/* One daemon on a scratch share with a VMM stand-in connected. */
#include "tests/component/fixture.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bounded.h"

static void start_daemon(struct fixture *f, const struct fixture_config *config)
{
	const char *more = getenv("TEST_DAEMON_ARGS");
	g_auto(GStrv) words = g_strsplit(more ? more : "", " ", -1);
	g_autoptr(GPtrArray) args = g_ptr_array_new();
	struct daemon_config daemon = { .shared_dir = f->share.dir,
					.env = config->env,
					.pass_fd = config->pass_fd };

	for (char **word = words; *word; word++)
		if (**word)
			g_ptr_array_add(args, *word);
	/* The test's own arguments come last, so that they win. */
	for (const char *const *arg = config->args; arg && *arg; arg++)
		g_ptr_array_add(args, (gpointer)(uintptr_t)*arg);
	g_ptr_array_add(args, NULL);
	daemon.args = (const char *const *)args->pdata;
	f->daemon = daemon_start(&daemon);
}

struct fixture *fixture_start(const struct fixture_config *config)
{
	static const struct fixture_config defaults;
	struct fixture *f = g_new0(struct fixture, 1);

	/* Owners, devices and the view into /proc need it; skipping would hide what is not shown. */
	if (geteuid() != 0)
		test_die("component tests run as root");
	if (!config)
		config = &defaults;
	f->kills = config->kills;
	share_init(&f->share);
	if (config->populate)
		config->populate(&f->share);
	start_daemon(f, config);
	if (!config->no_vmm)
		fixture_connect(f, config);
	return f;
}

void fixture_connect(struct fixture *f, const struct fixture_config *config)
{
	struct fuse_client_config client = config->client;
	int result;

	vmm_connect(&f->vmm, daemon_socket_path(f->daemon), -1, &config->vmm);
	f->has_vmm = true;
	if (config->no_client)
		return;
	vmm_start_queues(&f->vmm);
	if (!client.queue)
		client.queue = 1;
	if (!client.data_bytes)
		client.data_bytes = 1 << 20;
	fuse_client_init(&f->client, &f->vmm, &client);
	f->has_client = true;
	if (config->no_init)
		return;
	result = fuse_init_default(&f->client);
	if (result)
		test_die("INIT: %s", strerror(-result));
}

void fixture_check_alive(struct fixture *f)
{
	struct fuse_attr_out attr;
	int result = fuse_getattr(&f->client, FUSE_ROOT_ID, UINT64_MAX, &attr);

	if (result)
		test_die("the root answers %s", strerror(-result));
	g_assert_cmpuint(attr.attr.mode & S_IFMT, ==, S_IFDIR);
}

void fixture_drop(struct fixture *f)
{
	if (f->has_client)
		fuse_client_deinit(&f->client);
	daemon_free(f->daemon);
	share_deinit(&f->share);
	g_free(f);
}

/* A successor would hide that a worker died. */
static void check_deaths(struct fixture *f)
{
	g_autofree char *text = daemon_stderr(f->daemon);

	if (!f->kills && strstr(text, "The worker was ended by signal"))
		test_die("a worker died; the daemon said: %s", text);
}

void fixture_expect_end(struct fixture *f)
{
	int status = daemon_wait(f->daemon);

	if (status < 0)
		test_die("the daemon does not end after the disconnect");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != f->end_status) {
		g_autofree char *text = daemon_stderr(f->daemon);

		test_die("the daemon ended with wait status 0x%x; it said: %s", status, text);
	}
	check_deaths(f);
	share_check_canaries(&f->share);
	fixture_drop(f);
}

void fixture_stop(struct fixture *f)
{
	if (f->has_vmm)
		vmm_stop(&f->vmm);
	fixture_expect_end(f);
}

/* Waits for the answer to @request, dropping what comes before; 0 or -errno. */
static int drop_until(struct frontend *fe, uint32_t request)
{
	struct fe_reply reply;

	do {
		int result = fe_recv(fe, &reply);

		if (result)
			return result;
		for (unsigned int i = 0; i < reply.n_fds; i++)
			close(reply.fds[i]);
	} while (reply.header.request != request);
	return 0;
}

/*
 * Two questions of different kinds, in order: whatever one hostile message was answered before,
 * no answer of its own is left in the socket to be taken for a later one.
 */
bool fixture_session_answers(struct fixture *f)
{
	struct frontend *fe = &f->vmm.fe;
	int result = fe_send(fe, FE_GET_FEATURES, 0, NULL, 0, NULL, 0);

	if (!result)
		result = fe_send(fe, FE_GET_QUEUE_NUM, 0, NULL, 0, NULL, 0);
	if (!result)
		result = drop_until(fe, FE_GET_FEATURES);
	if (!result)
		result = drop_until(fe, FE_GET_QUEUE_NUM);
	if (result == -ETIMEDOUT)
		test_die("the session hangs");
	return !result;
}

void fixture_expect_orderly_end(struct fixture *f)
{
	int status = daemon_wait(f->daemon);

	/* The launcher answers a worker's death by a signal with 128 + its number. */
	if (status < 0 || !WIFEXITED(status) || WEXITSTATUS(status) > 1) {
		g_autofree char *text = daemon_stderr(f->daemon);

		test_die("the daemon did not end in order (%d); it said: %s", status, text);
	}
	check_deaths(f);
	share_check_canaries(&f->share);
	fixture_drop(f);
}

void fixture_stop_sane(struct fixture *f)
{
	bool answers = fixture_session_answers(f);

	vmm_stop(&f->vmm);
	if (answers)
		fixture_expect_end(f);
	else
		fixture_expect_orderly_end(f);
}

void raw_init(struct raw *raw, struct fixture *f, unsigned int queue)
{
	raw->ring = &f->vmm.queues[queue];
	if (raw->ring->config.size < 2 * RAW_FIRST_DESC)
		test_die("the ring is too small for chains by hand");
	raw->in = guest_alloc(&f->vmm.mem, RAW_BYTES, 4096);
	raw->out = guest_alloc(&f->vmm.mem, RAW_BYTES, 4096);
	raw->in_gpa = guest_gpa(&f->vmm.mem, raw->in);
	raw->out_gpa = guest_gpa(&f->vmm.mem, raw->out);
}

void raw_send_head(struct raw *raw, uint16_t head)
{
	int result;

	ring_offer(raw->ring, head);
	result = ring_flush(raw->ring);
	if (result)
		test_die("kick: %s", strerror(-result));
}

void raw_send(struct raw *raw, const struct raw_part *parts, unsigned int n_parts)
{
	for (unsigned int i = 0; i < n_parts; i++) {
		uint16_t index = (uint16_t)(RAW_FIRST_DESC + i);
		uint16_t flags = parts[i].writable ? VRING_DESC_F_WRITE : 0;

		if (i + 1 < n_parts)
			flags |= VRING_DESC_F_NEXT;
		ring_set_desc(raw->ring, index, parts[i].gpa, parts[i].len, flags,
			      (uint16_t)(index + 1));
	}
	raw_send_head(raw, RAW_FIRST_DESC);
}

int raw_wait(struct raw *raw, uint16_t head)
{
	uint32_t id, len;
	int result = ring_wait(raw->ring, 0, deadline_default());

	if (result)
		return result;
	if (!ring_pop(raw->ring, &id, &len) || id != head)
		test_die("head %u came back instead of %u", id, head);
	return (int)len;
}

size_t raw_fill(struct raw *raw, uint32_t opcode, uint64_t nodeid, const void *arg, size_t n_arg)
{
	struct fuse_in_header header = {
		.len = (uint32_t)(sizeof(header) + n_arg),
		.opcode = opcode,
		.unique = 0x1000 + opcode,
		.nodeid = nodeid,
	};

	memcpy(raw->in, &header, sizeof(header));
	if (n_arg)
		memcpy(raw->in + sizeof(header), arg, n_arg);
	return sizeof(header) + n_arg;
}

int raw_request(struct raw *raw, size_t n, size_t out_room)
{
	struct raw_part parts[2] = {
		{ .gpa = raw->in_gpa, .len = (uint32_t)n },
		{ .gpa = raw->out_gpa, .len = (uint32_t)out_room, .writable = true },
	};
	const struct fuse_in_header *in = (const void *)raw->in;
	struct fuse_out_header out;
	int used;

	memset(raw->out, 0xee, sizeof(out));
	raw_send(raw, parts, out_room ? 2 : 1);
	used = raw_wait(raw, RAW_FIRST_DESC);
	if (used < 0)
		test_die("opcode %u of %zu bytes: %s", in->opcode, n, strerror(-used));
	if (used == 0)
		return 1;
	memcpy(&out, raw->out, sizeof(out));
	if ((size_t)used < sizeof(out) || out.len != (uint32_t)used || (size_t)used > out_room)
		test_die("opcode %u of %zu bytes: used %d, len %u, room %zu", in->opcode, n, used,
			 out.len, out_room);
	if (out.error > 0 || out.error <= -512 || (out.error && out.len != sizeof(out)))
		test_die("opcode %u: error %d with len %u", in->opcode, out.error, out.len);
	if (n >= sizeof(*in) && out.unique != in->unique)
		test_die("opcode %u: another request's unique", in->opcode);
	return out.error;
}

struct test_random test_random_seeded(uint64_t seed)
{
	const char *other = getenv("TEST_SEED");

	return (struct test_random){ .state = seed + (other ? strtoull(other, NULL, 0) : 0) };
}

uint64_t test_random_next(struct test_random *random)
{
	/* splitmix64: small, and good enough to spread over a message. */
	uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}
