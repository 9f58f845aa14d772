/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything at once: several queues under load while rings stop and start and
 * memory changes, a guest that rewrites its requests while they are read, more
 * files than the daemon may open, an end by signal in the middle.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"

#define N_GUESTS      4
#define N_ROUNDS      150
#define N_DISTURBS    200
#define N_FLIP_ROUNDS 400
#define N_FEW_FDS     1024
#define N_MANY_FILES  3000

/* ---- Load on all queues under a busy control thread ---- */

struct guest {
	struct fixture *f;
	struct fuse_client client;
	char dir[16];
	uint64_t dir_node;
	GThread *thread;
};

static void forget(struct guest *guest, uint64_t nodeid)
{
	fuse_batch_forget(&guest->client, &(struct fuse_forget_one){ nodeid, 1 }, 1);
}

/* One life of a file: everything that is written must be read again. */
static void use_file(struct guest *guest, unsigned int round)
{
	struct fuse_client *c = &guest->client;
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	struct fuse_attr_out attr;
	uint8_t out[6000], in[6000];

	memset(out, (int)round, sizeof(out));
	g_assert_cmpint(fuse_create(c, guest->dir_node, "a", 0600, O_RDWR, &entry, &open), ==, 0);
	g_assert_cmpint(fuse_write(c, entry.nodeid, open.fh, 0, sizeof(out), out, 0), ==,
			sizeof(out));
	if (round % 8 == 0)
		g_assert_cmpint(fuse_fsync(c, entry.nodeid, open.fh, false), ==, 0);
	g_assert_cmpint(fuse_read(c, entry.nodeid, open.fh, 0, sizeof(in), in), ==, sizeof(in));
	g_assert_cmpmem(in, sizeof(in), out, sizeof(out));
	g_assert_cmpint(fuse_rename(c, guest->dir_node, "a", guest->dir_node, "b"), ==, 0);
	g_assert_cmpint(fuse_getattr(c, entry.nodeid, UINT64_MAX, &attr), ==, 0);
	g_assert_cmpuint(attr.attr.size, ==, sizeof(out));
	g_assert_cmpint(fuse_release(c, entry.nodeid, open.fh), ==, 0);
	g_assert_cmpint(fuse_unlink(c, guest->dir_node, "b"), ==, 0);
	forget(guest, entry.nodeid);
}

static void use_directory(struct guest *guest)
{
	struct fuse_client *c = &guest->client;
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	uint8_t bytes[4096];

	g_assert_cmpint(fuse_mkdir(c, guest->dir_node, "d", 0700, &entry), ==, 0);
	g_assert_cmpint(fuse_opendir(c, guest->dir_node, 0, &open), ==, 0);
	g_assert_cmpint(fuse_readdir(c, guest->dir_node, open.fh, 0, sizeof(bytes), bytes, false),
			>, 0);
	g_assert_cmpint(fuse_releasedir(c, guest->dir_node, open.fh), ==, 0);
	g_assert_cmpint(fuse_rmdir(c, guest->dir_node, "d"), ==, 0);
	forget(guest, entry.nodeid);
}

static void *guest_main(void *arg)
{
	struct guest *guest = arg;

	for (unsigned int round = 0; round < N_ROUNDS; round++) {
		use_file(guest, round);
		use_directory(guest);
	}
	return NULL;
}

static void disturb(struct fixture *f, struct test_random *random)
{
	uint64_t r = test_random_next(random);
	struct ring *ring = &f->vmm.queues[1 + (r >> 8) % N_GUESTS];
	uint32_t base;

	switch (r % 4) {
	case 0:
		fe_or_die(ring_stop(ring, &base), "GET_VRING_BASE");
		fe_or_die(ring_start(ring, (uint16_t)base), "start");
		break;
	case 1:
		fe_or_die(ring_enable(ring, false), "disable");
		fe_or_die(ring_enable(ring, true), "enable");
		break;
	case 2:
		fe_or_die(fe_set_mem_table(&f->vmm.fe, &f->vmm.mem), "SET_MEM_TABLE");
		break;
	default:
		fe_or_die(fe_set_vring_fd(&f->vmm.fe, FE_SET_VRING_CALL, ring->config.index,
					  ring->call_peer_fd),
			  "SET_VRING_CALL");
		break;
	}
}

static void run_under_disturbance(const char *const *args)
{
	struct fixture_config config = {
		.vmm = { .n_request_queues = N_GUESTS, .ring_size = 128 },
		.client = { .data_bytes = 8192 },
		.args = args,
	};
	struct fixture *f = fixture_start(&config);
	g_autofree struct guest *guests = g_new0(struct guest, N_GUESTS);
	struct test_random random = test_random_seeded(99);

	for (unsigned int i = 0; i < N_GUESTS; i++) {
		struct fuse_entry_out entry;

		guests[i].f = f;
		g_snprintf(guests[i].dir, sizeof(guests[i].dir), "guest-%u", i);
		g_assert_cmpint(fuse_mkdir(&f->client, FUSE_ROOT_ID, guests[i].dir, 0755, &entry),
				==, 0);
		guests[i].dir_node = entry.nodeid;
	}
	/* Queue 1 belongs to the first guest from here on. */
	fuse_client_deinit(&f->client);
	for (unsigned int i = 0; i < N_GUESTS; i++)
		fuse_client_init(
			&guests[i].client, &f->vmm,
			&(struct fuse_client_config){ .queue = i + 1, .data_bytes = 8192 });
	for (unsigned int i = 0; i < N_GUESTS; i++)
		guests[i].thread = g_thread_new("guest", guest_main, &guests[i]);
	for (unsigned int i = 0; i < N_DISTURBS; i++)
		disturb(f, &random);
	for (unsigned int i = 0; i < N_GUESTS; i++) {
		g_thread_join(guests[i].thread);
		fuse_client_deinit(&guests[i].client);
	}
	fuse_client_init(&f->client, &f->vmm, &(struct fuse_client_config){ .queue = 1 });
	fixture_check_alive(f);
	fixture_stop(f);
}

static void test_disturbed(void)
{
	run_under_disturbance(NULL);
}

static void test_disturbed_without_pool(void)
{
	run_under_disturbance((const char *const[]){ "--thread-pool-size=0", NULL });
}

/* ---- Requests that change while they are read ---- */

struct flipper {
	struct fuse_client *client;
	bool stop;
};

static void *flip_requests(void *arg)
{
	struct flipper *flipper = arg;
	struct fuse_client *client = flipper->client;
	struct test_random random = test_random_seeded(5);

	while (!__atomic_load_n(&flipper->stop, __ATOMIC_RELAXED)) {
		uint64_t r = test_random_next(&random);
		struct fuse_slot *slot = &client->slots[r % client->config.depth];
		uint32_t *word;

		r >>= 16;
		if (r % 2)
			word = (uint32_t *)slot->in + (r >> 8) % (sizeof(*slot->in) / 4);
		else if (r % 4)
			word = (uint32_t *)slot->arg + (r >> 8) % 32;
		else /* lengths and links of the chain, not its addresses: the rings stay whole */
			word = &slot->table[(r >> 8) % client->descs_per_slot].len + (r >> 20) % 2;
		__atomic_store_n(word, (uint32_t)(r >> 24), __ATOMIC_RELAXED);
	}
	return NULL;
}

static void submit_random(struct fuse_client *client, struct test_random *random)
{
	static const uint32_t opcodes[] = { FUSE_LOOKUP,  FUSE_GETATTR, FUSE_READDIR, FUSE_MKDIR,
					    FUSE_SETATTR, FUSE_WRITE,	FUSE_READ,    FUSE_RENAME };
	struct fuse_slot *slot = fuse_slot_get(client);
	uint64_t r = test_random_next(random);

	fuse_slot_prepare(slot, opcodes[r % G_N_ELEMENTS(opcodes)], FUSE_ROOT_ID);
	memset(slot->arg, 0, 128);
	memcpy(slot->arg + (r >> 8) % 64, "name", 5);
	slot->arg_len = 128;
	slot->reply_room = 256;
	slot->data_in = (uint32_t)(r >> 16) % 4096;
	fuse_submit(slot);
}

static void test_requests_change(void)
{
	struct fixture_config config = { .no_client = true, .vmm = { .memory_bytes = 32 << 20 } };
	struct fuse_client_config client = { .queue = 1, .depth = 16, .data_bytes = 4096 };
	struct test_random random = test_random_seeded(6);
	struct fixture *f = fixture_start(&config);
	struct flipper flipper = { .client = &f->client };
	GThread *thread;

	vmm_start_queues(&f->vmm);
	fuse_client_init(&f->client, &f->vmm, &client);
	f->has_client = true;
	g_assert_cmpint(fuse_init_default(&f->client), ==, 0);
	thread = g_thread_new("flipper", flip_requests, &flipper);
	for (unsigned int round = 0; round < N_FLIP_ROUNDS; round++) {
		struct fuse_slot *done[16];

		for (unsigned int i = 0; i < 16; i++)
			submit_random(&f->client, &random);
		fuse_flush(&f->client);
		while (f->client.n_in_flight) {
			int n = fuse_reap(&f->client, done, 16, deadline_default());

			if (n < 0)
				test_die("a changed request never came back: %s", strerror(-n));
			for (int i = 0; i < n; i++)
				fuse_slot_put(done[i]);
		}
	}
	__atomic_store_n(&flipper.stop, true, __ATOMIC_RELAXED);
	g_thread_join(thread);
	g_assert_cmpint(fuse_init_default(&f->client), ==, 0);
	fixture_check_alive(f);
	fixture_stop(f);
}

/* ---- Limits ---- */

static const char *const few_fds[] = { "--rlimit-nofile=1024", NULL };

static void many_files(const struct share *share)
{
	for (unsigned int i = 0; i < N_MANY_FILES; i++) {
		g_autofree char *name = g_strdup_printf("file-%u", i);

		share_write(share, name, "x", 1, 0644);
	}
}

static int lookup_number(struct fixture *f, unsigned int i, struct fuse_entry_out *entry)
{
	g_autofree char *name = g_strdup_printf("file-%u", i);

	return fuse_lookup(&f->client, FUSE_ROOT_ID, name, entry);
}

static bool is_full(int error)
{
	return error == -ENFILE || error == -EMFILE || error == -ENOMEM;
}

static void test_more_nodes_than_fds(void)
{
	struct fixture_config config = { .populate = many_files, .args = few_fds };
	struct fixture *f = fixture_start(&config);
	g_autofree uint64_t *nodes = g_new0(uint64_t, N_MANY_FILES);
	struct fuse_entry_out entry;
	struct fuse_attr_out attr;
	unsigned int n = 0;

	for (unsigned int i = 0; i < N_MANY_FILES; i++) {
		int result = lookup_number(f, i, &entry);

		if (result == 0)
			nodes[n++] = entry.nodeid;
		else
			g_assert_true(is_full(result));
	}
	g_assert_cmpuint(n, >, 100);
	/* What the guest holds stays good, and room comes back with each forget. */
	for (unsigned int i = 0; i < n; i++)
		g_assert_cmpint(fuse_getattr(&f->client, nodes[i], UINT64_MAX, &attr), ==, 0);
	for (unsigned int i = 0; i < n; i++)
		fuse_batch_forget(&f->client, &(struct fuse_forget_one){ nodes[i], 1 }, 1);
	g_assert_cmpint(lookup_number(f, N_MANY_FILES - 1, &entry), ==, 0);
	g_assert_cmpint(lookup_number(f, 7, &entry), ==, 0);
	fixture_stop(f);
}

static void test_names_never_vanish(void)
{
	struct fixture_config config = { .populate = many_files, .args = few_fds };
	struct fixture *f = fixture_start(&config);
	g_autofree uint8_t *bytes = g_malloc(65536);
	struct fuse_open_out open;
	unsigned int n_names = 0;
	uint64_t offset = 0;
	int n;

	g_assert_cmpint(fuse_opendir(&f->client, FUSE_ROOT_ID, 0, &open), ==, 0);
	while ((n = fuse_readdir(&f->client, FUSE_ROOT_ID, open.fh, offset, 65536, bytes, true)) >
	       0) {
		const struct fuse_direntplus *plus;
		size_t at = 0;

		while ((plus = fuse_direntplus_next(bytes, (size_t)n, &at))) {
			offset = plus->dirent.off;
			n_names += plus->dirent.name[0] != '.';
		}
	}
	g_assert_cmpint(n, ==, 0);
	g_assert_cmpuint(n_names, ==, N_MANY_FILES);
	fixture_stop(f);
}

static void test_more_handles_than_fds(void)
{
	struct fixture_config config = { .populate = many_files, .args = few_fds };
	struct fixture *f = fixture_start(&config);
	uint64_t node = fuse_node(&f->client, "file-0");
	g_autofree uint64_t *fhs = g_new0(uint64_t, N_MANY_FILES);
	struct fuse_open_out open;
	unsigned int n = 0;
	int result = 0;
	char byte;

	while (n < N_MANY_FILES && !(result = fuse_open(&f->client, node, O_RDONLY, &open)))
		fhs[n++] = open.fh;
	g_assert_true(is_full(result));
	g_assert_cmpuint(n, >, 50);
	for (unsigned int i = 0; i < n; i++) {
		g_assert_cmpint(fuse_read(&f->client, node, fhs[i], 0, 1, &byte), ==, 1);
		g_assert_cmpint(fuse_release(&f->client, node, fhs[i]), ==, 0);
	}
	g_assert_cmpint(fuse_open(&f->client, node, O_RDONLY, &open), ==, 0);
	fixture_stop(f);
}

/* ---- Ends ---- */

static void end_by(int signo)
{
	struct fixture_config config = {
		.populate = many_files,
		.client = { .depth = 32, .data_bytes = 4096 },
	};
	struct fixture *f = fixture_start(&config);
	struct test_random random = test_random_seeded(8);
	int status;

	for (unsigned int i = 0; i < 32; i++)
		submit_random(&f->client, &random);
	fuse_flush(&f->client);
	g_assert_cmpint(kill(daemon_pid(f->daemon), signo), ==, 0);
	status = daemon_wait(f->daemon);
	g_assert_cmpint(status, >=, 0);
	g_assert_true(WIFEXITED(status));
	g_assert_cmpint(WEXITSTATUS(status), ==, 0);
	g_assert_true(fe_hung_up(&f->vmm.fe));
	vmm_stop(&f->vmm);
	fixture_expect_end(f);
}

static void test_sigterm(void)
{
	end_by(SIGTERM);
}

static void test_sigint(void)
{
	end_by(SIGINT);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/stress/queues-under-load-while-rings-and-memory-change", test_disturbed);
	g_test_add_func("/stress/the-same-without-a-thread-pool", test_disturbed_without_pool);
	g_test_add_func("/stress/requests-that-change-while-they-are-read", test_requests_change);
	g_test_add_func("/stress/more-nodes-than-descriptors", test_more_nodes_than_fds);
	g_test_add_func("/stress/names-never-vanish-for-want-of-descriptors",
			test_names_never_vanish);
	g_test_add_func("/stress/more-handles-than-descriptors", test_more_handles_than_fds);
	g_test_add_func("/stress/sigterm-while-busy-ends-with-0", test_sigterm);
	g_test_add_func("/stress/sigint-while-busy-ends-with-0", test_sigint);
	return g_test_run();
}
