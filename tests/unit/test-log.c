/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that log lines are whole, bounded, filtered by level, keep errno, and that lines about a
 * misbehaving peer are rate-limited.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* Runs `emit` with stderr in a pipe; returns what it wrote. */
static char *captured(void (*emit)(void))
{
	char *text = g_malloc0(65536);
	int fds[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	g_assert_cmpint(pipe(fds), ==, 0);
	dup2(fds[1], STDERR_FILENO);
	emit();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	n = read(fds[0], text, 65535);
	g_assert_cmpint(n, >=, 0);
	close(fds[0]);
	return text;
}

static void emit_info_and_debug(void)
{
	errno = EXDEV;
	log_info("share %s", "ready");
	g_assert_cmpint(errno, ==, EXDEV);
	log_debug("detail");
}

static void lines_below_the_level_are_dropped(void)
{
	g_autofree char *text = captured(emit_info_and_debug);

	g_assert_nonnull(strstr(text, "INFO virtiofsd] share ready\n"));
	g_assert_null(strstr(text, "detail"));
}

static void emit_long(void)
{
	g_autofree char *big = g_strnfill(5000, 'x');

	log_error("%s", big);
}

static void a_long_line_is_cut_and_ends_with_a_newline(void)
{
	g_autofree char *text = captured(emit_long);

	g_assert_cmpuint(strlen(text), <=, 1024);
	g_assert_cmpuint(strlen(text), >, 900);
	g_assert_cmpint(text[strlen(text) - 1], ==, '\n');
}

static void emit_many_peer_lines(void)
{
	for (int i = 0; i < 1000; i++)
		log_peer("the guest did it again");
}

static void a_misbehaving_peer_cannot_flood_the_log(void)
{
	g_autofree char *text = captured(emit_many_peer_lines);
	unsigned int lines = 0;

	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	g_assert_cmpuint(lines, >=, 1);
	g_assert_cmpuint(lines, <=, 5);
}

static void errors_have_a_text_for_either_sign(void)
{
	g_assert_cmpstr(log_strerror(ENOENT), ==, "No such file or directory");
	g_assert_cmpstr(log_strerror(-ENOENT), ==, "No such file or directory");
	g_assert_cmpstr(log_strerror(99999), ==, "unknown error");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/log/lines below the level are dropped",
			lines_below_the_level_are_dropped);
	g_test_add_func("/log/a long line is cut and ends with a newline",
			a_long_line_is_cut_and_ends_with_a_newline);
	g_test_add_func("/log/a misbehaving peer cannot flood the log",
			a_misbehaving_peer_cannot_flood_the_log);
	g_test_add_func("/log/errors have a text for either sign",
			errors_have_a_text_for_either_sign);
	return g_test_run();
}
