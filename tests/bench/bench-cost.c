/* SPDX-License-Identifier: Apache-2.0 */
/* What a family of processes uses, from /proc and the processes' own CPU clocks. */
#include "tests/bench/bench-cost.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/lib/bounded.h"
#include "tests/lib/daemon-process.h"

void cost_init(struct cost *cost, pid_t pid)
{
	cost->n_pids = process_family(pid, cost->pids, COST_MAX_PIDS);
}

static int64_t clock_ns(clockid_t id)
{
	struct timespec time;

	if (clock_gettime(id, &time))
		test_die("the CPU clock of a process cannot be read");
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t cost_cpu_ns(const struct cost *cost)
{
	int64_t sum = 0;

	for (size_t i = 0; i < cost->n_pids; i++) {
		clockid_t id;

		if (clock_getcpuclockid(cost->pids[i], &id))
			test_die("process %d has no CPU clock", (int)cost->pids[i]);
		sum += clock_ns(id);
	}
	return sum;
}

int64_t cost_own_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* The sum of the numbers behind @name at the start of lines of a file; 0 without the file. */
static uint64_t sum_lines(const char *path, const char *name)
{
	g_autofree char *text = NULL;
	uint64_t sum = 0;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return 0;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (g_str_has_prefix(line, name))
			sum += strtoull(line + strlen(name), NULL, 10);
	}
	return sum;
}

uint64_t cost_private_kib(const struct cost *cost)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < cost->n_pids; i++) {
		g_autofree char *path = g_strdup_printf("/proc/%d/smaps_rollup",
							(int)cost->pids[i]);

		sum += sum_lines(path, "Private_Clean:") + sum_lines(path, "Private_Dirty:");
	}
	return sum;
}

uint64_t cost_wakeups(const struct cost *cost)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < cost->n_pids; i++) {
		g_autofree char *tasks = g_strdup_printf("/proc/%d/task", (int)cost->pids[i]);
		g_autoptr(GDir) dir = g_dir_open(tasks, 0, NULL);
		const char *tid;

		while (dir && (tid = g_dir_read_name(dir))) {
			g_autofree char *path = g_strdup_printf("%s/%s/status", tasks, tid);

			sum += sum_lines(path, "voluntary_ctxt_switches:");
		}
	}
	return sum;
}
