/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that a worker may die at any point of any request: served again by its successor, the
 * request has one effect and the answer that it would have had.
 *
 * Each request of the table is served once without a death. Then the worker is killed before and
 * after each of its system calls, and before its answer, and at instructions in between; what the
 * successor answers, and the picture of the share and of all that is known of it, must be the same.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "once-cases.h"

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED true
#else
#define SANITIZED false
#endif

static void serve_case(struct dying *d, const void *arg)
{
	const struct once_case *one = arg;
	g_autoptr(GString) answer = g_string_new(NULL);

	(void)one->serve(d, answer);
}

/* The answer and the picture. */
static char *serve_last(struct dying *d, const struct once_case *one, bool with_lookups)
{
	GString *all = g_string_new(NULL);
	g_autofree char *picture = NULL;
	int64_t r = one->serve(d, all);

	g_assert_cmpint(r, ==, one->result);
	picture = dying_picture(d, with_lookups);
	g_string_append_printf(all, "\n%s", picture);
	return g_string_free(all, FALSE);
}

static void start_case(struct dying *d, const struct once_case *one, const char *base)
{
	*d = (struct dying){ .base = base };
	dying_start(d);
	if (one->prepare)
		one->prepare(d);
}

static char *undisturbed(const struct once_case *one, const char *base, bool with_lookups)
{
	struct dying d;
	char *text;

	start_case(&d, one, base);
	dying_succeed(&d);
	d.record->attempts = 0;
	text = serve_last(&d, one, with_lookups);
	dying_stop(&d);
	return text;
}

/* False when the request was complete before that stop. */
static bool survives(const struct once_case *one, const char *base, unsigned int stop,
		     unsigned int n_instructions, const char *expected)
{
	g_autofree char *now = NULL;
	struct dying d;
	bool died;

	start_case(&d, one, base);
	died = dying_run(&d, serve_case, one, stop, n_instructions);
	dying_succeed(&d);
	now = serve_last(&d, one, n_instructions == 0);
	if (strcmp(now, expected) != 0)
		g_test_message("%s at stop %u, and %u instructions", one->name, stop,
			       n_instructions);
	g_assert_cmpstr(now, ==, expected);
	dying_stop(&d);
	return died;
}

static void each_system_call(const struct once_case *one, const char *base)
{
	g_autofree char *expected = undisturbed(one, base, true);
	unsigned int stop = 0;

	while (survives(one, base, stop, 0, expected))
		stop++;
	g_test_message("%s: %u deaths", one->name, stop + 1);
}

/* After each system call. Here a lookup may have been counted and not noted: it stays. */
static void some_instructions(const struct once_case *one, const char *base)
{
	g_autofree char *expected = undisturbed(one, base, false);
	unsigned int stop = 1;

	while (survives(one, base, stop, 1 + stop * 37 % 300, expected))
		stop += 2;
}

static void test_system_calls(const void *arg)
{
	each_system_call(arg, NULL);
}

static void test_system_calls_in_memory(const void *arg)
{
	each_system_call(arg, "/dev/shm");
}

static void test_instructions(const void *arg)
{
	some_instructions(arg, NULL);
}

static void add(const struct once_case *cases)
{
	for (const struct once_case *one = cases; one->name; one++) {
		g_autofree char *disk = g_strdup_printf("/fs-once/system-calls/%s", one->name);
		g_autofree char *memory = g_strdup_printf("/fs-once/in-memory/%s", one->name);
		g_autofree char *instructions = g_strdup_printf("/fs-once/instructions/%s",
								one->name);

		g_test_add_data_func(disk, one, test_system_calls);
		/* The same once more, and each death takes long: nothing new for a sanitizer. */
		if (SANITIZED)
			continue;
		/* Which has no such thing. */
		if (!strstr(one->name, "collapse") && !strstr(one->name, "insert"))
			g_test_add_data_func(memory, one, test_system_calls_in_memory);
		g_test_add_data_func(instructions, one, test_instructions);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add(once_names);
	add(once_files);
	return g_test_run();
}
