/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor chains and ring indexes that lie. One bad chain costs one request:
 * it comes back, with an error where there is room for one, and the next works.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"

#define OUTSIDE	  UINT64_C(0x900000000000)
#define GETATTR_N (sizeof(struct fuse_in_header) + sizeof(struct fuse_getattr_in))
#define ATTR_ROOM (sizeof(struct fuse_out_header) + sizeof(struct fuse_attr_out))

struct bench {
	struct fixture *f;
	struct raw raw;
};

static void bench_start(struct bench *bench)
{
	static const struct fuse_getattr_in in;

	bench->f = fixture_start(NULL);
	raw_init(&bench->raw, bench->f, 1);
	raw_fill(&bench->raw, FUSE_GETATTR, FUSE_ROOT_ID, &in, sizeof(in));
}

static void bench_stop(struct bench *bench)
{
	fixture_check_alive(bench->f);
	fixture_stop(bench->f);
}

static struct raw_part in_part(const struct bench *bench, uint32_t offset, uint32_t len)
{
	return (struct raw_part){ .gpa = bench->raw.in_gpa + offset, .len = len };
}

static struct raw_part out_part(const struct bench *bench, uint32_t offset, uint32_t len)
{
	return (struct raw_part){ .gpa = bench->raw.out_gpa + offset,
				  .len = len,
				  .writable = true };
}

/* Sends the parts; the error of the reply, or 1 when there was none. */
static int serve(struct bench *bench, const struct raw_part *parts, unsigned int n)
{
	struct fuse_out_header out;
	int used;

	memset(bench->raw.out, 0xee, 4096);
	raw_send(&bench->raw, parts, n);
	used = raw_wait(&bench->raw, RAW_FIRST_DESC);
	if (used < 0)
		test_die("a bad chain: %s", strerror(-used));
	memcpy(&out, bench->raw.out, sizeof(out));
	return used < (int)sizeof(out) ? 1 : out.error;
}

/* A chain that the test wrote into the table from RAW_FIRST_DESC on comes back. */
static void serve_written(struct bench *bench)
{
	int used;

	raw_send_head(&bench->raw, RAW_FIRST_DESC);
	used = raw_wait(&bench->raw, RAW_FIRST_DESC);
	if (used < 0)
		test_die("a bad chain: %s", strerror(-used));
	fixture_check_alive(bench->f);
}

static void test_addresses_outside(void)
{
	static const uint64_t bad[] = { 0, OUTSIDE, UINT64_MAX, UINT64_MAX - 15,
					GUEST_BASE_GPA - 8 };
	struct bench bench;

	bench_start(&bench);
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		struct raw_part good[4] = { in_part(&bench, 0, 40),
					    in_part(&bench, 40, GETATTR_N - 40),
					    out_part(&bench, 0, 16),
					    out_part(&bench, 16, ATTR_ROOM - 16) };

		for (unsigned int spoiled = 0; spoiled < 4; spoiled++) {
			struct raw_part parts[4];
			int error;

			memcpy(parts, good, sizeof(parts));
			parts[spoiled].gpa = bad[i];
			error = serve(&bench, parts, 4);
			g_assert_cmpint(error, !=, 0);
			fixture_check_alive(bench.f);
		}
		g_assert_cmpint(serve(&bench, good, 4), ==, 0);
	}
	bench_stop(&bench);
}

static void test_over_the_end(void)
{
	struct bench bench;
	const struct guest_region *region;
	struct raw_part parts[2];

	bench_start(&bench);
	region = &bench.f->vmm.mem.regions[0];
	parts[0] = in_part(&bench, 0, GETATTR_N);
	parts[1] = (struct raw_part){ .gpa = region->gpa + region->size - 16,
				      .len = 4096,
				      .writable = true };
	(void)serve(&bench, parts, 2);
	parts[0] = (struct raw_part){ .gpa = region->gpa + region->size - 16, .len = 4096 };
	parts[1] = out_part(&bench, 0, ATTR_ROOM);
	g_assert_cmpint(serve(&bench, parts, 2), !=, 0);
	bench_stop(&bench);
}

static void test_huge_lengths(void)
{
	struct bench bench;
	struct raw_part parts[3];

	bench_start(&bench);
	parts[0] = in_part(&bench, 0, UINT32_MAX);
	parts[1] = out_part(&bench, 0, ATTR_ROOM);
	g_assert_cmpint(serve(&bench, parts, 2), !=, 0);
	parts[0] = in_part(&bench, 0, GETATTR_N);
	parts[1] = out_part(&bench, 0, ATTR_ROOM);
	parts[2] = out_part(&bench, 4096, UINT32_MAX);
	(void)serve(&bench, parts, 3);
	bench_stop(&bench);
}

static void test_zero_lengths(void)
{
	struct bench bench;
	struct raw_part parts[6];

	bench_start(&bench);
	parts[0] = (struct raw_part){ .gpa = OUTSIDE };
	parts[1] = in_part(&bench, 0, 40);
	parts[2] = in_part(&bench, 40, 0);
	parts[3] = in_part(&bench, 40, GETATTR_N - 40);
	parts[4] = (struct raw_part){ .gpa = OUTSIDE, .writable = true };
	parts[5] = out_part(&bench, 0, ATTR_ROOM);
	/* An empty part carries nothing: served or refused, but returned. */
	(void)serve(&bench, parts, 6);
	for (unsigned int i = 0; i < 6; i++)
		parts[i].len = 0;
	g_assert_cmpint(serve(&bench, parts, 6), ==, 1);
	bench_stop(&bench);
}

static void test_shredded(void)
{
	struct raw_part parts[GETATTR_N + ATTR_ROOM];
	struct bench bench;
	unsigned int n = 0;

	bench_start(&bench);
	for (uint32_t i = 0; i < GETATTR_N; i++)
		parts[n++] = in_part(&bench, i, 1);
	for (uint32_t i = 0; i < ATTR_ROOM; i++)
		parts[n++] = out_part(&bench, i, 1);
	/* Any framing is legal (virtio 1.2, 2.7.4). */
	g_assert_cmpint(serve(&bench, parts, n), ==, 0);
	bench_stop(&bench);
}

static void test_loops(void)
{
	struct bench bench;
	struct ring *ring;
	uint16_t d = RAW_FIRST_DESC;

	bench_start(&bench);
	ring = bench.raw.ring;
	ring_set_desc(ring, d, bench.raw.in_gpa, 40, VRING_DESC_F_NEXT, d);
	serve_written(&bench);
	ring_set_desc(ring, d, bench.raw.in_gpa, 40, VRING_DESC_F_NEXT, d + 1);
	ring_set_desc(ring, d + 1, bench.raw.out_gpa, 256, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
		      d);
	serve_written(&bench);
	ring_set_desc(ring, d + 1, bench.raw.out_gpa, 256, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
		      d + 1);
	serve_written(&bench);
	bench_stop(&bench);
}

static void test_next_beyond_the_ring(void)
{
	static const uint16_t next[] = { 1024, 1025, 0x7fff, 0xffff };
	struct bench bench;

	bench_start(&bench);
	for (size_t i = 0; i < G_N_ELEMENTS(next); i++) {
		ring_set_desc(bench.raw.ring, RAW_FIRST_DESC, bench.raw.in_gpa, GETATTR_N,
			      VRING_DESC_F_NEXT, next[i]);
		serve_written(&bench);
	}
	bench_stop(&bench);
}

static void test_long_chain(void)
{
	struct bench bench;
	struct ring *ring;

	bench_start(&bench);
	ring = bench.raw.ring;
	/* All the ring's descriptors behind one head; the last writable. */
	for (unsigned int i = 0; i < 1024; i++) {
		unsigned int d = (RAW_FIRST_DESC + i) % 1024;
		bool last = i == 1023;

		ring_set_desc(ring, d, last ? bench.raw.out_gpa : bench.raw.in_gpa, last ? 256 : 1,
			      last ? VRING_DESC_F_WRITE : VRING_DESC_F_NEXT,
			      (uint16_t)((d + 1) % 1024));
	}
	raw_send_head(&bench.raw, RAW_FIRST_DESC);
	g_assert_cmpint(raw_wait(&bench.raw, RAW_FIRST_DESC), >=, 0);
	bench_stop(&bench);
}

static void test_readable_behind_writable(void)
{
	struct bench bench;
	struct raw_part parts[3];

	bench_start(&bench);
	parts[0] = out_part(&bench, 0, ATTR_ROOM);
	parts[1] = in_part(&bench, 0, GETATTR_N);
	(void)serve(&bench, parts, 2);
	parts[0] = in_part(&bench, 0, 40);
	parts[1] = out_part(&bench, 0, ATTR_ROOM);
	parts[2] = in_part(&bench, 40, GETATTR_N - 40);
	(void)serve(&bench, parts, 3);
	bench_stop(&bench);
}

static void test_unknown_flags(void)
{
	struct bench bench;
	struct ring *ring;

	bench_start(&bench);
	ring = bench.raw.ring;
	ring_set_desc(ring, RAW_FIRST_DESC, bench.raw.in_gpa, GETATTR_N, 0xfff8 | VRING_DESC_F_NEXT,
		      RAW_FIRST_DESC + 1);
	ring_set_desc(ring, RAW_FIRST_DESC + 1, bench.raw.out_gpa, ATTR_ROOM,
		      0xfff8 | VRING_DESC_F_WRITE, 0);
	serve_written(&bench);
	bench_stop(&bench);
}

/* An indirect table of @n_bytes at the start of the page behind the request. */
static void serve_indirect(struct bench *bench, uint64_t table_gpa, uint32_t n_bytes,
			   uint16_t more_flags)
{
	ring_set_desc(bench->raw.ring, RAW_FIRST_DESC, table_gpa, n_bytes,
		      VRING_DESC_F_INDIRECT | more_flags, RAW_FIRST_DESC + 1);
	ring_set_desc(bench->raw.ring, RAW_FIRST_DESC + 1, bench->raw.out_gpa, ATTR_ROOM,
		      VRING_DESC_F_WRITE, 0);
	serve_written(bench);
}

static struct vring_desc *indirect_table(struct bench *bench, uint64_t *ret_gpa)
{
	struct vring_desc *table = (void *)(bench->raw.in + 4096);

	*ret_gpa = bench->raw.in_gpa + 4096;
	table[0] = (struct vring_desc){
		.addr = bench->raw.in_gpa, .len = GETATTR_N, .flags = VRING_DESC_F_NEXT, .next = 1
	};
	table[1] = (struct vring_desc){ .addr = bench->raw.out_gpa,
					.len = ATTR_ROOM,
					.flags = VRING_DESC_F_WRITE };
	return table;
}

static void test_indirect_tables(void)
{
	static const uint32_t sizes[] = { 0,	      1,	 15, 17,
					  24,	      31,	 33, 65536 * 16 + 16,
					  UINT32_MAX, 0xfffffff0 };
	struct vring_desc *table;
	struct bench bench;
	uint64_t gpa;

	bench_start(&bench);
	table = indirect_table(&bench, &gpa);
	serve_indirect(&bench, gpa, 32, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++)
		serve_indirect(&bench, gpa, sizes[i], 0);
	serve_indirect(&bench, OUTSIDE, 32, 0);
	serve_indirect(&bench, UINT64_MAX - 15, 32, 0);
	serve_indirect(&bench, gpa + 4, 32, 0); /* misaligned */
	serve_indirect(&bench, gpa, 32, VRING_DESC_F_NEXT);
	serve_indirect(&bench, gpa, 32, VRING_DESC_F_WRITE);
	table[0].next = 2; /* behind the table's end */
	serve_indirect(&bench, gpa, 32, 0);
	table[0].next = 0; /* loop */
	serve_indirect(&bench, gpa, 32, 0);
	table[0] = (struct vring_desc){ .addr = gpa, .len = 32, .flags = VRING_DESC_F_INDIRECT };
	serve_indirect(&bench, gpa, 32, 0); /* nested, and in itself */
	bench_stop(&bench);
}

static void test_indirect_over_the_end(void)
{
	const struct guest_region *region;
	struct bench bench;

	bench_start(&bench);
	region = &bench.f->vmm.mem.regions[0];
	serve_indirect(&bench, region->gpa + region->size - 16, 32, 0);
	bench_stop(&bench);
}

static void test_short_requests(void)
{
	struct bench bench;

	bench_start(&bench);
	for (uint32_t n = 1; n < GETATTR_N; n++) {
		struct raw_part parts[2] = { in_part(&bench, 0, n),
					     out_part(&bench, 0, ATTR_ROOM) };

		g_assert_cmpint(serve(&bench, parts, 2), !=, 0);
	}
	bench_stop(&bench);
}

static void test_one_sided(void)
{
	struct bench bench;
	struct raw_part part;

	bench_start(&bench);
	part = in_part(&bench, 0, GETATTR_N); /* nowhere to reply */
	g_assert_cmpint(serve(&bench, &part, 1), ==, 1);
	part = out_part(&bench, 0, ATTR_ROOM); /* nothing asked */
	(void)serve(&bench, &part, 1);
	bench_stop(&bench);
}

static void test_small_reply_room(void)
{
	struct bench bench;

	bench_start(&bench);
	for (uint32_t room = 1; room < ATTR_ROOM; room++) {
		struct raw_part parts[2] = { in_part(&bench, 0, GETATTR_N),
					     out_part(&bench, 0, room) };

		g_assert_cmpint(serve(&bench, parts, 2), !=, 0);
		/* Nothing behind the room is touched. */
		for (uint32_t i = room; i < 256; i++)
			g_assert_cmphex(bench.raw.out[i], ==, 0xee);
	}
	bench_stop(&bench);
}

static void test_header_length_lies(void)
{
	static const uint32_t lengths[] = { 0, 1, 39, 40, 55, 57, 4096, 1 << 30, UINT32_MAX };
	struct bench bench;

	bench_start(&bench);
	for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
		struct raw_part parts[2] = { in_part(&bench, 0, GETATTR_N),
					     out_part(&bench, 0, ATTR_ROOM) };

		((struct fuse_in_header *)bench.raw.in)->len = lengths[i];
		/* Served or refused: the answer must be whole, and the next request works. */
		(void)serve(&bench, parts, 2);
		fixture_check_alive(bench.f);
	}
	bench_stop(&bench);
}

static void test_head_beyond_the_ring(void)
{
	static const uint16_t heads[] = { 1024, 2000, 0x8000, 0xffff };

	for (size_t i = 0; i < G_N_ELEMENTS(heads); i++) {
		struct bench bench;
		uint32_t base;

		bench_start(&bench);
		raw_send_head(&bench.raw, heads[i]);
		/* Such a ring may stop; the session and a restart must not. */
		g_assert_true(fixture_session_answers(bench.f));
		fe_or_die(ring_stop(bench.raw.ring, &base), "GET_VRING_BASE");
		bench.raw.ring->used_seen = bench.raw.ring->used->idx = bench.raw.ring->published;
		fe_or_die(ring_start(bench.raw.ring, bench.raw.ring->published), "restart");
		bench_stop(&bench);
	}
}

static void test_available_index_jumps(void)
{
	static const uint16_t jumps[] = { 1025, 2048, 0x7fff, 0x8000, 0xffff };

	for (size_t i = 0; i < G_N_ELEMENTS(jumps); i++) {
		struct bench bench;
		struct ring *ring;
		uint16_t good;
		uint32_t base;

		bench_start(&bench);
		ring = bench.raw.ring;
		good = ring->published;
		__atomic_store_n(&ring->avail->idx, (uint16_t)(good + jumps[i]), __ATOMIC_RELEASE);
		fe_or_die(ring_kick(ring), "kick");
		g_assert_true(fixture_session_answers(bench.f));
		/* The hiprio queue goes on. */
		fuse_forget(&bench.f->client, 12345, 1);
		fe_or_die(ring_stop(ring, &base), "GET_VRING_BASE");
		ring->used_seen = ring->used->idx = good;
		__atomic_store_n(&ring->avail->idx, good, __ATOMIC_RELEASE);
		fe_or_die(ring_start(ring, good), "restart");
		bench_stop(&bench);
	}
}

static void test_disconnect_with_a_broken_ring(void)
{
	struct bench bench;
	struct ring *ring;

	bench_start(&bench);
	ring = bench.raw.ring;
	__atomic_store_n(&ring->avail->idx, (uint16_t)(ring->published + 5000), __ATOMIC_RELEASE);
	fe_or_die(ring_kick(ring), "kick");
	fixture_stop(bench.f);
}

static void test_random_chains(void)
{
	struct test_random random = test_random_seeded(7);
	struct bench bench;

	bench_start(&bench);
	for (int round = 0; round < 3000; round++) {
		struct raw_part parts[6];
		unsigned int n = 1 + (unsigned int)(test_random_next(&random) % 6);

		for (unsigned int i = 0; i < n; i++) {
			uint64_t r = test_random_next(&random);
			uint32_t len = (uint32_t)(r >> 8) % 200;

			if (r % 16 == 0)
				parts[i] = (struct raw_part){ .gpa = r, .len = (uint32_t)(r >> 5) };
			else
				parts[i] = r % 2 ? in_part(&bench, (r >> 40) % 100, len)
						 : out_part(&bench, (r >> 40) % 100, len);
		}
		(void)serve(&bench, parts, n);
	}
	bench_stop(&bench);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/hostile-ring/addresses-outside-memory", test_addresses_outside);
	g_test_add_func("/hostile-ring/buffers-over-the-end-of-memory", test_over_the_end);
	g_test_add_func("/hostile-ring/huge-lengths", test_huge_lengths);
	g_test_add_func("/hostile-ring/empty-descriptors", test_zero_lengths);
	g_test_add_func("/hostile-ring/single-byte-descriptors-are-served", test_shredded);
	g_test_add_func("/hostile-ring/chains-that-loop", test_loops);
	g_test_add_func("/hostile-ring/next-beyond-the-ring", test_next_beyond_the_ring);
	g_test_add_func("/hostile-ring/a-chain-of-the-whole-ring", test_long_chain);
	g_test_add_func("/hostile-ring/readable-behind-writable", test_readable_behind_writable);
	g_test_add_func("/hostile-ring/unknown-descriptor-flags", test_unknown_flags);
	g_test_add_func("/hostile-ring/indirect-tables", test_indirect_tables);
	g_test_add_func("/hostile-ring/indirect-table-over-the-end-of-memory",
			test_indirect_over_the_end);
	g_test_add_func("/hostile-ring/requests-shorter-than-their-struct", test_short_requests);
	g_test_add_func("/hostile-ring/chains-of-one-direction", test_one_sided);
	g_test_add_func("/hostile-ring/too-little-room-for-the-reply", test_small_reply_room);
	g_test_add_func("/hostile-ring/the-header-lies-about-its-length", test_header_length_lies);
	g_test_add_func("/hostile-ring/heads-beyond-the-ring", test_head_beyond_the_ring);
	g_test_add_func("/hostile-ring/the-available-index-jumps", test_available_index_jumps);
	g_test_add_func("/hostile-ring/disconnect-with-a-broken-ring",
			test_disconnect_with_a_broken_ring);
	g_test_add_func("/hostile-ring/random-chains", test_random_chains);
	return g_test_run();
}
