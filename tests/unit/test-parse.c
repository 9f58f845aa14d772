/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that a number is taken only when the whole text is one and it is in range.
 */
#include <errno.h>
#include <glib.h>

#include "base/parse.h"

static void plain_numbers_are_taken(void)
{
	uint64_t v = 0;

	g_assert_cmpint(parse_u64("0", 10, &v), ==, 0);
	g_assert_cmpuint(v, ==, 0);
	g_assert_cmpint(parse_u64("0017", 17, &v), ==, 0);
	g_assert_cmpuint(v, ==, 17);
	g_assert_cmpint(parse_u64("18446744073709551615", UINT64_MAX, &v), ==, 0);
	g_assert_true(v == UINT64_MAX);
}

static void anything_else_is_refused_and_writes_nothing(void)
{
	static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "0x10", "1e3", "1k", "1\n" };
	uint64_t v = 42;

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
		g_assert_cmpint(parse_u64(bad[i], UINT64_MAX, &v), ==, -EINVAL);
	g_assert_cmpuint(v, ==, 42);
}

static void numbers_out_of_range_are_told_apart(void)
{
	uint64_t v = 42;

	g_assert_cmpint(parse_u64("11", 10, &v), ==, -ERANGE);
	g_assert_cmpint(parse_u64("18446744073709551616", UINT64_MAX, &v), ==, -ERANGE);
	g_assert_cmpint(parse_u64("99999999999999999999999", UINT64_MAX, &v), ==, -ERANGE);
	g_assert_cmpuint(v, ==, 42);
}

static void seconds_may_have_a_fraction(void)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{ "0", 0 },	      { "1", 1000000000 },
		{ "0.5", 500000000 }, { "10.25", UINT64_C(10250000000) },
		{ "0.000000001", 1 }, { "0.0000000019", 1 },
		{ "1.", 1000000000 }, { "1000", UINT64_C(1000000000000) },
	};
	static const char *const bad[] = {
		"", ".", ".5", "-1", "1e3", "1s", "0.5x", "1.2.3", " 1"
	};
	uint64_t v = 42;

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
		g_assert_cmpint(parse_seconds(bad[i], 1000, &v), ==, -EINVAL);
	g_assert_cmpint(parse_seconds("1001", 1000, &v), ==, -ERANGE);
	g_assert_cmpint(parse_seconds("99999999999999999999999", 1000, &v), ==, -ERANGE);
	g_assert_cmpuint(v, ==, 42);
	for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
		g_assert_cmpint(parse_seconds(good[i].text, 1000, &v), ==, 0);
		g_assert_cmpuint(v, ==, good[i].ns);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/parse/seconds may have a fraction", seconds_may_have_a_fraction);
	g_test_add_func("/parse/plain numbers are taken", plain_numbers_are_taken);
	g_test_add_func("/parse/anything else is refused and writes nothing",
			anything_else_is_refused_and_writes_nothing);
	g_test_add_func("/parse/numbers out of range are told apart",
			numbers_out_of_range_are_told_apart);
	return g_test_run();
}
