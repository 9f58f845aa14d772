/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor chains that break the rules of rings, one a test. Each comes back to the driver, with
 * an error where there is room for one; or the ring is stopped, its error descriptor says so, and
 * everything else goes on.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"

#define D	    RAW_FIRST_DESC
#define RING_SIZE   1024u
#define MAX_DESCS   4u
#define TABLE_AT    8192u /* of the indirect table in the request's buffer */
#define GETATTR_N   (sizeof(struct fuse_in_header) + sizeof(struct fuse_getattr_in))
#define ATTR_ROOM   (sizeof(struct fuse_out_header) + sizeof(struct fuse_attr_out))
#define NEXT	    VRING_DESC_F_NEXT
#define WRITE	    VRING_DESC_F_WRITE
#define INDIRECT    VRING_DESC_F_INDIRECT
#define UNTOUCHABLE UINT64_C(0x900000000000)

enum outcome {
	FAILS,	/* comes back with an error reply */
	EMPTY,	/* comes back without a reply: no room for one, or no id to answer to */
	SERVED, /* odd, yet legal: answered without an error */
};

/* Where a descriptor points to. */
enum place {
	IN,	 /* the request */
	OUT,	 /* room for the reply */
	TABLE,	 /* an indirect table */
	NOWHERE, /* no guest memory */
	ZERO,	 /* address 0 */
	WRAPS,	 /* the last bytes of the address space */
	LAST,	 /* the last 16 bytes of guest memory */
};

struct desc {
	enum place place;
	uint32_t len;
	uint16_t flags;
	uint16_t next; /* absolute */
	uint32_t offset;
};

/* The chain begins at D. The indirect table, if any, is @table. */
struct violation {
	const char *name;
	enum outcome outcome;
	struct desc descs[MAX_DESCS];
	struct desc table[MAX_DESCS];
};

#define REQUEST                            \
	{                                  \
		IN, GETATTR_N, NEXT, D + 1 \
	}
#define REPLY                         \
	{                             \
		OUT, ATTR_ROOM, WRITE \
	}
#define T_REQUEST                      \
	{                              \
		IN, GETATTR_N, NEXT, 1 \
	}
#define GOOD_TABLE               \
	{                        \
		T_REQUEST, REPLY \
	}
#define AS_TABLE(n)                          \
	{                                    \
		{                            \
			TABLE, (n), INDIRECT \
		}                            \
	}

static const struct violation violations[] = {
	{ "a good chain, for comparison", SERVED, { REQUEST, REPLY } },
	{ "a good table, for comparison", SERVED, AS_TABLE(32), GOOD_TABLE },
	/* Addresses. */
	{ "the request is nowhere", EMPTY, { { NOWHERE, GETATTR_N, NEXT, D + 1 }, REPLY } },
	{ "the request is at 0", EMPTY, { { ZERO, GETATTR_N, NEXT, D + 1 }, REPLY } },
	{ "the request wraps", EMPTY, { { WRAPS, GETATTR_N, NEXT, D + 1 }, REPLY } },
	{ "the request ends behind memory", FAILS, { { LAST, GETATTR_N, NEXT, D + 1 }, REPLY } },
	{ "the rest of the request is nowhere",
	  FAILS,
	  { { IN, 40, NEXT, D + 1 }, { NOWHERE, 16, NEXT, D + 2 }, REPLY } },
	{ "the reply is nowhere", EMPTY, { REQUEST, { NOWHERE, ATTR_ROOM, WRITE } } },
	{ "the reply is at 0", EMPTY, { REQUEST, { ZERO, ATTR_ROOM, WRITE } } },
	{ "the reply wraps", EMPTY, { REQUEST, { WRAPS, ATTR_ROOM, WRITE } } },
	{ "the reply ends behind memory", FAILS, { REQUEST, { LAST, ATTR_ROOM, WRITE } } },
	{ "the rest of the reply is nowhere",
	  FAILS,
	  { REQUEST, { OUT, 16, WRITE | NEXT, D + 2 }, { NOWHERE, 104, WRITE } } },
	/* Lengths. */
	{ "a request of 4 GiB", FAILS, { { IN, UINT32_MAX, NEXT, D + 1 }, REPLY } },
	{ "a request of 0 bytes", EMPTY, { { IN, 0, NEXT, D + 1 }, REPLY } },
	{ "a request of 1 byte", EMPTY, { { IN, 1, NEXT, D + 1 }, REPLY } },
	{ "a request of a header less 1", FAILS, { { IN, 39, NEXT, D + 1 }, REPLY } },
	{ "a request of a header", FAILS, { { IN, 40, NEXT, D + 1 }, REPLY } },
	{ "room for 0 bytes", EMPTY, { REQUEST, { OUT, 0, WRITE } } },
	{ "room for 1 byte", EMPTY, { REQUEST, { OUT, 1, WRITE } } },
	{ "room for a header less 1", EMPTY, { REQUEST, { OUT, 15, WRITE } } },
	{ "room for a header", FAILS, { REQUEST, { OUT, 16, WRITE } } },
	{ "room for all but 1", FAILS, { REQUEST, { OUT, ATTR_ROOM - 1, WRITE } } },
	{ "empty pieces that are nowhere",
	  SERVED,
	  { { NOWHERE, 0, NEXT, D + 1 },
	    { IN, GETATTR_N, NEXT, D + 2 },
	    { NOWHERE, 0, WRITE | NEXT, D + 3 },
	    REPLY } },
	/* Order. */
	{ "only a request", EMPTY, { { IN, GETATTR_N } } },
	{ "only room", EMPTY, { REPLY } },
	{ "room before the request",
	  EMPTY,
	  { { OUT, ATTR_ROOM, WRITE | NEXT, D + 1 }, { IN, GETATTR_N } } },
	{ "room within the request",
	  FAILS,
	  { { IN, 40, NEXT, D + 1 },
	    { OUT, ATTR_ROOM, WRITE | NEXT, D + 2 },
	    { IN, 16, 0, 0, 40 } } },
	/* Links. */
	{ "a chain of itself", EMPTY, { { IN, GETATTR_N, NEXT, D } } },
	{ "a chain back to its head", FAILS, { REQUEST, { OUT, 256, WRITE | NEXT, D } } },
	{ "a chain back to its end", FAILS, { REQUEST, { OUT, 256, WRITE | NEXT, D + 1 } } },
	{ "next is the ring's size", EMPTY, { { IN, GETATTR_N, NEXT, RING_SIZE } } },
	{ "next is 65535", EMPTY, { { IN, GETATTR_N, NEXT, 0xffff } } },
	{ "next is outside, with room before",
	  FAILS,
	  { REQUEST, { OUT, ATTR_ROOM, WRITE | NEXT, RING_SIZE + 1 } } },
	{ "flags that mean nothing",
	  SERVED,
	  { { IN, GETATTR_N, NEXT | 0xfff8, D + 1 }, { OUT, ATTR_ROOM, WRITE | 0xfff8 } } },
	/* Indirect tables. */
	{ "a table of 0 bytes", EMPTY, AS_TABLE(0), GOOD_TABLE },
	{ "a table of 15 bytes", EMPTY, AS_TABLE(15), GOOD_TABLE },
	{ "a table of 17 bytes", EMPTY, AS_TABLE(17), GOOD_TABLE },
	{ "a table of 31 bytes", EMPTY, AS_TABLE(31), GOOD_TABLE },
	{ "a table of 4 GiB", SERVED, AS_TABLE(0xfffffff0), GOOD_TABLE },
	{ "a table that is nowhere", EMPTY, { { NOWHERE, 32, INDIRECT } } },
	{ "a table that wraps", EMPTY, { { WRAPS, 32, INDIRECT } } },
	{ "a table that ends behind memory", EMPTY, { { LAST, 32, INDIRECT } } },
	{ "a table that is not aligned", SERVED, { { TABLE, 32, INDIRECT, 0, 4 } }, GOOD_TABLE },
	{ "a table with a next",
	  EMPTY,
	  { { TABLE, 32, INDIRECT | NEXT, D + 1 }, REPLY },
	  GOOD_TABLE },
	{ "a table to be written", SERVED, { { TABLE, 32, INDIRECT | WRITE } }, GOOD_TABLE },
	{ "a table behind the request", SERVED, { REQUEST, { TABLE, 16, INDIRECT } }, { REPLY } },
	{ "a table in itself", EMPTY, AS_TABLE(32), { { TABLE, 32, INDIRECT } } },
	{ "a table in a table", EMPTY, AS_TABLE(32), { T_REQUEST, { TABLE, 32, INDIRECT } } },
	{ "a table whose next is behind it", EMPTY, AS_TABLE(32), { { IN, GETATTR_N, NEXT, 2 } } },
	{ "a table whose next is 65535", EMPTY, AS_TABLE(32), { { IN, GETATTR_N, NEXT, 0xffff } } },
	{ "a table that loops", EMPTY, AS_TABLE(32), { { IN, GETATTR_N, NEXT, 0 } } },
	{ "a table with room before the request",
	  EMPTY,
	  AS_TABLE(32),
	  { { OUT, ATTR_ROOM, WRITE | NEXT, 1 }, { IN, GETATTR_N } } },
	{ "a table whose reply is nowhere",
	  EMPTY,
	  AS_TABLE(32),
	  { T_REQUEST, { NOWHERE, ATTR_ROOM, WRITE } } },
	{ "a table whose request is nowhere",
	  EMPTY,
	  AS_TABLE(32),
	  { { NOWHERE, GETATTR_N, NEXT, 1 }, REPLY } },
};

static uint64_t address_of(const struct fixture *f, const struct raw *raw, const struct desc *desc)
{
	const struct guest_region *region = &f->vmm.mem.regions[0];

	switch (desc->place) {
	case IN:
		return raw->in_gpa + desc->offset;
	case OUT:
		return raw->out_gpa + desc->offset;
	case TABLE:
		return raw->in_gpa + TABLE_AT + desc->offset;
	case NOWHERE:
		return UNTOUCHABLE;
	case ZERO:
		return 0;
	case WRAPS:
		return UINT64_MAX - 15;
	case LAST:
		return region->gpa + region->size - 16;
	}
	g_assert_not_reached();
}

static void lay_chain(const struct fixture *f, struct raw *raw, const struct violation *v)
{
	uint32_t at = v->descs[0].place == TABLE ? v->descs[0].offset : 0;

	for (unsigned int i = 0; i < MAX_DESCS; i++) {
		const struct desc *d = &v->descs[i], *t = &v->table[i];
		const struct vring_desc entry = { .addr = address_of(f, raw, t),
						  .len = t->len,
						  .flags = t->flags,
						  .next = t->next };

		ring_set_desc(raw->ring, (uint16_t)(D + i), address_of(f, raw, d), d->len, d->flags,
			      d->next);
		memcpy(raw->in + TABLE_AT + at + i * sizeof(entry), &entry, sizeof(entry));
	}
}

/* One daemon for all chains: it has to survive them. */
static struct fixture *shared;
static struct raw shared_raw;

static void test_violation(gconstpointer data)
{
	static const struct fuse_getattr_in in;
	const struct violation *v = data;
	struct raw *raw = &shared_raw;
	struct fuse_out_header out;
	int used;

	if (!shared) {
		shared = fixture_start(NULL);
		raw_init(&shared_raw, shared, 1);
	}
	raw_fill(raw, FUSE_GETATTR, FUSE_ROOT_ID, &in, sizeof(in));
	lay_chain(shared, raw, v);
	memset(raw->out, 0xee, 4096);
	raw_send_head(raw, D);
	used = raw_wait(raw, D);
	g_assert_cmpint(used, >=, 0);
	memcpy(&out, raw->out, sizeof(out));
	if (v->outcome == EMPTY) {
		g_assert_cmpint(used, ==, 0);
	} else {
		g_assert_cmpint(used, >=, (int)sizeof(out));
		if (v->outcome == FAILS)
			g_assert_cmpint(out.error, <, 0);
		else
			g_assert_cmpint(out.error, ==, 0);
	}
	fixture_check_alive(shared);
}

/* ---- Rings that are none ---- */

static void expect_error_signal(const struct ring *ring)
{
	uint64_t count;

	for (int64_t end = deadline_default(); read(ring->err_fd, &count, sizeof(count)) < 0;)
		if (errno != EAGAIN || deadline_left_ms(end) == 0)
			test_die("the ring's error is not told");
}

/* The session answers, another queue serves, and so does this one when it is set up anew. */
static void expect_recovery(struct fixture *f, uint16_t good)
{
	struct ring *ring = f->client.ring;
	uint32_t base;

	g_assert_true(fixture_session_answers(f));
	fuse_forget(&f->client, 12345, 1);
	fe_or_die(ring_stop(ring, &base), "GET_VRING_BASE");
	ring->used_seen = ring->used->idx = ring->next_avail = ring->published = good;
	ring->kicked = good;
	__atomic_store_n(&ring->avail->idx, good, __ATOMIC_RELEASE);
	fe_or_die(ring_start(ring, good), "start");
	fixture_check_alive(f);
}

static void test_head(gconstpointer data)
{
	struct fixture *f = fixture_start(NULL);
	struct ring *ring = f->client.ring;
	uint16_t good = ring->published;

	ring_offer(ring, (uint16_t)GPOINTER_TO_UINT(data));
	fe_or_die(ring_flush(ring), "kick");
	expect_error_signal(ring);
	expect_recovery(f, good);
	fixture_stop(f);
}

static void test_jump(gconstpointer data)
{
	struct fixture *f = fixture_start(NULL);
	struct ring *ring = f->client.ring;
	uint16_t good = ring->published;

	__atomic_store_n(&ring->avail->idx, (uint16_t)(good + GPOINTER_TO_UINT(data)),
			 __ATOMIC_RELEASE);
	fe_or_die(ring_kick(ring), "kick");
	expect_error_signal(ring);
	expect_recovery(f, good);
	fixture_stop(f);
}

static void add_numbers(const char *format, const unsigned int *numbers, size_t n,
			GTestDataFunc test) __attribute__((format(printf, 1, 0)));

static void add_numbers(const char *format, const unsigned int *numbers, size_t n,
			GTestDataFunc test)
{
	for (size_t i = 0; i < n; i++) {
		g_autofree char *number = g_strdup_printf("%u", numbers[i]);
		g_autofree char *path = g_strconcat(format, number, NULL);

		g_test_add_data_func(path, GUINT_TO_POINTER(numbers[i]), test);
	}
}

int main(int argc, char **argv)
{
	static const unsigned int heads[] = { 1024, 1025, 2000, 0x7fff, 0x8000, 0xffff };
	static const unsigned int jumps[] = { 1025, 2048, 0x7fff, 0x8000, 0xffff };
	int result;

	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(violations); i++) {
		g_autofree char *path = g_strdup_printf("/hostile-chains/%s", violations[i].name);

		g_test_add_data_func(path, &violations[i], test_violation);
	}
	add_numbers("/hostile-chains/a chain begins at ", heads, G_N_ELEMENTS(heads), test_head);
	add_numbers("/hostile-chains/the driver's index jumps by ", jumps, G_N_ELEMENTS(jumps),
		    test_jump);
	result = g_test_run();
	if (shared)
		fixture_stop(shared);
	return result;
}
