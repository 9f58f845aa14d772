/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that the copy of what an owner has locked is what the kernel would have: held against one
 * entry per byte, for random locks and unlocks, and at the ends of what an offset can be.
 */
#include <fcntl.h>
#include <glib.h>

#include "fuse/passthrough/lock-range.h"

#define N_BYTES 64u

static void apply(struct lock_ranges *ranges, struct lock_range set)
{
	struct lock_ranges to;

	g_assert_cmpint(lock_ranges_set(ranges, &set, &to), ==, 0);
	lock_ranges_clear(ranges);
	*ranges = to;
}

static void check_order(const struct lock_ranges *ranges)
{
	for (uint32_t i = 0; i < ranges->n; i++) {
		const struct lock_range *r = &ranges->range[i];

		g_assert_cmpuint(r->start, <=, r->end);
		g_assert_true(r->type == F_RDLCK || r->type == F_WRLCK);
		if (i == 0)
			continue;
		g_assert_cmpuint(r[-1].end, <, r->start);
		g_assert_false(r[-1].end + 1 == r->start && r[-1].type == r->type &&
			       r[-1].pid == r->pid);
	}
}

static void random_locks_end_as_one_entry_per_byte_would(void)
{
	struct lock_ranges ranges = { 0 };
	uint32_t type[N_BYTES], pid[N_BYTES];

	for (uint32_t i = 0; i < N_BYTES; i++)
		type[i] = F_UNLCK;
	for (int round = 0; round < 20000; round++) {
		uint32_t a = (uint32_t)g_test_rand_int_range(0, N_BYTES);
		uint32_t b = (uint32_t)g_test_rand_int_range(0, N_BYTES);
		static const uint32_t types[] = { F_RDLCK, F_WRLCK, F_UNLCK };
		const struct lock_range set = {
			.start = MIN(a, b),
			.end = MAX(a, b),
			.type = types[g_test_rand_int_range(0, 3)],
			.pid = (uint32_t)g_test_rand_int_range(1, 3),
		};

		apply(&ranges, set);
		check_order(&ranges);
		for (uint64_t i = set.start; i <= set.end; i++) {
			type[i] = set.type;
			pid[i] = set.pid;
		}
		for (uint32_t i = 0; i < N_BYTES; i++) {
			const struct lock_range *found = lock_ranges_find(&ranges, i);

			g_assert_cmpuint(found ? found->type : F_UNLCK, ==, type[i]);
			if (found)
				g_assert_cmpuint(found->pid, ==, pid[i]);
		}
	}
	lock_ranges_clear(&ranges);
}

static void the_last_byte_there_can_be_is_a_byte_like_others(void)
{
	struct lock_ranges ranges = { 0 };

	apply(&ranges, (struct lock_range){ .end = INT64_MAX, .type = F_WRLCK });
	g_assert_cmpuint(ranges.n, ==, 1);
	apply(&ranges, (struct lock_range){ INT64_MAX, INT64_MAX, F_UNLCK, 0 });
	g_assert_cmpuint(ranges.n, ==, 1);
	g_assert_cmpuint(ranges.range[0].end, ==, INT64_MAX - 1);
	apply(&ranges, (struct lock_range){ 5, 5, F_UNLCK, 0 });
	g_assert_cmpuint(ranges.n, ==, 2);
	apply(&ranges, (struct lock_range){ .end = INT64_MAX, .type = F_UNLCK });
	g_assert_cmpuint(ranges.n, ==, 0);
	g_assert_null(ranges.range);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/lock-range/random locks end as one entry per byte would",
			random_locks_end_as_one_entry_per_byte_would);
	g_test_add_func("/lock-range/the last byte there can be is a byte like others",
			the_last_byte_there_can_be_is_a_byte_like_others);
	return g_test_run();
}
