/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A split virtqueue under a driver that may lie: which chains are taken apart how, when the ring
 * counts as broken, and who is notified when.
 */
#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "tests/unit/vhost-unit.h"
#include "vhost/virtqueue-internal.h"

#define NEXT	    VRING_DESC_F_NEXT
#define WRITE	    VRING_DESC_F_WRITE
#define INDIRECT    VRING_DESC_F_INDIRECT

#define DATA	    (16 * UNIT_PAGE) /* offset of buffers */
#define TABLE	    (8 * UNIT_PAGE)  /* offset of indirect tables */
#define NOWHERE_GPA 0x10u

struct fixture {
	struct unit_ram ram;
	struct unit_ring ring;
	struct virtqueue vq;
	struct vq_chain chain;
	int call_fd;
	int err_fd;
};

static struct vq_inflight inflight;

static const struct vq_ring_place unit_place = {
	.size = UNIT_RING_SIZE,
	.desc_uva = UNIT_UVA + UNIT_DESC_OFFSET,
	.avail_uva = UNIT_UVA + UNIT_AVAIL_OFFSET,
	.used_uva = UNIT_UVA + UNIT_USED_OFFSET,
};

static int set_call(struct fixture *f, enum vq_signal_kind kind, int fd)
{
	int former = -1;
	int r = vq_set_call(&f->vq, kind, fd, &former);

	fd_close(&former);
	return r;
}

static int set_err(struct fixture *f, enum vq_signal_kind kind, int fd)
{
	int former = -1;
	int r = vq_set_err(&f->vq, kind, fd, &former);

	fd_close(&former);
	return r;
}

/* Takes the memory. */
static void start_on(struct fixture *f, struct guest_memory *memory, bool event_idx,
		     uint16_t last_avail)
{
	struct vq_setup setup = {
		.place = unit_place,
		.memory = memory,
		.last_avail = last_avail,
		.kick_fd = -1,
		.event_idx = event_idx,
		.indirect = true,
		.inflight = &inflight,
	};

	vq_inflight_reset(&inflight);
	vq_init(&f->vq, 3);
	f->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->err_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g_assert_cmpint(set_call(f, VQ_SIGNAL_FD, dup(f->call_fd)), ==, 0);
	g_assert_cmpint(set_err(f, VQ_SIGNAL_FD, dup(f->err_fd)), ==, 0);
	g_assert_cmpint(vq_open(&f->vq, &setup), ==, 0);
	guest_memory_put(memory);
}

static struct fixture *fixture_new(bool event_idx)
{
	struct fixture *f = g_new0(struct fixture, 1);

	unit_ram_init(&f->ram);
	unit_ring_init(&f->ring, &f->ram);
	start_on(f, unit_memory(&f->ram), event_idx, 0);
	return f;
}

static void fixture_free(struct fixture *f)
{
	vq_close(&f->vq, 1);
	vq_deinit(&f->vq);
	close(f->call_fd);
	close(f->err_fd);
	unit_ram_deinit(&f->ram);
	g_free(f);
}

static uint64_t read_count(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* Where the queue's own mapping has the given offset of the memory, as an address. */
static const void *hva(const struct fixture *f, uint64_t offset)
{
	uint64_t len;

	return guest_memory_from_gpa(f->vq.memory, unit_gpa(offset), 1, &len);
}

static void pop(struct fixture *f)
{
	g_assert_cmpint(vq_pop(&f->vq, &f->chain), ==, VQ_POP_CHAIN);
}

static void push(struct fixture *f, uint32_t written)
{
	uint16_t slot = f->ring.used->idx % UNIT_RING_SIZE;
	uint16_t head = f->chain.head;

	vq_push(&f->vq, &(struct vq_used){ .head = head, .n_written = written }, 1);
	g_assert_cmpuint(f->ring.used->ring[slot].id, ==, head);
	g_assert_cmpuint(f->ring.used->ring[slot].len, ==, written);
}

static void check_iov(const struct fixture *f, unsigned int i, uint64_t offset, size_t len)
{
	g_assert_true(f->chain.iov[i].iov_base == hva(f, offset));
	g_assert_cmpuint(f->chain.iov[i].iov_len, ==, len);
}

static void check_counts(const struct fixture *f, unsigned int n_readable, unsigned int n_writable,
			 bool damaged)
{
	g_assert_cmpuint(f->chain.n_readable, ==, n_readable);
	g_assert_cmpuint(f->chain.n_writable, ==, n_writable);
	g_assert_cmpint(f->chain.damaged, ==, damaged);
}

static void test_chain(void)
{
	struct fixture *f = fixture_new(false);

	g_assert_cmpint(vq_pop(&f->vq, &f->chain), ==, VQ_POP_EMPTY);
	g_assert_false(vq_has_work(&f->vq));
	unit_desc(&f->ring, 5, unit_gpa(DATA), 40, NEXT, 2);
	unit_desc(&f->ring, 2, unit_gpa(DATA + 100), 10, NEXT, 9);
	unit_desc(&f->ring, 9, unit_gpa(DATA + 200), 0, NEXT, 7); /* empty: skipped */
	unit_desc(&f->ring, 7, unit_gpa(DATA + 300), 16, WRITE | NEXT, 8);
	unit_desc(&f->ring, 8, unit_gpa(DATA + 400), 4096, WRITE, 0);
	unit_offer(&f->ring, 5);
	g_assert_true(vq_has_work(&f->vq));
	pop(f);
	check_counts(f, 2, 2, false);
	check_iov(f, 0, DATA, 40);
	check_iov(f, 1, DATA + 100, 10);
	check_iov(f, 2, DATA + 300, 16);
	check_iov(f, 3, DATA + 400, 4096);
	push(f, 20);
	g_assert_cmpuint(f->ring.used->idx, ==, 1);
	g_assert_cmpint(vq_pop(&f->vq, &f->chain), ==, VQ_POP_EMPTY);
	g_assert_cmpuint(vq_close(&f->vq, 1), ==, 1);
	fixture_free(f);
}

/* The second is looked at when the first is popped. */
static void test_chains_in_a_row(void)
{
	struct fixture *f = fixture_new(false);

	unit_desc(&f->ring, 3, unit_gpa(DATA), 40, 0, 0);
	unit_desc(&f->ring, 4, unit_gpa(DATA + 100), 10, 0, 0);
	unit_offer(&f->ring, 3);
	unit_offer(&f->ring, 4);
	unit_offer(&f->ring, UNIT_RING_SIZE);
	pop(f);
	check_counts(f, 1, 0, false);
	check_iov(f, 0, DATA, 40);
	push(f, 0);
	pop(f);
	g_assert_cmpuint(f->chain.head, ==, 4);
	check_iov(f, 0, DATA + 100, 10);
	push(f, 0);
	/* What has not been popped is left to whoever opens the queue next. */
	g_assert_true(vq_has_work(&f->vq));
	g_assert_cmpint(vq_pop(&f->vq, &f->chain), ==, VQ_POP_BROKEN);
	g_assert_cmpuint(vq_close(&f->vq, 1), ==, 2);
	fixture_free(f);
}

static void test_wrap(void)
{
	struct fixture *f = g_new0(struct fixture, 1);

	unit_ram_init(&f->ram);
	unit_ring_init(&f->ring, &f->ram);
	f->ring.next_avail = 65530;
	f->ring.avail->idx = 65530;
	f->ring.used->idx = 65530;
	start_on(f, unit_memory(&f->ram), true, 65530);
	unit_desc(&f->ring, 0, unit_gpa(DATA), 8, 0, 0);
	for (unsigned int i = 0; i < 100; i++) {
		f->ring.avail->ring[UNIT_RING_SIZE] = f->ring.used->idx; /* tell of the next */
		unit_offer(&f->ring, 0);
		pop(f);
		push(f, 0);
		g_assert_cmpuint(read_count(f->call_fd), ==, 1);
		g_assert_cmpuint(f->ring.used->idx, ==, f->ring.next_avail);
	}
	fixture_free(f);
}

static void test_indirect(void)
{
	struct fixture *f = fixture_new(false);
	struct vring_desc *table = (struct vring_desc *)(f->ram.map + TABLE);

	table[0] = (struct vring_desc){ unit_gpa(DATA), 40, NEXT, 2 };
	table[2] = (struct vring_desc){ unit_gpa(DATA + 64), 80, WRITE, 0 };
	unit_desc(&f->ring, 0, unit_gpa(TABLE), 3 * 16, INDIRECT, 0);
	unit_offer(&f->ring, 0);
	pop(f);
	check_counts(f, 1, 1, false);
	check_iov(f, 0, DATA, 40);
	check_iov(f, 1, DATA + 64, 80);
	push(f, 0);
	/* At the end of a direct chain. */
	unit_desc(&f->ring, 1, unit_gpa(DATA + 500), 5, NEXT, 0);
	unit_offer(&f->ring, 1);
	pop(f);
	check_counts(f, 2, 1, false);
	check_iov(f, 0, DATA + 500, 5);
	push(f, 0);
	/* A table at an odd address is copied entry by entry. */
	memmove(f->ram.map + TABLE + 3, table, 3 * 16);
	unit_desc(&f->ring, 0, unit_gpa(TABLE + 3), 3 * 16, INDIRECT, 0);
	unit_offer(&f->ring, 0);
	pop(f);
	check_counts(f, 1, 1, false);
	check_iov(f, 1, DATA + 64, 80);
	push(f, 0);
	fixture_free(f);
}

/* Two regions side by side in guest addresses, far apart in the file. */
static struct fixture *fixture_new_split(void)
{
	struct fixture *f = g_new0(struct fixture, 1);
	struct guest_memory *empty = guest_memory_new(), *one, *both;
	struct guest_region_desc low = unit_region(0, 20), high = unit_region(20, 8);

	unit_ram_init(&f->ram);
	unit_ring_init(&f->ring, &f->ram);
	high.mmap_offset = 40 * UNIT_PAGE;
	g_assert_cmpint(guest_memory_add(empty, &low, dup(f->ram.fd), &one), ==, 0);
	g_assert_cmpint(guest_memory_add(one, &high, dup(f->ram.fd), &both), ==, 0);
	guest_memory_put(empty);
	guest_memory_put(one);
	start_on(f, both, false, 0);
	return f;
}

#define EDGE (20 * UNIT_PAGE)

static void test_region_edge(void)
{
	struct fixture *f = fixture_new_split();

	unit_desc(&f->ring, 0, unit_gpa(EDGE - 100), 300, WRITE, 0);
	unit_offer(&f->ring, 0);
	pop(f);
	check_counts(f, 0, 2, false);
	check_iov(f, 0, EDGE - 100, 100);
	check_iov(f, 1, EDGE, 200);
	memset(f->chain.iov[1].iov_base, 'z', 200);
	g_assert_cmpint(f->ram.map[40 * UNIT_PAGE + 199], ==, 'z');
	push(f, 300);
	fixture_free(f);
}

static void test_indirect_across_regions(void)
{
	struct fixture *f = fixture_new_split();
	struct vring_desc entry[2] = {
		{ unit_gpa(DATA), 40, NEXT, 1 },
		{ unit_gpa(DATA + 64), 80, WRITE, 0 },
	};

	/* The edge goes through the middle of the second entry. */
	memcpy(f->ram.map + EDGE - 24, entry, 24);
	memcpy(f->ram.map + 40 * UNIT_PAGE, (char *)entry + 24, 8);
	unit_desc(&f->ring, 0, unit_gpa(EDGE - 24), 32, INDIRECT, 0);
	unit_offer(&f->ring, 0);
	pop(f);
	check_counts(f, 1, 1, false);
	check_iov(f, 0, DATA, 40);
	check_iov(f, 1, DATA + 64, 80);
	push(f, 0);
	fixture_free(f);
}

/* Pops what begins at descriptor 0, which must be damaged, and gives it back. */
static void expect_damaged(struct fixture *f, unsigned int n_readable, unsigned int n_writable)
{
	unit_offer(&f->ring, 0);
	pop(f);
	check_counts(f, n_readable, n_writable, true);
	push(f, 0);
}

static void test_structure(void)
{
	struct fixture *f = fixture_new(false);
	struct vring_desc *table = (struct vring_desc *)(f->ram.map + TABLE);

	/* Readable behind writable. */
	unit_desc(&f->ring, 0, unit_gpa(DATA), 8, WRITE | NEXT, 1);
	unit_desc(&f->ring, 1, unit_gpa(DATA), 8, 0, 0);
	expect_damaged(f, 0, 1);
	/* A loop, with and without bytes. */
	unit_desc(&f->ring, 0, unit_gpa(DATA), 8, NEXT, 0);
	expect_damaged(f, UNIT_RING_SIZE, 0);
	unit_desc(&f->ring, 0, unit_gpa(DATA), 0, NEXT, 0);
	expect_damaged(f, 0, 0);
	/* A link out of the table. */
	unit_desc(&f->ring, 0, unit_gpa(DATA), 8, NEXT, UNIT_RING_SIZE);
	expect_damaged(f, 1, 0);
	/* An indirect table that names another. */
	table[0] = (struct vring_desc){ unit_gpa(TABLE), 16, INDIRECT, 0 };
	unit_desc(&f->ring, 0, unit_gpa(TABLE), 16, INDIRECT, 0);
	expect_damaged(f, 0, 0);
	/* A link out of an indirect table, and a loop in it. */
	table[0] = (struct vring_desc){ unit_gpa(DATA), 4, NEXT, 1 };
	expect_damaged(f, 1, 0);
	table[0].next = 0;
	expect_damaged(f, 1, 0);
	/* Lengths that are no table, a table with a link behind it, one outside memory. */
	unit_desc(&f->ring, 0, unit_gpa(TABLE), 0, INDIRECT, 0);
	expect_damaged(f, 0, 0);
	unit_desc(&f->ring, 0, unit_gpa(TABLE), 24, INDIRECT, 0);
	expect_damaged(f, 0, 0);
	unit_desc(&f->ring, 0, unit_gpa(TABLE), 16, INDIRECT | NEXT, 1);
	expect_damaged(f, 0, 0);
	unit_desc(&f->ring, 0, NOWHERE_GPA, 16, INDIRECT, 0);
	expect_damaged(f, 0, 0);
	unit_desc(&f->ring, 0, UINT64_MAX - 15, 32, INDIRECT, 0);
	expect_damaged(f, 0, 0);
	fixture_free(f);
}

static void test_indirect_not_agreed(void)
{
	struct fixture *f = fixture_new(false);

	f->vq.indirect = false;
	unit_desc(&f->ring, 0, unit_gpa(TABLE), 16, INDIRECT, 0);
	expect_damaged(f, 0, 0);
	fixture_free(f);
}

static void test_addresses(void)
{
	struct fixture *f = fixture_new(false);

	/* Bad data, but the place for the answer is good. */
	unit_desc(&f->ring, 0, unit_gpa(DATA), 40, NEXT, 1);
	unit_desc(&f->ring, 1, NOWHERE_GPA, 40, NEXT, 2);
	unit_desc(&f->ring, 2, unit_gpa(DATA + 80), 40, NEXT, 3);
	unit_desc(&f->ring, 3, unit_gpa(DATA + 120), 16, WRITE, 0);
	expect_damaged(f, 1, 1);
	check_iov(f, 0, DATA, 40);
	check_iov(f, 1, DATA + 120, 16);
	/* Out of memory at its end: the beginning is usable. */
	unit_desc(&f->ring, 0, unit_gpa(UNIT_RAM_SIZE - 8), 40, WRITE, 0);
	expect_damaged(f, 0, 1);
	check_iov(f, 0, UNIT_RAM_SIZE - 8, 8);
	unit_desc(&f->ring, 0, UINT64_MAX - 10, 100, WRITE, 0);
	expect_damaged(f, 0, 0);
	unit_desc(&f->ring, 0, unit_gpa(0), UINT32_MAX, WRITE, 0);
	expect_damaged(f, 0, 1);
	fixture_free(f);
}

/* Pages of one buffer, as a guest sends them: adjacent, then a gap, then the other direction. */
static void test_adjacent_buffers(void)
{
	struct fixture *f = fixture_new(false);

	unit_desc(&f->ring, 0, unit_gpa(60 * UNIT_PAGE), 100, NEXT, 1);
	unit_desc(&f->ring, 1, unit_gpa(60 * UNIT_PAGE) + 100, 50, NEXT, 2);
	unit_desc(&f->ring, 2, unit_gpa(60 * UNIT_PAGE) + 151, 10, NEXT, 3);
	unit_desc(&f->ring, 3, unit_gpa(60 * UNIT_PAGE) + 161, 20, WRITE | NEXT, 4);
	unit_desc(&f->ring, 4, unit_gpa(60 * UNIT_PAGE) + 181, 20, WRITE, 0);
	unit_offer(&f->ring, 0);
	pop(f);
	check_counts(f, 2, 1, false);
	check_iov(f, 0, 60 * UNIT_PAGE, 150);
	check_iov(f, 1, 60 * UNIT_PAGE + 151, 10);
	check_iov(f, 2, 60 * UNIT_PAGE + 161, 40);
	g_assert_cmpuint(f->chain.n_bytes, ==, 200);
	push(f, 0);
	fixture_free(f);
}

static void test_segment_limit(void)
{
	struct fixture *f = fixture_new(false);
	struct vring_desc *table = (struct vring_desc *)(f->ram.map + TABLE);

	for (unsigned int i = 0; i < VQ_MAX_SEGMENTS + 1; i++)
		table[i] = (struct vring_desc){ unit_gpa(60 * UNIT_PAGE), 1, WRITE | NEXT, i + 1 };
	table[VQ_MAX_SEGMENTS - 1].flags = WRITE;
	unit_desc(&f->ring, 0, unit_gpa(TABLE), (VQ_MAX_SEGMENTS + 1) * 16, INDIRECT, 0);
	unit_offer(&f->ring, 0);
	pop(f);
	check_counts(f, 0, VQ_MAX_SEGMENTS, false);
	push(f, 0);
	table[VQ_MAX_SEGMENTS - 1].flags = WRITE | NEXT;
	table[VQ_MAX_SEGMENTS].flags = WRITE;
	expect_damaged(f, 0, VQ_MAX_SEGMENTS);
	fixture_free(f);
}

static void expect_broken(struct fixture *f)
{
	g_assert_cmpint(vq_pop(&f->vq, &f->chain), ==, VQ_POP_BROKEN);
	g_assert_cmpuint(read_count(f->err_fd), ==, 1);
	for (int i = 0; i < 3; i++)
		g_assert_cmpint(vq_pop(&f->vq, &f->chain), ==, VQ_POP_EMPTY);
	g_assert_false(vq_has_work(&f->vq));
	g_assert_false(vq_notifications_on(&f->vq));
	g_assert_cmpuint(read_count(f->err_fd), ==, 0);
	fixture_free(f);
}

static void test_index_jump(void)
{
	struct fixture *f = fixture_new(false);

	f->ring.avail->idx = UNIT_RING_SIZE + 1;
	expect_broken(f);
}

static void test_index_back(void)
{
	struct fixture *f = fixture_new(false);

	f->ring.avail->idx = UINT16_MAX;
	expect_broken(f);
}

static void test_bad_head(void)
{
	struct fixture *f = fixture_new(false);

	unit_offer(&f->ring, UNIT_RING_SIZE);
	expect_broken(f);
}

static void test_full_ring(void)
{
	struct fixture *f = fixture_new(false);

	for (uint16_t i = 0; i < UNIT_RING_SIZE; i++) {
		unit_desc(&f->ring, i, unit_gpa(DATA), 8, 0, 0);
		unit_offer(&f->ring, i);
	}
	for (uint16_t i = 0; i < UNIT_RING_SIZE; i++) {
		pop(f);
		push(f, 0);
	}
	g_assert_cmpint(vq_pop(&f->vq, &f->chain), ==, VQ_POP_EMPTY);
	fixture_free(f);
}

/* Pops `n` chains and pushes them together; whether the driver was told. */
static bool told_after(struct fixture *f, unsigned int n)
{
	struct vq_used used[UNIT_RING_SIZE] = { 0 };

	g_assert_cmpuint(n, <=, UNIT_RING_SIZE);
	for (unsigned int i = 0; i < n; i++) {
		unit_desc(&f->ring, i, unit_gpa(DATA), 8, 0, 0);
		unit_offer(&f->ring, (uint16_t)i);
		pop(f);
		used[i].head = f->chain.head;
	}
	vq_push(&f->vq, used, n);
	return read_count(f->call_fd);
}

static void test_call_flag(void)
{
	struct fixture *f = fixture_new(false);

	g_assert_true(told_after(f, 1));
	g_assert_true(told_after(f, 3));
	f->ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	g_assert_false(told_after(f, 1));
	f->ring.avail->flags = 0;
	g_assert_true(told_after(f, 1));
	fixture_free(f);
}

/* What is popped may be pushed in any order, and several at a time. */
static void test_push_order(void)
{
	struct fixture *f = fixture_new(false);
	struct vq_used used[2];

	unit_desc(&f->ring, 0, unit_gpa(DATA), 8, 0, 0);
	unit_desc(&f->ring, 1, unit_gpa(DATA), 8, 0, 0);
	unit_offer(&f->ring, 0);
	unit_offer(&f->ring, 1);
	pop(f);
	used[1] = (struct vq_used){ .head = f->chain.head, .n_written = 24 };
	pop(f);
	used[0] = (struct vq_used){ .head = f->chain.head, .n_written = 16 };
	vq_push(&f->vq, used, 2);
	g_assert_cmpuint(f->ring.used->idx, ==, 2);
	g_assert_cmpuint(f->ring.used->ring[0].id, ==, 1);
	g_assert_cmpuint(f->ring.used->ring[0].len, ==, 16);
	g_assert_cmpuint(f->ring.used->ring[1].id, ==, 0);
	g_assert_cmpuint(f->ring.used->ring[1].len, ==, 24);
	g_assert_cmpuint(vq_max_kept(&f->vq), >, 0);
	g_assert_cmpuint(vq_max_kept(&f->vq), <=, UNIT_RING_SIZE / 2);
	fixture_free(f);
}

static void test_call_event(void)
{
	struct fixture *f = fixture_new(true);
	uint16_t *used_event = &f->ring.avail->ring[UNIT_RING_SIZE];

	f->ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT; /* means nothing here */
	*used_event = 0;
	g_assert_true(told_after(f, 1));
	*used_event = 3;
	g_assert_false(told_after(f, 2)); /* now 3 used: index 3 is the one waited for */
	g_assert_true(told_after(f, 1));
	g_assert_false(told_after(f, 1));
	*used_event = 6;
	g_assert_true(told_after(f, 4)); /* passed in the middle of a batch */
	fixture_free(f);
}

static void test_kicks(void)
{
	struct fixture *f = fixture_new(false);

	vq_notifications_off(&f->vq);
	g_assert_cmpuint(f->ring.used->flags, ==, VRING_USED_F_NO_NOTIFY);
	g_assert_false(vq_notifications_on(&f->vq));
	g_assert_cmpuint(f->ring.used->flags, ==, 0);
	vq_notifications_off(&f->vq);
	unit_desc(&f->ring, 0, unit_gpa(DATA), 8, 0, 0);
	unit_offer(&f->ring, 0);
	g_assert_true(vq_notifications_on(&f->vq));
	fixture_free(f);
}

static void test_kicks_event(void)
{
	struct fixture *f = fixture_new(true);
	uint16_t *avail_event = (uint16_t *)&f->ring.used->ring[UNIT_RING_SIZE];

	g_assert_cmpuint(*avail_event, ==, 0);
	told_after(f, 1);
	g_assert_cmpuint(*avail_event, ==, 1); /* on from the start */
	vq_notifications_off(&f->vq);
	told_after(f, 2);
	g_assert_cmpuint(*avail_event, ==, 1);
	g_assert_false(vq_notifications_on(&f->vq));
	g_assert_cmpuint(*avail_event, ==, 3);
	g_assert_cmpuint(f->ring.used->flags, ==, 0);
	fixture_free(f);
}

static void test_full_call_fds(void)
{
	uint64_t almost_full = UINT64_MAX - 1;
	struct fixture *f = fixture_new(false);
	int blocking = eventfd(0, EFD_CLOEXEC), pipe_fds[2];

	/* A blocking eventfd without room: writing would wait for ever. */
	g_assert_cmpint(write(blocking, &almost_full, 8), ==, 8);
	g_assert_cmpint(set_call(f, VQ_SIGNAL_FD, dup(blocking)), ==, 0);
	g_assert_false(told_after(f, 1));
	g_assert_cmpuint(read_count(blocking), ==, almost_full);
	g_assert_false(told_after(f, 1));
	g_assert_cmpuint(read_count(blocking), ==, 1);
	close(blocking);
	/* A blocking pipe that nobody reads, then one that nobody could. */
	g_assert_cmpint(pipe2(pipe_fds, O_CLOEXEC), ==, 0);
	g_assert_cmpint(fcntl(pipe_fds[1], F_SETPIPE_SZ, 4096), ==, 4096);
	g_assert_cmpint(set_call(f, VQ_SIGNAL_FD, pipe_fds[1]), ==, 0);
	for (int i = 0; i < 600; i++)
		told_after(f, 1);
	close(pipe_fds[0]);
	told_after(f, 1);
	fixture_free(f);
}

static void test_unusable_call_fds(void)
{
	unsigned int before = unit_count_fds();
	struct fixture *f = fixture_new(false);
	int pipe_fds[2];

	g_assert_cmpint(pipe2(pipe_fds, O_CLOEXEC), ==, 0);
	g_assert_cmpint(set_call(f, VQ_SIGNAL_FD, pipe_fds[0]), ==, -EINVAL);
	close(pipe_fds[1]);
	g_assert_cmpint(set_call(f, VQ_SIGNAL_FD, dup(f->ram.fd)), ==, -EINVAL);
	g_assert_true(told_after(f, 1)); /* the former one is still in place */
	fixture_free(f);
	g_assert_cmpuint(unit_count_fds(), ==, before);
}

static void test_missed_call(void)
{
	struct fixture *f = fixture_new(false);

	g_assert_cmpint(set_call(f, VQ_SIGNAL_INBAND, -1), ==, 0);
	g_assert_false(told_after(f, 1));
	g_assert_cmpint(set_call(f, VQ_SIGNAL_FD, dup(f->call_fd)), ==, 0);
	g_assert_cmpuint(read_count(f->call_fd), ==, 1);
	g_assert_cmpint(set_call(f, VQ_SIGNAL_NONE, -1), ==, 0);
	g_assert_false(told_after(f, 1));
	g_assert_cmpint(set_call(f, VQ_SIGNAL_FD, dup(f->call_fd)), ==, 0);
	g_assert_cmpuint(read_count(f->call_fd), ==, 0); /* it polled, it knows */
	fixture_free(f);
}

static void test_ring_place(void)
{
	struct fixture *f = fixture_new(false);
	const uint64_t last = UNIT_UVA + UNIT_RAM_SIZE;
	struct vq_ring_place bad = unit_place;
	struct vq_ring ring;

	bad.desc_uva += 8;
	g_assert_cmpint(vq_check_alignment(&bad), ==, -EINVAL);
	bad = unit_place;
	bad.used_uva += 2;
	g_assert_cmpint(vq_check_alignment(&bad), ==, -EINVAL);
	bad = unit_place;
	bad.avail_uva++;
	g_assert_cmpint(vq_check_alignment(&bad), ==, -EINVAL);
	bad = unit_place;
	bad.desc_uva = last - 15 * 16;
	g_assert_cmpint(vq_map_ring(&bad, f->vq.memory, &ring), ==, -EFAULT);
	bad.desc_uva -= 16;
	g_assert_cmpint(vq_map_ring(&bad, f->vq.memory, &ring), ==, 0);
	bad.used_uva = last - (4 + 8 * UNIT_RING_SIZE); /* no room for the event word */
	g_assert_cmpint(vq_map_ring(&bad, f->vq.memory, &ring), ==, -EFAULT);
	bad = unit_place;
	bad.avail_uva = last - (4 + 2 * UNIT_RING_SIZE);
	g_assert_cmpint(vq_map_ring(&bad, f->vq.memory, &ring), ==, -EFAULT);
	bad.avail_uva = UINT64_MAX - 1;
	g_assert_cmpint(vq_map_ring(&bad, f->vq.memory, &ring), ==, -EFAULT);
	fixture_free(f);
}

/* ---- Many threads: a leader hands chains out, all push and notify, calls are replaced ---- */

#define N_THREADS  3
#define N_REQUESTS 20000

struct crowd {
	struct fixture *f;
	pthread_mutex_t lead; /* whoever pops */
	unsigned int popped;  /* guarded by lead */
};

static void answer(struct crowd *crowd, const struct vq_chain *chain, bool leading)
{
	const struct vq_used used = { .head = chain->head, .n_written = 64 };

	memset(chain->iov[0].iov_base, chain->head, chain->iov[0].iov_len);
	if (leading)
		vq_push_leading(&crowd->f->vq, &used, 1);
	else
		vq_push(&crowd->f->vq, &used, 1);
}

/* Every other request is answered by who still leads. */
static void *serve(void *arg)
{
	struct crowd *crowd = arg;
	struct vq_chain *chain = g_new(struct vq_chain, 1);
	bool done = false;

	while (!done) {
		bool popped = false, leading = false;

		pthread_mutex_lock(&crowd->lead);
		done = crowd->popped == N_REQUESTS;
		if (!done)
			popped = vq_pop(&crowd->f->vq, chain) == VQ_POP_CHAIN;
		if (popped)
			leading = crowd->popped++ % 2;
		if (leading)
			answer(crowd, chain, true);
		pthread_mutex_unlock(&crowd->lead);
		if (!popped)
			g_thread_yield();
		else if (!leading)
			answer(crowd, chain, false);
	}
	g_free(chain);
	return NULL;
}

/* Offers everything, a ring full at most at once, and checks what comes back. */
static void drive(struct fixture *f)
{
	unsigned int offered = 0, seen = 0;

	while (seen < N_REQUESTS) {
		uint16_t used = __atomic_load_n(&f->ring.used->idx, __ATOMIC_ACQUIRE);

		for (; (uint16_t)seen != used; seen++) {
			struct vring_used_elem e = f->ring.used->ring[seen % UNIT_RING_SIZE];

			g_assert_cmpuint(e.len, ==, 64);
			g_assert_cmpint(f->ram.map[DATA + 64 * e.id + 63], ==, (char)e.id);
			f->ring.avail->ring[offered % UNIT_RING_SIZE] = (uint16_t)e.id;
			if (offered < N_REQUESTS)
				unit_offer(&f->ring, (uint16_t)e.id);
			offered++;
		}
		while (offered < UNIT_RING_SIZE)
			unit_offer(&f->ring, (uint16_t)offered++);
		if (seen % 7 == 0)
			set_call(f, VQ_SIGNAL_FD, dup(f->call_fd));
		g_thread_yield();
	}
}

static void test_crowd(void)
{
	struct fixture *f = fixture_new(true);
	struct crowd crowd = { .f = f, .lead = PTHREAD_MUTEX_INITIALIZER };
	pthread_t threads[N_THREADS];

	for (uint16_t i = 0; i < UNIT_RING_SIZE; i++)
		unit_desc(&f->ring, i, unit_gpa(DATA + 64 * i), 64, WRITE, 0);
	for (int i = 0; i < N_THREADS; i++)
		pthread_create(&threads[i], NULL, serve, &crowd);
	drive(f);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	g_assert_cmpuint(f->ring.used->idx, ==, (uint16_t)N_REQUESTS);
	fixture_free(f);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/virtqueue/a-chain-becomes-readable-and-writable-parts", test_chain);
	g_test_add_func("/virtqueue/chains-in-a-row-are-popped-in-order", test_chains_in_a_row);
	g_test_add_func("/virtqueue/positions-wrap", test_wrap);
	g_test_add_func("/virtqueue/indirect-tables-are-followed", test_indirect);
	g_test_add_func("/virtqueue/a-buffer-is-split-at-a-region-edge", test_region_edge);
	g_test_add_func("/virtqueue/an-indirect-table-may-lie-across-regions",
			test_indirect_across_regions);
	g_test_add_func("/virtqueue/malformed-chains-are-damaged-and-come-back", test_structure);
	g_test_add_func("/virtqueue/indirect-without-agreement-is-damage",
			test_indirect_not_agreed);
	g_test_add_func("/virtqueue/bad-addresses-leave-the-rest-usable", test_addresses);
	g_test_add_func("/virtqueue/adjacent-buffers-of-one-direction-are-one-segment",
			test_adjacent_buffers);
	g_test_add_func("/virtqueue/a-chain-has-at-most-1024-segments", test_segment_limit);
	g_test_add_func("/virtqueue/an-index-that-jumps-breaks-the-queue-once", test_index_jump);
	g_test_add_func("/virtqueue/an-index-that-goes-back-breaks-the-queue-once",
			test_index_back);
	g_test_add_func("/virtqueue/a-head-outside-the-table-breaks-the-queue-once", test_bad_head);
	g_test_add_func("/virtqueue/a-full-ring-is-no-jump", test_full_ring);
	g_test_add_func("/virtqueue/the-driver-is-told-unless-its-flag-forbids", test_call_flag);
	g_test_add_func("/virtqueue/chains-are-pushed-in-any-order-and-together", test_push_order);
	g_test_add_func("/virtqueue/the-driver-is-told-at-its-event-index", test_call_event);
	g_test_add_func("/virtqueue/kicks-are-switched-by-the-flag", test_kicks);
	g_test_add_func("/virtqueue/kicks-are-switched-by-the-event-index", test_kicks_event);
	g_test_add_func("/virtqueue/full-or-broken-call-descriptors-block-nobody",
			test_full_call_fds);
	g_test_add_func("/virtqueue/unusable-call-descriptors-are-refused", test_unusable_call_fds);
	g_test_add_func("/virtqueue/a-call-that-had-no-way-is-made-up-for", test_missed_call);
	g_test_add_func("/virtqueue/ring-parts-must-be-aligned-and-mapped-whole", test_ring_place);
	g_test_add_func("/virtqueue/threads-push-at-once-while-calls-are-replaced", test_crowd);
	return g_test_run();
}
