/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc tells of the daemon's processes: children, threads, descriptors, memory. */
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/bounded.h"
#include "tests/lib/daemon-process.h"

static void add_children(pid_t pid, pid_t *pids, size_t *n, size_t max)
{
	g_autofree char *task_dir = g_strdup_printf("/proc/%d/task", (int)pid);
	g_autoptr(GDir) dir = g_dir_open(task_dir, 0, NULL);
	const char *tid;

	while (dir && (tid = g_dir_read_name(dir))) {
		g_autofree char *path = g_strdup_printf("%s/%s/children", task_dir, tid);
		g_autofree char *text = NULL;
		g_auto(GStrv) words = NULL;

		if (!g_file_get_contents(path, &text, NULL, NULL))
			continue;
		words = g_strsplit(g_strstrip(text), " ", -1);
		for (char **word = words; *word; word++)
			if (**word && *n < max)
				pids[(*n)++] = (pid_t)strtol(*word, NULL, 10);
	}
}

size_t process_family(pid_t pid, pid_t *pids, size_t max)
{
	size_t n = 0;

	pids[n++] = pid;
	for (size_t i = 0; i < n; i++)
		add_children(pids[i], pids, &n, max);
	return n;
}

size_t daemon_pids(const struct daemon_process *daemon, pid_t *pids, size_t max)
{
	return process_family(daemon_pid(daemon), pids, max);
}

/* The number behind a "Name:" line of /proc/PID/status; 0 when there is none. */
static unsigned long status_number(pid_t pid, const char *name)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
	g_autofree char *text = NULL;
	const char *line;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return 0;
	line = strstr(text, name);
	return line ? strtoul(line + strlen(name), NULL, 10) : 0;
}

pid_t daemon_worker_pid(const struct daemon_process *daemon)
{
	pid_t pids[64];
	size_t n = daemon_pids(daemon, pids, G_N_ELEMENTS(pids));
	unsigned long most = 0;
	pid_t worker = daemon_pid(daemon);

	for (size_t i = 0; i < n; i++) {
		unsigned long threads = status_number(pids[i], "Threads:");

		if (threads >= most) {
			most = threads;
			worker = pids[i];
		}
	}
	return worker;
}

/* A worker has no children, and its keeper no other. */
static pid_t last_of_family(const struct daemon_process *daemon)
{
	pid_t pids[64];

	return pids[daemon_pids(daemon, pids, G_N_ELEMENTS(pids)) - 1];
}

static bool is_child_of_keeper(pid_t pid, const struct daemon_process *daemon)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/comm", (int)status_number(pid, "PPid:"));
	g_autofree char *name = NULL;

	return pid != daemon_pid(daemon) && g_file_get_contents(path, &name, NULL, NULL) &&
	       g_str_equal(name, "virtiofsd-keep\n");
}

pid_t daemon_kill_worker(struct daemon_process *daemon, int signo)
{
	int64_t deadline = deadline_default();
	pid_t worker = last_of_family(daemon);

	while (!is_child_of_keeper(worker, daemon)) {
		if (!deadline_left_ms(deadline))
			test_die("the daemon has no worker");
		poll(NULL, 0, 1);
		worker = last_of_family(daemon);
	}
	if (kill(worker, signo))
		test_die("kill: %s", strerror(errno));
	while (last_of_family(daemon) == worker) {
		if (!deadline_left_ms(deadline))
			test_die("the worker does not end");
		poll(NULL, 0, 1);
	}
	return worker;
}

unsigned int daemon_n_fds(const struct daemon_process *daemon)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)daemon_worker_pid(daemon));
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	unsigned int n = 0;

	if (!dir)
		test_die("%s cannot be read", path);
	while (g_dir_read_name(dir))
		n++;
	return n;
}

unsigned long daemon_rss_kib(const struct daemon_process *daemon)
{
	return status_number(daemon_worker_pid(daemon), "VmRSS:");
}
