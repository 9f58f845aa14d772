/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings and memory that cannot work: addresses outside memory, impossible sizes,
 * fds that are not what they should be, memory that vanishes under the daemon.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"

static void populate(const struct share *share)
{
	share_write_pattern(share, "file", 1 << 20);
}

static struct fixture *start_stopped(void)
{
	struct fixture *f = fixture_start(NULL);
	uint32_t base;

	fe_or_die(ring_stop(f->client.ring, &base), "GET_VRING_BASE");
	return f;
}

static void run_addr(void (*spoil)(const struct fixture *f, struct fe_vring_addr *addr))
{
	struct fixture *f = start_stopped();
	struct ring *ring = f->client.ring;
	struct fe_vring_addr addr = {
		.index = 1,
		.desc = guest_uva(ring->desc),
		.used = guest_uva(ring->used),
		.avail = guest_uva(ring->avail),
	};

	spoil(f, &addr);
	(void)fe_set_vring_addr(&f->vmm.fe, &addr);
	(void)fe_set_vring_fd(&f->vmm.fe, FE_SET_VRING_KICK, 1, ring->kick_fd);
	(void)ring_enable(ring, true);
	(void)ring_kick(ring);
	if (fixture_session_answers(f)) {
		/* With the right addresses it works again. */
		fe_or_die(ring_start(ring, ring->used_seen), "start");
		fixture_check_alive(f);
	}
	fixture_stop_sane(f);
}

static void addr_outside(const struct fixture *f, struct fe_vring_addr *addr)
{
	addr->desc = 0x1000;
}

static void addr_null(const struct fixture *f, struct fe_vring_addr *addr)
{
	addr->desc = addr->used = addr->avail = 0;
}

static void addr_over_the_end(const struct fixture *f, struct fe_vring_addr *addr)
{
	const struct guest_region *region = &f->vmm.mem.regions[0];

	addr->used = guest_uva(region->map + region->size - 64);
}

static void addr_wraps(const struct fixture *f, struct fe_vring_addr *addr)
{
	addr->avail = UINT64_MAX - 15;
}

static void addr_misaligned(const struct fixture *f, struct fe_vring_addr *addr)
{
	addr->desc += 8;
	addr->used += 1;
	addr->avail += 1;
}

static void addr_unknown_flags(const struct fixture *f, struct fe_vring_addr *addr)
{
	addr->flags = UINT32_MAX;
	addr->log = UINT64_MAX;
}

static void test_addresses(void)
{
	run_addr(addr_outside);
	run_addr(addr_null);
	run_addr(addr_over_the_end);
	run_addr(addr_wraps);
	run_addr(addr_misaligned);
	run_addr(addr_unknown_flags);
}

static void test_ring_sizes(void)
{
	static const uint32_t sizes[] = { 0, 3, 1023, 65536, 0x10000000, UINT32_MAX };

	for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
		struct fixture *f = start_stopped();
		struct ring *ring = f->client.ring;

		(void)fe_set_vring(&f->vmm.fe, FE_SET_VRING_NUM, 1, sizes[i]);
		(void)fe_set_vring_fd(&f->vmm.fe, FE_SET_VRING_KICK, 1, ring->kick_fd);
		(void)ring_enable(ring, true);
		(void)ring_kick(ring);
		if (fixture_session_answers(f)) {
			uint32_t base;

			fe_or_die(ring_stop(ring, &base), "GET_VRING_BASE");
			fe_or_die(ring_start(ring, ring->used_seen), "start");
			fixture_check_alive(f);
		}
		fixture_stop_sane(f);
	}
}

static void test_changes_while_running(void)
{
	struct fixture *f = fixture_start(NULL);
	struct ring *ring = f->client.ring;

	/* NUM, BASE and ADDR are for stopped rings. */
	(void)fe_set_vring(&f->vmm.fe, FE_SET_VRING_NUM, 1, 8);
	(void)fe_set_vring(&f->vmm.fe, FE_SET_VRING_BASE, 1, 12345);
	(void)fe_set_vring(&f->vmm.fe, FE_SET_VRING_BASE, 1, UINT32_MAX);
	(void)ring_kick(ring);
	if (fixture_session_answers(f)) {
		uint32_t base;

		fe_or_die(ring_stop(ring, &base), "GET_VRING_BASE");
		fe_or_die(ring_start(ring, ring->used_seen), "start");
		fixture_check_alive(f);
	}
	fixture_stop_sane(f);
}

static void send_region(struct fixture *f, int fd, uint64_t gpa, uint64_t size, uint64_t uva,
			uint64_t offset)
{
	struct fe_mem_single single = { .region = { gpa, size, uva, offset } };

	(void)fe_set(&f->vmm.fe, FE_ADD_MEM_REG, &single, sizeof(single), &fd, 1);
}

static void test_bad_regions(void)
{
	static const struct fe_mem_region regions[] = {
		{ 0x100000000, 0, 0x1000, 0 }, /* empty */
		{ 0x100000000, UINT64_MAX, 0x1000, 0 },
		{ UINT64_MAX - 4095, 8192, 0x1000, 0 },		  /* gpa wraps */
		{ 0x100000000, 8192, UINT64_MAX - 4095, 0 },	  /* user address wraps */
		{ 0x100000000, 8192, 0x1000, UINT64_MAX - 4095 }, /* offset wraps */
		{ 0x100000000, 8192, 0x1000, 1 << 20 },		  /* behind the end of the fd */
		{ 0x100000000, 8192, 0x1000, 123 },		  /* offset not on a page */
		{ GUEST_BASE_GPA, 8192, 0x1000, 0 },		  /* overlaps */
		{ GUEST_BASE_GPA + 4096, 8192, 0x7000, 0 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(regions); i++) {
		struct fixture_config config = { .vmm = { .add_mem_reg = true } };
		struct fixture *f = fixture_start(&config);
		cleanup_fd int fd = memfd_create("region", MFD_CLOEXEC);

		g_assert_cmpint(ftruncate(fd, 8192), ==, 0);
		send_region(f, fd, regions[i].gpa, regions[i].size, regions[i].uva,
			    regions[i].mmap_offset);
		if (fixture_session_answers(f))
			fixture_check_alive(f);
		fixture_stop_sane(f);
	}
}

static void test_unmappable_fds(void)
{
	for (int kind = 0; kind < 4; kind++) {
		struct fixture_config config = { .vmm = { .add_mem_reg = true } };
		struct fixture *f = fixture_start(&config);
		cleanup_fd int fd = -1;

		if (kind == 0)
			fd = eventfd(0, EFD_CLOEXEC);
		else if (kind == 1)
			fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		else if (kind == 2)
			fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		else
			fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC); /* not writable */
		send_region(f, fd, 0x200000000, 8192, 0x10000, 0);
		if (fixture_session_answers(f))
			fixture_check_alive(f);
		fixture_stop_sane(f);
	}
}

static void test_unknown_region_removed(void)
{
	struct fixture_config config = { .vmm = { .add_mem_reg = true } };
	struct fixture *f = fixture_start(&config);
	struct fe_mem_single single = { .region = { 0x900000000, 4096, 0x1000, 0 } };

	(void)fe_set(&f->vmm.fe, FE_REM_MEM_REG, &single, sizeof(single), NULL, 0);
	if (fixture_session_answers(f))
		fixture_check_alive(f);
	fixture_stop_sane(f);
}

static void test_region_under_a_ring_removed(void)
{
	struct fixture_config config = { .vmm = { .add_mem_reg = true } };
	struct fixture *f = fixture_start(&config);

	(void)fe_rem_mem_reg(&f->vmm.fe, &f->vmm.mem, 0);
	(void)ring_kick(f->client.ring);
	fixture_stop_sane(f);
}

static void submit_reads(struct fuse_client *client, uint64_t nodeid, uint64_t fh, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct fuse_slot *slot = fuse_slot_get(client);
		struct fuse_read_in in = { .fh = fh, .size = (uint32_t)client->config.data_bytes };

		fuse_slot_prepare(slot, FUSE_READ, nodeid);
		memcpy(slot->arg, &in, sizeof(in));
		slot->arg_len = sizeof(in);
		slot->data_in = in.size;
		fuse_submit(slot);
	}
	fuse_flush(client);
}

static uint64_t open_file(struct fixture *f, uint64_t *ret_nodeid)
{
	struct fuse_open_out open;

	*ret_nodeid = fuse_node(&f->client, "file");
	g_assert_cmpint(fuse_open(&f->client, *ret_nodeid, 0, &open), ==, 0);
	return open.fh;
}

static void test_memory_truncated(void)
{
	struct fixture_config config = {
		.populate = populate,
		.client = { .depth = 32, .data_bytes = 1 << 20 },
	};
	struct fixture *f = fixture_start(&config);
	uint64_t nodeid, fh = open_file(f, &nodeid);
	const struct guest_region *region = &f->vmm.mem.regions[0];

	/* Our own pages go as well: only the socket is used from here on. */
	submit_reads(&f->client, nodeid, fh, 32);
	g_assert_cmpint(ftruncate(region->fd, 0), ==, 0);
	(void)ring_kick(f->client.ring);
	(void)ring_kick(&f->vmm.queues[0]);
	fixture_stop_sane(f);
}

static void test_part_of_memory_truncated(void)
{
	struct fixture_config config = { .populate = populate };
	struct fixture *f = fixture_start(&config);
	uint64_t nodeid, fh = open_file(f, &nodeid);
	struct fuse_read_in in = { .fh = fh, .size = 8192 };
	unsigned int lost = guest_ram_add(&f->vmm.mem, 0, 1 << 20, 0);
	struct guest_region *region = &f->vmm.mem.regions[lost];
	struct raw_part parts[3];
	struct raw raw;

	raw_init(&raw, f, 1);
	fe_or_die(fe_set_mem_table(&f->vmm.fe, &f->vmm.mem), "SET_MEM_TABLE");
	g_assert_cmpint(ftruncate(region->fd, 0), ==, 0);
	parts[0] = (struct raw_part){ .gpa = raw.in_gpa,
				      .len = (uint32_t)raw_fill(&raw, FUSE_READ, nodeid, &in,
								sizeof(in)) };
	parts[1] = (struct raw_part){ .gpa = raw.out_gpa,
				      .len = sizeof(struct fuse_out_header),
				      .writable = true };
	parts[2] = (struct raw_part){ .gpa = region->gpa, .len = 8192, .writable = true };
	/* Data, then the reply header, then the request itself in memory that is gone. */
	raw_send(&raw, parts, 3);
	if (raw_wait(&raw, RAW_FIRST_DESC) >= 0) {
		parts[1].gpa = region->gpa;
		raw_send(&raw, parts, 2);
		(void)raw_wait(&raw, RAW_FIRST_DESC);
		parts[0].gpa = region->gpa;
		raw_send(&raw, parts, 3);
		(void)raw_wait(&raw, RAW_FIRST_DESC);
	}
	if (fixture_session_answers(f))
		fixture_check_alive(f);
	fixture_stop_sane(f);
}

static void test_odd_kick_fds(void)
{
	for (int kind = 0; kind < 4; kind++) {
		struct fixture *f = fixture_start(NULL);
		cleanup_fd int fd = -1;
		int ends[2] = { -1, -1 };

		if (kind == 0)
			fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		else if (kind == 1)
			fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		else if (kind == 2)
			fd = memfd_create("kick", MFD_CLOEXEC);
		else if (pipe2(ends, O_CLOEXEC) == 0) {
			close(ends[1]); /* readable for ever */
			fd = ends[0];
		}
		(void)fe_set_vring_fd(&f->vmm.fe, FE_SET_VRING_KICK, 1, fd);
		(void)fe_set_vring_fd(&f->vmm.fe, FE_SET_VRING_KICK, 0, fd);
		if (fixture_session_answers(f))
			(void)fe_set_vring_fd(&f->vmm.fe, FE_SET_VRING_KICK, 1,
					      f->client.ring->kick_fd);
		if (fixture_session_answers(f))
			fixture_check_alive(f);
		fixture_stop_sane(f);
	}
}

/* Requests while the notification fd is useless; the used ring tells of completion. */
static void serve_with_call(struct fixture *f, int fd)
{
	struct ring *ring = f->client.ring;
	int ours = ring->call_fd;
	int result = fe_set_vring_fd(&f->vmm.fe, FE_SET_VRING_CALL, 1, fd);

	if (result != -EREMOTEIO) /* refusing what can never work is fine */
		fe_or_die(result, "SET_VRING_CALL");
	ring->call_fd = -1; /* polled */
	for (int i = 0; i < 20; i++)
		fixture_check_alive(f);
	ring->call_fd = ours;
	fe_or_die(fe_set_vring_fd(&f->vmm.fe, FE_SET_VRING_CALL, 1, ring->call_peer_fd),
		  "SET_VRING_CALL");
	fixture_check_alive(f);
}

static void test_closed_call_pipe(void)
{
	struct fixture *f = fixture_start(NULL);
	cleanup_fd int fd = -1;
	int ends[2];

	g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
	close(ends[0]);
	fd = ends[1];
	serve_with_call(f, fd);
	fixture_stop(f);
}

static void test_full_call_fd(int flags)
{
	struct fixture *f = fixture_start(NULL);
	cleanup_fd int fd = eventfd(0, EFD_CLOEXEC | flags);
	uint64_t most = UINT64_MAX - 1;

	/* A further write blocks, or fails, until someone reads; nobody does. */
	g_assert_cmpint(write(fd, &most, sizeof(most)), ==, sizeof(most));
	serve_with_call(f, fd);
	fixture_stop(f);
}

static void test_full_nonblocking_call(void)
{
	test_full_call_fd(EFD_NONBLOCK);
}

static void test_full_blocking_call(void)
{
	test_full_call_fd(0);
}

static void test_full_call_pipe(void)
{
	struct fixture *f = fixture_start(NULL);
	static const char fill[4096];
	cleanup_fd int reader = -1;
	cleanup_fd int writer = -1;
	int ends[2];

	g_assert_cmpint(pipe2(ends, O_CLOEXEC | O_NONBLOCK), ==, 0);
	reader = ends[0];
	writer = ends[1];
	while (write(writer, fill, sizeof(fill)) > 0)
		;
	g_assert_cmpint(fcntl(writer, F_SETFL, 0), ==, 0); /* now it blocks */
	serve_with_call(f, writer);
	fixture_stop(f);
}

static void test_readonly_call_fd(void)
{
	struct fixture *f = fixture_start(NULL);
	cleanup_fd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	serve_with_call(f, fd);
	fixture_stop(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/hostile-vring/ring-addresses", test_addresses);
	g_test_add_func("/hostile-vring/impossible-ring-sizes", test_ring_sizes);
	g_test_add_func("/hostile-vring/ring-changed-while-running", test_changes_while_running);
	g_test_add_func("/hostile-vring/impossible-regions", test_bad_regions);
	g_test_add_func("/hostile-vring/fds-that-cannot-be-mapped", test_unmappable_fds);
	g_test_add_func("/hostile-vring/removal-of-an-unknown-region", test_unknown_region_removed);
	g_test_add_func("/hostile-vring/removal-of-the-region-under-a-ring",
			test_region_under_a_ring_removed);
	g_test_add_func("/hostile-vring/memory-truncated-under-requests", test_memory_truncated);
	g_test_add_func("/hostile-vring/one-region-truncated", test_part_of_memory_truncated);
	g_test_add_func("/hostile-vring/kick-fds-of-any-kind", test_odd_kick_fds);
	g_test_add_func("/hostile-vring/closed-call-pipe", test_closed_call_pipe);
	g_test_add_func("/hostile-vring/full-non-blocking-call", test_full_nonblocking_call);
	g_test_add_func("/hostile-vring/full-blocking-call", test_full_blocking_call);
	g_test_add_func("/hostile-vring/full-blocking-call-pipe", test_full_call_pipe);
	g_test_add_func("/hostile-vring/call-fd-that-cannot-be-written", test_readonly_call_fd);
	return g_test_run();
}
