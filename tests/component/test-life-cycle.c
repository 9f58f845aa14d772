/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the start to the end of the daemon as those see it who start it: socket and pid file, exit
 * status, the background, the system log.
 */
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/component/launch.h"
#include "tests/component/service.h"
#include "tests/lib/bounded.h"

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define WAITING	  "Waiting for vhost-user socket connection..."
#define USUAL	  "--shared-dir=@SHARE", "--socket-path=@SOCKET"

static struct launch *start(const char *const *args)
{
	const struct launch_config config = { .args = args };

	return launch_start(&config);
}

static char *pid_path(const struct launch *launch)
{
	return g_strconcat(launch->socket, ".pid", NULL);
}

/* One line of the program, without what stands in brackets in front. */
static void expect_line(const struct launch *launch, const char *text)
{
	g_autofree char *output = launch_output(launch);

	if (!strstr(output, text))
		test_die("it did not say \"%s\" but: %s", text, output);
}

static void each_signal_ends_it_in_order(gconstpointer data)
{
	const char *sandbox = data;
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

	for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
		struct launch *launch = start(ARGS(USUAL, sandbox));
		g_autofree char *pid_file = pid_path(launch);
		g_autofree char *pid = g_strdup_printf("%d\n", launch->pid);
		g_autofree char *text = NULL;

		launch_wait_output(launch, WAITING);
		g_assert_true(g_file_get_contents(pid_file, &text, NULL, NULL));
		g_assert_cmpstr(text, ==, pid);
		kill(launch->pid, signals[i]);
		g_assert_cmpint(launch_wait_end(launch, 0), ==, 0);
		expect_line(launch, "Ended by a signal");
		g_assert_cmpint(access(launch->socket, F_OK), ==, -1);
		g_assert_cmpint(access(pid_file, F_OK), ==, -1);
		launch_free(launch);
	}
}

static void the_end_of_the_vmm_is_its_end(void)
{
	struct launch *launch = start(ARGS(USUAL));
	g_autofree char *pid_file = pid_path(launch);

	launch_wait_socket(launch);
	launch_use(launch);
	launch_hang_up(launch);
	g_assert_cmpint(launch_wait_end(launch, 0), ==, 0);
	expect_line(launch, "Client connected, servicing requests\n");
	expect_line(launch, "Client disconnected, shutting down\n");
	g_assert_cmpint(access(pid_file, F_OK), ==, -1);
	launch_free(launch);
}

/* The first waits for its front-end meanwhile, and is not given one. */
static void a_second_daemon_does_not_disturb_the_first(void)
{
	struct launch *first = start(ARGS(USUAL));
	g_autofree char *path = g_strconcat("--socket-path=", first->socket, NULL);
	g_autofree char *pid_file = pid_path(first);
	struct launch *second;

	launch_wait_output(first, WAITING);
	second = start(ARGS("--shared-dir=@SHARE", path));
	g_assert_cmpint(launch_wait_end(second, 0), ==, 1);
	expect_line(second, "Another virtiofsd serves on '");
	launch_free(second);
	/* Nor does one that has no lock to find, such as the C daemon's socket. */
	g_assert_cmpint(g_unlink(pid_file), ==, 0);
	second = start(ARGS("--shared-dir=@SHARE", path));
	g_assert_cmpint(launch_wait_end(second, 0), ==, 1);
	expect_line(second, "another process listens on it: end that one or give another path");
	launch_free(second);
	launch_use(first);
	launch_hang_up(first);
	g_assert_cmpint(launch_wait_end(first, 0), ==, 0);
	launch_free(first);
}

static void what_a_killed_daemon_left_is_replaced(void)
{
	struct launch *first = start(ARGS(USUAL));
	g_autofree char *path = g_strconcat("--socket-path=", first->socket, NULL);
	struct launch *second;

	launch_wait_output(first, WAITING);
	kill(first->pid, SIGKILL);
	g_assert_cmpint(launch_wait_end(first, SIGKILL), ==, -SIGKILL);
	g_assert_cmpint(access(first->socket, F_OK), ==, 0);
	/* As supervisors do: at once, when its serving process may still be there. */
	second = start(ARGS("--shared-dir=@SHARE", path));
	g_free(second->socket);
	second->socket = g_strdup(first->socket);
	launch_wait_output(second, WAITING);
	launch_use(second);
	launch_hang_up(second);
	g_assert_cmpint(launch_wait_end(second, 0), ==, 0);
	g_assert_cmpint(access(first->socket, F_OK), ==, -1);
	launch_free(second);
	launch_free(first);
}

static void a_group_may_connect(void)
{
	struct launch *launch = start(ARGS(USUAL, "--socket-group=daemon"));
	struct stat st;

	launch_wait_output(launch, WAITING);
	g_assert_cmpint(lstat(launch->socket, &st), ==, 0);
	g_assert_cmpuint(st.st_mode, ==, S_IFSOCK | 0660);
	g_assert_cmpuint(st.st_gid, ==, 1);
	launch_free(launch);
}

static void the_background_starts_when_it_is_ready(void)
{
	struct launch *launch = start(ARGS(USUAL, "--daemonize"));
	g_autofree char *output = NULL;

	g_assert_cmpint(launch_wait_end(launch, 0), ==, 0);
	launch_use(launch);
	service_end_by_pid_file(launch->socket);
	launch_hang_up(launch);
	/* Whoever started it can close, or wait for the end of, what it gave as output. */
	expect_line(launch, WAITING);
	output = launch_output(launch);
	g_assert_null(strstr(output, "Client connected"));
	launch_free(launch);
}

static void what_fails_before_the_background_is_told(void)
{
	struct launch *launch = start(ARGS(USUAL, "--daemonize", "--shared-dir=/nonexistent"));

	g_assert_cmpint(launch_wait_end(launch, 0), ==, 1);
	expect_line(launch, "Cannot reach the shared directory '/nonexistent'");
	g_assert_cmpint(access(launch->socket, F_OK), ==, -1);
	launch_free(launch);
}

static void a_system_log_that_goes_away_loses_no_line(void)
{
	const struct launch_config config = { .args = ARGS(USUAL, "--syslog"), .system_log = true };
	struct launch *launch = launch_start(&config);
	g_autofree char *line = datagram_from(launch->syslog_fd);
	g_autofree char *start = g_strdup_printf("<30>virtiofsd[%d]: ", launch->pid);

	g_assert_nonnull(line);
	g_assert_true(g_str_has_prefix(line, start));
	close(launch->syslog_fd);
	launch->syslog_fd = -1;
	launch_use(launch);
	launch_hang_up(launch);
	g_assert_cmpint(launch_wait_end(launch, 0), ==, 0);
	expect_line(launch, "INFO virtiofsd] Client connected, servicing requests\n");
	launch_free(launch);
}

static void sockets_for_others_are_not_taken(void)
{
	const struct launch_config config = {
		.args = ARGS("--shared-dir=@SHARE"),
		.env = ARGS("LISTEN_FDS=1", "LISTEN_PID=1"),
		.listen_at = 3,
	};
	struct launch *launch = launch_start(&config);

	g_assert_cmpint(launch_wait_end(launch, 0), ==, 2);
	expect_line(launch, "virtiofsd: no socket: add --socket-path PATH");
	launch_free(launch);
}

static void a_silent_daemon_is_silent(void)
{
	const struct launch_config config = { .args = ARGS(USUAL, "--log-level=off") };
	struct launch *launch = launch_start(&config);
	g_autofree char *output = NULL;

	launch_wait_socket(launch);
	launch_use(launch);
	launch_hang_up(launch);
	g_assert_cmpint(launch_wait_end(launch, 0), ==, 0);
	output = launch_output(launch);
	g_assert_cmpstr(output, ==, "");
	launch_free(launch);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/life-cycle/each signal ends it in order, with namespaces",
			     "--sandbox=namespace", each_signal_ends_it_in_order);
	g_test_add_data_func("/life-cycle/each signal ends it in order, without a sandbox",
			     "--sandbox=none", each_signal_ends_it_in_order);
	g_test_add_func("/life-cycle/the end of the VMM is its end", the_end_of_the_vmm_is_its_end);
	g_test_add_func("/life-cycle/a second daemon does not disturb the first",
			a_second_daemon_does_not_disturb_the_first);
	g_test_add_func("/life-cycle/what a killed daemon left is replaced",
			what_a_killed_daemon_left_is_replaced);
	g_test_add_func("/life-cycle/a group may connect", a_group_may_connect);
	g_test_add_func("/life-cycle/the background starts when it is ready",
			the_background_starts_when_it_is_ready);
	g_test_add_func("/life-cycle/what fails before the background is told",
			what_fails_before_the_background_is_told);
	g_test_add_func("/life-cycle/a system log that goes away loses no line",
			a_system_log_that_goes_away_loses_no_line);
	g_test_add_func("/life-cycle/sockets for others are not taken",
			sockets_for_others_are_not_taken);
	g_test_add_func("/life-cycle/a silent daemon is silent", a_silent_daemon_is_silent);
	return g_test_run();
}
