/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that the state arena keeps its sections apart, starts zeroed, and can be read by whoever
 * maps the same memfd.
 */
#include <glib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arena.h"

static const size_t sizes[ARENA_N_SECTIONS] = {
	[ARENA_SESSION] = 100, [ARENA_INODES] = 5000, [ARENA_KEYS] = 33, [ARENA_HANDLES] = 64,
	[ARENA_VHOST] = 640,   [ARENA_LOCKS] = 4096,  [ARENA_FDS] = 1,
};

static void sections_do_not_overlap(void)
{
	struct arena arena;

	g_assert_cmpint(arena_init(&arena, sizes), ==, 0);
	for (int i = 0; i < ARENA_N_SECTIONS; i++)
		memset(arena_section(&arena, (enum arena_section)i), i + 1, sizes[i]);
	for (int i = 0; i < ARENA_N_SECTIONS; i++) {
		const unsigned char *p = arena_section(&arena, (enum arena_section)i);

		g_assert_cmpint(p[0], ==, i + 1);
		g_assert_cmpint(p[sizes[i] - 1], ==, i + 1);
	}
	arena_deinit(&arena);
}

static void a_new_arena_is_zero(void)
{
	struct arena arena;
	const unsigned char *p;

	g_assert_cmpint(arena_init(&arena, sizes), ==, 0);
	p = arena_section(&arena, ARENA_INODES);
	for (size_t i = 0; i < sizes[ARENA_INODES]; i++)
		g_assert_cmpint(p[i], ==, 0);
	arena_deinit(&arena);
}

static void a_second_mapping_sees_the_same_state(void)
{
	struct arena arena;
	char *other;

	g_assert_cmpint(arena_init(&arena, sizes), ==, 0);
	strcpy(arena_section(&arena, ARENA_HANDLES), "kept");
	other = mmap(NULL, arena.bytes, PROT_READ, MAP_SHARED, arena.fd, 0);
	g_assert_true(other != MAP_FAILED);
	g_assert_cmpstr(other + arena.offset[ARENA_HANDLES], ==, "kept");
	munmap(other, arena.bytes);
	arena_deinit(&arena);
}

static void deinit_twice_is_safe(void)
{
	struct arena arena;

	g_assert_cmpint(arena_init(&arena, sizes), ==, 0);
	arena_deinit(&arena);
	arena_deinit(&arena);
	g_assert_cmpint(arena.fd, ==, -1);
}

static void sizes_that_wrap_are_refused(void)
{
	const size_t huge[ARENA_N_SECTIONS] = { SIZE_MAX / 2, SIZE_MAX / 2, SIZE_MAX / 2 };
	struct arena arena;

	g_assert_cmpint(arena_init(&arena, huge), <, 0);
	g_assert_null(arena.base);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/arena/sections do not overlap", sections_do_not_overlap);
	g_test_add_func("/arena/a new arena is zero", a_new_arena_is_zero);
	g_test_add_func("/arena/a second mapping sees the same state",
			a_second_mapping_sees_the_same_state);
	g_test_add_func("/arena/deinit twice is safe", deinit_twice_is_safe);
	g_test_add_func("/arena/sizes that wrap are refused", sizes_that_wrap_are_refused);
	return g_test_run();
}
