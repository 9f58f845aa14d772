/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that the cursor over iovecs copies, skips and slices exactly the bytes asked for, over
 * piece boundaries and empty pieces, and never beyond the end.
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "base/iov.h"

/* "abcdefghij" in pieces of 3, 0, 4, 0 and 3 bytes. */
struct pieces {
	char text[10];
	struct iovec iov[5];
};

static void fill(struct pieces *p, struct iov_cursor *cur)
{
	static const size_t lens[] = { 3, 0, 4, 0, 3 };
	size_t at = 0;

	memcpy(p->text, "abcdefghij", sizeof(p->text));
	for (int i = 0; i < 5; i++) {
		p->iov[i] = (struct iovec){ .iov_base = p->text + at, .iov_len = lens[i] };
		at += lens[i];
	}
	iov_cursor_init(cur, p->iov, 5);
}

static void a_new_cursor_counts_all_bytes(void)
{
	struct iov_cursor cur;
	struct pieces p;

	fill(&p, &cur);
	g_assert_cmpuint(cur.remaining, ==, 10);
	iov_cursor_init(&cur, NULL, 0);
	g_assert_cmpuint(cur.remaining, ==, 0);
}

static void copying_out_crosses_boundaries_and_goes_on(void)
{
	struct iov_cursor cur;
	char buf[16] = "";
	struct pieces p;

	fill(&p, &cur);
	g_assert_cmpuint(iov_copy_out(&cur, buf, 5), ==, 5);
	g_assert_cmpmem(buf, 5, "abcde", 5);
	g_assert_cmpuint(cur.remaining, ==, 5);
	g_assert_cmpuint(iov_copy_out(&cur, buf, sizeof(buf)), ==, 5);
	g_assert_cmpmem(buf, 5, "fghij", 5);
	g_assert_cmpuint(cur.remaining, ==, 0);
	g_assert_cmpuint(iov_copy_out(&cur, buf, sizeof(buf)), ==, 0);
}

static void copying_in_stops_at_the_end(void)
{
	struct iov_cursor cur;
	struct pieces p;

	fill(&p, &cur);
	g_assert_cmpuint(iov_skip(&cur, 2), ==, 2);
	g_assert_cmpuint(iov_copy_in(&cur, "0123456789", 10), ==, 8);
	g_assert_cmpmem(p.text, 10, "ab01234567", 10);
}

static void copying_nothing_moves_nothing(void)
{
	struct iov_cursor cur;
	struct pieces p;

	fill(&p, &cur);
	g_assert_cmpuint(iov_copy_out(&cur, NULL, 0), ==, 0);
	g_assert_cmpuint(iov_skip(&cur, 0), ==, 0);
	g_assert_cmpuint(cur.remaining, ==, 10);
}

static void skipping_past_the_end_tells_how_far_it_got(void)
{
	struct iov_cursor cur;
	struct pieces p;

	fill(&p, &cur);
	g_assert_cmpuint(iov_skip(&cur, SIZE_MAX), ==, 10);
	g_assert_cmpuint(cur.remaining, ==, 0);
}

static void a_slice_names_the_bytes_without_empty_pieces(void)
{
	struct iov_cursor cur;
	struct iovec out[5];
	struct pieces p;
	size_t len;

	fill(&p, &cur);
	g_assert_cmpuint(iov_skip(&cur, 1), ==, 1);
	g_assert_cmpuint(iov_slice(&cur, 8, out, 5, &len), ==, 3);
	g_assert_cmpuint(len, ==, 8);
	g_assert_true(out[0].iov_base == p.text + 1 && out[0].iov_len == 2);
	g_assert_true(out[1].iov_base == p.text + 3 && out[1].iov_len == 4);
	g_assert_true(out[2].iov_base == p.text + 7 && out[2].iov_len == 2);
	g_assert_cmpuint(cur.remaining, ==, 1);
}

static void a_slice_with_too_few_iovecs_is_short_and_can_go_on(void)
{
	struct iov_cursor cur;
	struct iovec out[2];
	struct pieces p;
	size_t len;

	fill(&p, &cur);
	g_assert_cmpuint(iov_slice(&cur, 10, out, 2, &len), ==, 2);
	g_assert_cmpuint(len, ==, 7);
	g_assert_cmpuint(iov_slice(&cur, 10, out, 2, &len), ==, 1);
	g_assert_cmpuint(len, ==, 3);
	g_assert_cmpuint(iov_slice(&cur, 10, out, 2, &len), ==, 0);
	g_assert_cmpuint(len, ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/iov/a new cursor counts all bytes", a_new_cursor_counts_all_bytes);
	g_test_add_func("/iov/copying out crosses boundaries and goes on",
			copying_out_crosses_boundaries_and_goes_on);
	g_test_add_func("/iov/copying in stops at the end", copying_in_stops_at_the_end);
	g_test_add_func("/iov/copying nothing moves nothing", copying_nothing_moves_nothing);
	g_test_add_func("/iov/skipping past the end tells how far it got",
			skipping_past_the_end_tells_how_far_it_got);
	g_test_add_func("/iov/a slice names the bytes without empty pieces",
			a_slice_names_the_bytes_without_empty_pieces);
	g_test_add_func("/iov/a slice with too few iovecs is short and can go on",
			a_slice_with_too_few_iovecs_is_short_and_can_go_on);
	return g_test_run();
}
