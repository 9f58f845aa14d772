/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains and messages of every length and form, made in loops and at random: each comes back, with
 * an error where there is room for one, and the next works. Single violations are in
 * test-hostile-chains.c.
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
	g_test_add_func("/hostile-ring/single-byte-descriptors-are-served", test_shredded);
	g_test_add_func("/hostile-ring/a-chain-of-the-whole-ring", test_long_chain);
	g_test_add_func("/hostile-ring/requests-shorter-than-their-struct", test_short_requests);
	g_test_add_func("/hostile-ring/too-little-room-for-the-reply", test_small_reply_room);
	g_test_add_func("/hostile-ring/the-header-lies-about-its-length", test_header_length_lies);
	g_test_add_func("/hostile-ring/disconnect-with-a-broken-ring",
			test_disconnect_with_a_broken_ring);
	g_test_add_func("/hostile-ring/random-chains", test_random_chains);
	return g_test_run();
}
