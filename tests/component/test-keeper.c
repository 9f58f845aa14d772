/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows what the keeper of a worker may do, which is to wait; that the worker has what a server
 * without a keeper has, and so has its successor; and that neither launcher, keeper nor worker
 * outlives the others.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/component/fixture.h"
#include "tests/component/service.h"
#include "tests/lib/bounded.h"

#define MAX_PIDS 8u

static const char *const without[] = { "--max-restarts=0", NULL };

/* The field of /proc/PID/status; owned by the caller. */
static char *status_of(pid_t pid, const char *field)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/status", pid);
	g_autofree char *prefix = g_strconcat(field, ":", NULL);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line; line++)
		if (g_str_has_prefix(*line, prefix))
			return g_strstrip(g_strdup(*line + strlen(prefix)));
	g_error("no %s in %s", field, path);
}

static void expect_status(pid_t pid, const char *field, const char *value)
{
	g_autofree char *is = status_of(pid, field);

	g_assert_cmpstr(is, ==, value);
}

static pid_t worker_of(struct fixture *f)
{
	pid_t pids[MAX_PIDS];

	return pids[daemon_pids(f->daemon, pids, MAX_PIDS) - 1];
}

static pid_t keeper_of(struct fixture *f)
{
	pid_t pids[MAX_PIDS];

	return pids[daemon_pids(f->daemon, pids, MAX_PIDS) - 2];
}

static void the_keeper_waits_without_power(void)
{
	struct fixture *f = fixture_start(NULL);
	pid_t keeper = keeper_of(f);
	g_autofree char *seccomp = status_of(worker_of(f), "Seccomp");

	expect_status(keeper, "Name", "virtiofsd-keep");
	expect_status(keeper, "CapEff", "0000000000000000");
	expect_status(keeper, "CapInh", "0000000000000000");
	expect_status(keeper, "CapAmb", "0000000000000000");
	expect_status(keeper, "NoNewPrivs", "1");
	expect_status(keeper, "Threads", "1");
	/* In whichever way the worker is confined. */
	expect_status(keeper, "Seccomp", seccomp);
	fixture_stop(f);
}

static void the_worker_has_what_it_had_without_one(void)
{
	static const char *const fields[] = { "CapInh", "CapPrm",  "CapEff",	 "CapBnd",
					      "CapAmb", "Seccomp", "NoNewPrivs", "Groups" };
	const struct fixture_config config = { .args = without };
	const struct fixture_config kept = { .kills = true };
	struct fixture *f = fixture_start(&config);
	struct fixture *g = fixture_start(&kept);

	for (int i = 0; i < 2; i++) {
		for (size_t k = 0; k < G_N_ELEMENTS(fields); k++) {
			g_autofree char *value = status_of(worker_of(f), fields[k]);

			expect_status(worker_of(g), fields[k], value);
		}
		if (i == 0)
			daemon_kill_worker(g->daemon, SIGKILL);
		/* It is sealed before it answers. */
		fixture_check_alive(g);
	}
	fixture_stop(f);
	fixture_stop(g);
}

static void wait_gone(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	g_assert_cmpint(poll(&p, 1, deadline_left_ms(deadline_default())), ==, 1);
	close(pidfd);
}

/* `which`: counted from the process that was started. */
static void all_end_with(gconstpointer which)
{
	struct fixture *f = fixture_start(NULL);
	int pidfds[MAX_PIDS];
	pid_t pids[MAX_PIDS];
	size_t n = daemon_pids(f->daemon, pids, MAX_PIDS);
	size_t victim = MIN(GPOINTER_TO_SIZE(which), n - 2);

	for (size_t i = 0; i < n; i++) {
		pidfds[i] = pidfd_open(pids[i], 0);
		g_assert_cmpint(pidfds[i], >=, 0);
	}
	g_assert_cmpint(kill(pids[victim], SIGKILL), ==, 0);
	for (size_t i = 0; i < n; i++)
		wait_gone(pidfds[i]);
	vmm_stop(&f->vmm);
	fixture_drop(f);
}

static void a_signal_to_stop_ends_all_in_order(void)
{
	struct fixture *f = fixture_start(NULL);
	int worker = pidfd_open(worker_of(f), 0);

	g_assert_cmpint(kill(daemon_pid(f->daemon), SIGTERM), ==, 0);
	wait_gone(worker);
	daemon_wait_stderr(f->daemon, "Ended by a signal");
	fixture_stop(f);
}

/* A worker that ends by itself is not replaced. */
static void the_end_of_the_connection_is_the_end(void)
{
	struct fixture *f = fixture_start(NULL);
	int keeper = pidfd_open(keeper_of(f), 0);
	int worker = pidfd_open(worker_of(f), 0);

	fixture_stop(f);
	wait_gone(worker);
	wait_gone(keeper);
}

static void expect_pid_file_locked(struct fixture *f)
{
	g_autofree char *path = g_strconcat(daemon_socket_path(f->daemon), ".pid", NULL);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(flock(fd, LOCK_EX | LOCK_NB), <, 0);
	g_assert_cmpint(errno, ==, EWOULDBLOCK);
	close(fd);
}

/* What the first had told the service manager through is another descriptor's number by now. */
static void a_successor_before_anybody_came_serves(void)
{
	struct fixture_config config = { .no_vmm = true, .kills = true };
	struct fuse_entry_out entry;
	struct fuse_open_out opened;
	struct service service;
	struct fixture *f;

	service_init(&service);
	config.env = (const char *const[]){ service.env, NULL };
	f = fixture_start(&config);
	service_expect_ready(&service);
	for (int i = 0; i < 2; i++) {
		daemon_kill_worker(f->daemon, SIGKILL);
		daemon_wait_stderr(f->daemon, "a new one takes over");
	}
	config.no_vmm = false;
	fixture_connect(f, &config);
	g_assert_cmpint(fuse_create(&f->client, FUSE_ROOT_ID, "file", S_IFREG | 0644, O_RDWR,
				    &entry, &opened),
			==, 0);
	g_assert_cmpint(fuse_release(&f->client, entry.nodeid, opened.fh), ==, 0);
	g_assert_cmpint(fuse_open(&f->client, entry.nodeid, O_RDONLY, &opened), ==, 0);
	expect_pid_file_locked(f);
	fixture_stop(f);
	service_deinit(&service);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/keeper/the-keeper-waits-without-power", the_keeper_waits_without_power);
	g_test_add_func("/keeper/the-worker-has-what-it-had-without-one",
			the_worker_has_what_it_had_without_one);
	g_test_add_data_func("/keeper/all-end-with-the-launcher", GSIZE_TO_POINTER(0),
			     all_end_with);
	g_test_add_data_func("/keeper/all-end-with-the-keeper", GSIZE_TO_POINTER(1), all_end_with);
	g_test_add_func("/keeper/a-signal-to-stop-ends-all-in-order",
			a_signal_to_stop_ends_all_in_order);
	g_test_add_func("/keeper/the-end-of-the-connection-is-the-end",
			the_end_of_the_connection_is_the_end);
	g_test_add_func("/keeper/a-successor-before-anybody-came-serves",
			a_successor_before_anybody_came_serves);
	return g_test_run();
}
