/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows the launcher of namespace mode: it mirrors how the server ended, passes signals on, holds
 * no privileges, and neither process outlives the other.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/sandbox/harness.h"

static const enum starter starters[] = { AS_ROOT, AS_USER, AS_USERNS_ROOT };

static void test_exit_status_is_mirrored(void)
{
	static const char *const commands[] = { "exit 0", "exit 1", "exit 77" };
	static const int expected[] = { 0, 1, 77 };

	for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
		struct probe probe;
		int status;

		probe_start_sealed(&probe, AS_ROOT, "");
		probe_send(&probe, commands[i]);
		status = probe_finish(&probe);
		g_assert_true(WIFEXITED(status));
		g_assert_cmpint(WEXITSTATUS(status), ==, expected[i]);
		g_assert_cmpstr(probe.errors, ==, "");
		g_free(probe.errors);
	}
}

static void test_deadly_signal_is_mirrored(void)
{
	struct probe probe;
	int status;

	probe_start_sealed(&probe, AS_ROOT, "");
	g_assert_cmpint(kill(probe_server(&probe), SIGKILL), ==, 0);
	status = probe_finish(&probe);
	g_assert_true(WIFEXITED(status));
	g_assert_cmpint(WEXITSTATUS(status), ==, 128 + SIGKILL);
	g_assert_nonnull(strstr(probe.errors, "signal 9"));
	g_free(probe.errors);
}

static void test_signals_are_passed_on(void)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	static const char *const names[] = { "TERM", "INT", "HUP" };

	for (gsize s = 0; s < G_N_ELEMENTS(starters); s++) {
		struct probe probe;

		probe_start_sealed(&probe, starters[s], "");
		for (gsize i = 0; i < G_N_ELEMENTS(signals); i++) {
			g_autofree char *name = NULL;

			probe_expect(&probe, "signal", "waiting");
			g_assert_cmpint(kill(probe.pid, signals[i]), ==, 0);
			name = probe_read(&probe);
			g_assert_cmpstr(name, ==, names[i]);
		}
		probe_end(&probe);
	}
}

/* A stop that comes before the server looks for it. */
static void test_an_early_signal_is_kept(void)
{
	g_autofree char *name = NULL;
	struct probe probe;

	probe_start_sealed(&probe, AS_ROOT, "");
	g_assert_cmpint(kill(probe.pid, SIGTERM), ==, 0);
	probe_expect(&probe, "list", "hello");
	probe_expect(&probe, "signal", "waiting");
	name = probe_read(&probe);
	g_assert_cmpstr(name, ==, "TERM");
	probe_end(&probe);
}

static void test_server_ends_with_a_killed_launcher(void)
{
	for (gsize s = 0; s < G_N_ELEMENTS(starters); s++) {
		struct probe probe;
		int server, status;

		probe_start_sealed(&probe, starters[s], "");
		g_assert_cmpint(probe_server(&probe), !=, probe.pid);
		server = open_pidfd(probe_server(&probe));
		g_assert_cmpint(kill(probe.pid, SIGKILL), ==, 0);
		wait_gone(server);
		status = probe_finish(&probe);
		g_assert_true(WIFSIGNALED(status));
		g_free(probe.errors);
	}
}

static char *launcher_status(const struct probe *probe, const char *field)
{
	struct probe launcher = *probe;
	g_autofree char *path = g_strdup_printf("/proc/%d/status", launcher.pid);
	g_autofree char *text = NULL;
	char *line;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	line = strstr(text, field);
	g_assert_nonnull(line);
	line += strlen(field);
	*strchr(line, '\n') = '\0';
	return g_strdup(g_strstrip(line));
}

static void test_launcher_is_powerless(void)
{
	static const char *const zero_fields[] = { "CapInh:", "CapPrm:", "CapEff:", "CapAmb:" };

	for (gsize s = 0; s < G_N_ELEMENTS(starters); s++) {
		g_autofree char *seccomp = NULL, *nnp = NULL;
		struct probe probe;

		probe_start_sealed(&probe, starters[s], "");
		/* It has confined itself once it passes a signal on. */
		probe_expect(&probe, "signal", "waiting");
		g_assert_cmpint(kill(probe.pid, SIGHUP), ==, 0);
		g_free(probe_read(&probe));
		for (gsize i = 0; i < G_N_ELEMENTS(zero_fields); i++) {
			g_autofree char *value = launcher_status(&probe, zero_fields[i]);

			g_assert_cmpstr(value, ==, "0000000000000000");
		}
		seccomp = launcher_status(&probe, "Seccomp:");
		nnp = launcher_status(&probe, "NoNewPrivs:");
		g_assert_cmpstr(seccomp, ==, "2");
		g_assert_cmpstr(nnp, ==, "1");
		probe_end(&probe);
	}
}

static void test_launcher_has_the_last_word(void)
{
	g_autofree char *last = NULL;
	struct probe probe;

	probe_start_sealed(&probe, AS_ROOT, "launcher-end");
	probe_send(&probe, "exit 0");
	last = probe_read(&probe);
	g_assert_cmpstr(last, ==, "launcher ends");
	probe_end(&probe);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/launcher/the exit status is mirrored", test_exit_status_is_mirrored);
	g_test_add_func("/launcher/a deadly signal is mirrored", test_deadly_signal_is_mirrored);
	g_test_add_func("/launcher/signals are passed on", test_signals_are_passed_on);
	g_test_add_func("/launcher/an early signal is kept", test_an_early_signal_is_kept);
	g_test_add_func("/launcher/the server ends with a killed launcher",
			test_server_ends_with_a_killed_launcher);
	g_test_add_func("/launcher/the launcher is powerless", test_launcher_is_powerless);
	g_test_add_func("/launcher/the launcher has the last word",
			test_launcher_has_the_last_word);
	return g_test_run();
}
