/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues that start, stop, drain, resume and multiply; every way to kick and to
 * be called; and the reset of the whole device.
 */
#include <glib.h>
#include <string.h>

#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"

#define FILE_BYTES  (1 << 20)
#define READ_BYTES  (64 << 10)
#define DEEP	    200
#define WRAP_BASE   65530
#define SMALL_READS 500
#define N_FORGETS   200

static void populate(const struct share *share)
{
	share_write_pattern(share, "file", FILE_BYTES);
}

static uint64_t open_file(struct fuse_client *client, uint64_t *ret_nodeid)
{
	struct fuse_open_out open;
	int result;

	*ret_nodeid = fuse_node(client, "file");
	result = fuse_open(client, *ret_nodeid, 0, &open);
	g_assert_cmpint(result, ==, 0);
	return open.fh;
}

static void submit_read(struct fuse_client *client, uint64_t nodeid, uint64_t fh, uint64_t offset,
			uint32_t size)
{
	struct fuse_slot *slot = fuse_slot_get(client);
	struct fuse_read_in in = { .fh = fh, .offset = offset, .size = size };

	g_assert_nonnull(slot);
	fuse_slot_prepare(slot, FUSE_READ, nodeid);
	memcpy(slot->arg, &in, sizeof(in));
	slot->arg_len = sizeof(in);
	slot->data_in = size;
	slot->cookie = offset;
	fuse_submit(slot);
}

/* Reaps @n replies and checks each one's bytes against the file's pattern. */
static void reap_reads(struct fuse_client *client, unsigned int n)
{
	struct fuse_slot *slots[32];

	while (n) {
		int got = fuse_reap(client, slots, MIN(n, 32), deadline_default());

		if (got < 0)
			test_die("%u reads never came back: %s", n, strerror(-got));
		for (int i = 0; i < got; i++) {
			const char *wrong = fuse_slot_check(slots[i], slots[i]->data_in, false);

			g_assert_cmpstr(wrong, ==, NULL);
			g_assert_cmpint(slots[i]->out->error, ==, 0);
			g_assert_true(share_pattern_matches(slots[i]->data, slots[i]->data_in,
							    slots[i]->cookie));
			fuse_slot_put(slots[i]);
		}
		n -= (unsigned int)got;
	}
}

static void submit_deep(struct fuse_client *client, uint64_t nodeid, uint64_t fh)
{
	for (unsigned int i = 0; i < DEEP; i++)
		submit_read(client, nodeid, fh, (i % 16) * READ_BYTES, READ_BYTES);
	fuse_flush(client);
}

static uint16_t used_index(const struct ring *ring)
{
	return __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE);
}

/* Some round trips through the control thread: time in which a late push would show. */
static void barrier(struct fixture *f)
{
	uint64_t features;

	for (int i = 0; i < 50; i++)
		fe_or_die(fe_get_u64(&f->vmm.fe, FE_GET_FEATURES, &features), "GET_FEATURES");
}

static const struct fixture_config deep_config = {
	.populate = populate,
	.client = { .depth = DEEP, .data_bytes = READ_BYTES },
};

static void test_base_is_drained(void)
{
	struct fixture *f = fixture_start(&deep_config);
	struct ring *ring = f->client.ring;
	uint64_t nodeid, fh = open_file(&f->client, &nodeid);

	for (int round = 0; round < 10; round++) {
		uint32_t base;
		uint16_t used;

		submit_deep(&f->client, nodeid, fh);
		fe_or_die(ring_stop(ring, &base), "GET_VRING_BASE");
		used = used_index(ring);
		/* Everything taken was finished, and nothing moves after the answer. */
		g_assert_cmpuint(used, ==, (uint16_t)base);
		barrier(f);
		g_assert_cmpuint(used_index(ring), ==, used);
		fe_or_die(ring_start(ring, (uint16_t)base), "restart");
		reap_reads(&f->client, DEEP);
	}
	fixture_check_alive(f);
	fixture_stop(f);
}

static void test_disabled_ring_rests(void)
{
	struct fixture *f = fixture_start(&deep_config);
	struct ring *ring = f->client.ring;
	uint64_t nodeid, fh = open_file(&f->client, &nodeid);
	uint16_t used;

	for (int round = 0; round < 5; round++) {
		submit_deep(&f->client, nodeid, fh);
		fe_or_die(ring_enable(ring, false), "disable");
		barrier(f);
		used = used_index(ring);
		barrier(f);
		g_assert_cmpuint(used_index(ring), ==, used);
		fe_or_die(ring_enable(ring, true), "enable");
		reap_reads(&f->client, DEEP);
	}
	fixture_stop(f);
}

static void test_kick_while_disabled(void)
{
	struct fixture *f = fixture_start(&deep_config);
	struct ring *ring = f->client.ring;
	uint64_t nodeid, fh = open_file(&f->client, &nodeid);
	uint16_t used;

	fe_or_die(ring_enable(ring, false), "disable");
	barrier(f);
	used = used_index(ring);
	submit_read(&f->client, nodeid, fh, 0, 4096);
	ring_publish(ring);
	fe_or_die(ring_kick(ring), "kick");
	barrier(f);
	g_assert_cmpuint(used_index(ring), ==, used);
	fe_or_die(ring_enable(ring, true), "enable");
	reap_reads(&f->client, 1);
	fixture_stop(f);
}

static void test_request_before_the_kick_fd(void)
{
	struct fixture_config config = { .no_client = true, .populate = populate };
	struct fixture *f = fixture_start(&config);
	struct fuse_client_config client = { .queue = 1, .data_bytes = 4096 };
	struct ring_config ring = { .size = 64, .event_idx = true };

	for (unsigned int i = 0; i < 2; i++) {
		ring.index = i;
		ring_init(&f->vmm.queues[i], &f->vmm.fe, &f->vmm.mem, &ring);
	}
	f->vmm.n_queues = 2;
	fuse_client_init(&f->client, &f->vmm, &client);
	f->has_client = true;
	/* A driver may have offered before the device starts; no kick follows. */
	{
		struct fuse_slot *slot = fuse_slot_get(&f->client);
		struct fuse_init_in in = { .major = 7, .minor = 31 };
		struct fuse_slot *done;

		fuse_slot_prepare(slot, FUSE_INIT, 0);
		memcpy(slot->arg, &in, sizeof(in));
		slot->arg_len = offsetof(struct fuse_init_in, flags2);
		slot->reply_room = sizeof(struct fuse_init_out);
		fuse_submit(slot);
		ring_publish(f->client.ring);
		for (unsigned int i = 0; i < 2; i++)
			fe_or_die(ring_start(&f->vmm.queues[i], 0), "start");
		g_assert_cmpint(fuse_reap(&f->client, &done, 1, deadline_default()), ==, 1);
		g_assert_cmpstr(fuse_slot_check(done, sizeof(struct fuse_init_out), false), ==,
				NULL);
		fuse_slot_put(done);
	}
	fixture_check_alive(f);
	fixture_stop(f);
}

static void test_index_wraps(void)
{
	struct fixture *f = fixture_start(&deep_config);
	struct ring *ring = f->client.ring;
	uint64_t nodeid, fh = open_file(&f->client, &nodeid);
	uint32_t base;

	fe_or_die(ring_stop(ring, &base), "GET_VRING_BASE");
	ring->next_avail = ring->published = ring->kicked = ring->used_seen = WRAP_BASE;
	ring->avail->idx = ring->used->idx = WRAP_BASE;
	fe_or_die(ring_start(ring, WRAP_BASE), "start");
	submit_deep(&f->client, nodeid, fh);
	reap_reads(&f->client, DEEP);
	fe_or_die(ring_stop(ring, &base), "GET_VRING_BASE");
	g_assert_cmpuint(base, ==, (uint16_t)(WRAP_BASE + DEEP));
	fixture_stop(f);
}

static void read_much(struct fixture *f, unsigned int depth)
{
	uint64_t nodeid, fh = open_file(&f->client, &nodeid);

	for (unsigned int done = 0; done < SMALL_READS; done += depth) {
		for (unsigned int i = 0; i < depth; i++)
			submit_read(&f->client, nodeid, fh, (done + i) * 8, 4096);
		fuse_flush(&f->client);
		reap_reads(&f->client, depth);
	}
}

static void run_transport(const struct vmm_config *vmm, unsigned int depth, bool direct)
{
	static const char *const inband_args[] = { "--inband-notifications", NULL };
	struct fixture_config config = {
		.args = vmm->inband ? inband_args : NULL,
		.populate = populate,
		.vmm = *vmm,
		.client = { .depth = depth, .data_bytes = 4096, .direct = direct },
	};
	struct fixture *f = fixture_start(&config);

	read_much(f, depth);
	fixture_stop(f);
}

static void test_ring_sizes(void)
{
	for (unsigned int size = 8; size <= 32768; size *= 4)
		run_transport(&(struct vmm_config){ .ring_size = size }, MIN(size, 32) / 8, true);
	run_transport(&(struct vmm_config){ .ring_size = 1 }, 1, false);
	run_transport(&(struct vmm_config){ .ring_size = 2 }, 2, false);
	run_transport(&(struct vmm_config){ .ring_size = 32768 }, 64, false);
}

static void test_without_event_idx(void)
{
	run_transport(&(struct vmm_config){ .no_event_idx = true }, 8, false);
}

static void test_without_indirect(void)
{
	run_transport(&(struct vmm_config){ .no_indirect = true }, 8, false);
}

static void test_plain(void)
{
	run_transport(&(struct vmm_config){ .no_indirect = true, .no_event_idx = true }, 8, false);
}

static void test_call_pipe(void)
{
	run_transport(&(struct vmm_config){ .call = RING_CALL_PIPE }, 8, false);
}

static void test_no_call_fd(void)
{
	run_transport(&(struct vmm_config){ .call = RING_CALL_NONE }, 8, false);
}

static void test_inband(void)
{
	run_transport(&(struct vmm_config){ .inband = true }, 8, false);
	run_transport(&(struct vmm_config){ .inband = true, .no_reply_ack = true }, 8, false);
}

/* Each is sent when the one before has been taken: without patience, each would need a kick. */
static void test_forgets(void)
{
	static const char *const args[] = { "--poll=0", NULL };
	struct fixture_config config = { .populate = populate, .args = args };
	struct fixture *f = fixture_start(&config);
	struct ring *ring = &f->vmm.queues[0];

	for (unsigned int i = 0; i < N_FORGETS; i++)
		fuse_forget(&f->client, FUSE_ROOT_ID, 1);
	g_assert_cmpuint(ring->n_kicks + ring->n_kicks_saved, ==, N_FORGETS);
	g_assert_cmpuint(ring->n_kicks, <, N_FORGETS / 4);
	fixture_stop(f);
}

static void test_many_queues(void)
{
	struct fixture_config config = {
		.populate = populate,
		.vmm = { .n_request_queues = 64, .ring_size = 64 },
		.client = { .depth = 2, .data_bytes = 4096 },
	};
	struct fixture *f = fixture_start(&config);
	g_autofree struct fuse_client *clients = g_new0(struct fuse_client, 64);
	uint64_t nodeid, fh = open_file(&f->client, &nodeid);

	for (unsigned int q = 1; q < 64; q++) {
		struct fuse_client_config client = { .queue = q + 1,
						     .depth = 4,
						     .data_bytes = 4096 };

		fuse_client_init(&clients[q], &f->vmm, &client);
	}
	for (unsigned int round = 0; round < 20; round++) {
		for (unsigned int q = 1; q < 64; q++) {
			for (unsigned int i = 0; i < 4; i++)
				submit_read(&clients[q], nodeid, fh, q * 4096 + i, 4096);
			fuse_flush(&clients[q]);
		}
		for (unsigned int q = 1; q < 64; q++)
			reap_reads(&clients[q], 4);
	}
	for (unsigned int q = 1; q < 64; q++)
		fuse_client_deinit(&clients[q]);
	fixture_stop(f);
}

static void test_one_stopped_queue(void)
{
	struct fixture_config two = {
		.populate = populate,
		.vmm = { .n_request_queues = 2 },
		.client = { .depth = DEEP, .data_bytes = READ_BYTES },
	};
	struct fixture *f = fixture_start(&two);
	struct fuse_client_config config = { .queue = 2, .depth = 8, .data_bytes = READ_BYTES };
	uint64_t nodeid, fh = open_file(&f->client, &nodeid);
	struct fuse_client second;
	uint32_t base;

	fuse_client_init(&second, &f->vmm, &config);
	submit_deep(&f->client, nodeid, fh);
	fe_or_die(ring_stop(f->client.ring, &base), "GET_VRING_BASE");
	for (unsigned int i = 0; i < 8; i++)
		submit_read(&second, nodeid, fh, i, 4096);
	fuse_flush(&second);
	reap_reads(&second, 8);
	g_assert_cmpuint(used_index(f->client.ring), ==, (uint16_t)base);
	fe_or_die(ring_start(f->client.ring, (uint16_t)base), "restart");
	reap_reads(&f->client, DEEP);
	fuse_client_deinit(&second);
	fixture_stop(f);
}

static void test_base_of_idle_rings(void)
{
	struct fixture *f = fixture_start(&deep_config);
	uint32_t base;

	/* Never started, started and idle, stopped twice: each is answered. */
	fe_or_die(fe_get_vring_base(&f->vmm.fe, 7, &base), "GET_VRING_BASE of an unused ring");
	g_assert_cmpuint(base, ==, 0);
	fe_or_die(ring_stop(&f->vmm.queues[0], &base), "GET_VRING_BASE");
	g_assert_cmpuint(base, ==, 0);
	fe_or_die(ring_stop(&f->vmm.queues[0], &base), "GET_VRING_BASE again");
	g_assert_cmpuint(base, ==, 0);
	fixture_check_alive(f);
	fixture_stop(f);
}

static void restart_after_reset(struct fixture *f)
{
	struct vmm *vmm = &f->vmm;

	for (unsigned int i = 0; i < vmm->n_queues; i++) {
		struct ring *ring = &vmm->queues[i];

		ring->next_avail = ring->published = ring->kicked = ring->used_seen = 0;
		ring->avail->idx = ring->used->idx = 0;
	}
	fe_or_die(fe_set_u64(&vmm->fe, FE_SET_FEATURES, vmm->fe.features), "SET_FEATURES");
	fe_or_die(fe_set_mem_table(&vmm->fe, &vmm->mem), "SET_MEM_TABLE");
	for (unsigned int i = 0; i < vmm->n_queues; i++)
		fe_or_die(ring_start(&vmm->queues[i], 0), "start");
}

static void test_reset_device(void)
{
	struct fixture *f = fixture_start(&deep_config);
	uint64_t nodeid, fh = open_file(&f->client, &nodeid);
	unsigned int n_fds = daemon_n_fds(f->daemon);
	struct fuse_attr_out attr;
	uint32_t base;

	for (int round = 0; round < 3; round++) {
		submit_deep(&f->client, nodeid, fh);
		for (unsigned int i = 0; i < f->vmm.n_queues; i++)
			fe_or_die(ring_stop(&f->vmm.queues[i], &base), "GET_VRING_BASE");
		fe_or_die(fe_set(&f->vmm.fe, FE_RESET_DEVICE, NULL, 0, NULL, 0), "RESET_DEVICE");
		/* What was in flight is gone with the device. */
		fuse_client_deinit(&f->client);
		f->vmm.mem.regions[0].used = 0;
		for (unsigned int i = 0; i < f->vmm.n_queues; i++) {
			struct ring *ring = &f->vmm.queues[i];
			struct ring_config config = ring->config;

			ring_deinit(ring);
			ring_init(ring, &f->vmm.fe, &f->vmm.mem, &config);
		}
		restart_after_reset(f);
		fuse_client_init(&f->client, &f->vmm,
				 &(struct fuse_client_config){
					 .queue = 1, .depth = DEEP, .data_bytes = READ_BYTES });
		g_assert_cmpint(fuse_init_default(&f->client), ==, 0);
		g_assert_cmpint(fuse_getattr(&f->client, nodeid, UINT64_MAX, &attr), <, 0);
		fh = open_file(&f->client, &nodeid);
	}
	g_assert_cmpuint(daemon_n_fds(f->daemon), <=, n_fds + 2);
	fixture_stop(f);
}

static void test_disconnect_while_busy(void)
{
	for (int round = 0; round < 5; round++) {
		struct fixture *f = fixture_start(&deep_config);
		uint64_t nodeid, fh = open_file(&f->client, &nodeid);

		submit_deep(&f->client, nodeid, fh);
		fixture_stop(f);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/queues/base-is-told-after-all-started-requests-finished",
			test_base_is_drained);
	g_test_add_func("/queues/a-disabled-ring-rests-and-resumes", test_disabled_ring_rests);
	g_test_add_func("/queues/a-kick-while-disabled-is-served-once-enabled",
			test_kick_while_disabled);
	g_test_add_func("/queues/a-request-from-before-the-start-is-served",
			test_request_before_the_kick_fd);
	g_test_add_func("/queues/ring-indexes-wrap", test_index_wraps);
	g_test_add_func("/queues/ring-sizes-from-1-to-32768-work", test_ring_sizes);
	g_test_add_func("/queues/event-idx-is-optional", test_without_event_idx);
	g_test_add_func("/queues/indirect-is-optional", test_without_indirect);
	g_test_add_func("/queues/both-are-optional", test_plain);
	g_test_add_func("/queues/the-call-fd-may-be-a-pipe", test_call_pipe);
	g_test_add_func("/queues/the-call-fd-may-be-missing", test_no_call_fd);
	g_test_add_func("/queues/notifications-may-go-in-band", test_inband);
	g_test_add_func("/queues/what-nobody-waits-for-needs-few-kicks", test_forgets);
	g_test_add_func("/queues/64-request-queues-serve", test_many_queues);
	g_test_add_func("/queues/a-stopped-queue-leaves-the-others-alone", test_one_stopped_queue);
	g_test_add_func("/queues/base-of-idle-rings-is-told", test_base_of_idle_rings);
	g_test_add_func("/queues/reset-forgets-and-starts-anew", test_reset_device);
	g_test_add_func("/queues/disconnect-while-busy-ends-with-0", test_disconnect_while_busy);
	return g_test_run();
}
