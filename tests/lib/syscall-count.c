/* SPDX-License-Identifier: Apache-2.0 */
/* strace as a counter of a running daemon's system calls. */
#include "tests/lib/syscall-count.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bounded.h"

struct syscall_count {
	GPid strace;
	int stderr_fd;
	char *summary_path;
	GHashTable *calls; /* name -> count in the pointer */
};

/* What carries requests and wakes threads, as opposed to working on files. */
static const char *const transport[] = {
	"read",		 "write",	    "futex",	       "poll",
	"ppoll",	 "epoll_wait",	    "epoll_pwait",     "epoll_pwait2",
	"recvmsg",	 "sendmsg",	    "nanosleep",       "clock_nanosleep",
	"clock_gettime", "restart_syscall", "sched_yield",     "select",
	"pselect6",	 "total",	    "rt_sigtimedwait",
};

static void wait_attached(struct syscall_count *count)
{
	int64_t deadline = deadline_default();
	g_autoptr(GString) text = g_string_new(NULL);
	char bytes[512];

	while (!strstr(text->str, "attached")) {
		struct pollfd pfd = { .fd = count->stderr_fd, .events = POLLIN };
		ssize_t n = -1;

		if (poll(&pfd, 1, deadline_left_ms(deadline)) == 1)
			n = read(count->stderr_fd, bytes, sizeof(bytes));
		if (n <= 0)
			test_die("strace did not attach: %s", text->str);
		g_string_append_len(text, bytes, n);
	}
}

struct syscall_count *syscall_count_start(pid_t pid)
{
	struct syscall_count *count = g_new0(struct syscall_count, 1);
	g_autofree char *pid_text = g_strdup_printf("%d", (int)pid);
	g_autoptr(GError) error = NULL;
	int fd = g_file_open_tmp("strace-XXXXXX", &count->summary_path, &error);
	char *argv[] = { (char[]){ "strace" },
			 (char[]){ "-f" },
			 (char[]){ "-c" },
			 (char[]){ "-U" },
			 (char[]){ "calls,name" },
			 (char[]){ "-o" },
			 count->summary_path,
			 (char[]){ "-p" },
			 pid_text,
			 NULL };

	if (fd < 0)
		test_die("temporary file: %s", error->message);
	close(fd);
	if (!g_spawn_async_with_pipes(NULL, argv, NULL,
				      G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
				      &count->strace, NULL, NULL, &count->stderr_fd, &error))
		test_die("strace: %s", error->message);
	wait_attached(count);
	return count;
}

static void read_summary(struct syscall_count *count)
{
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	if (!g_file_get_contents(count->summary_path, &text, NULL, NULL))
		test_die("strace left no summary");
	lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line; line++) {
		char *end;
		guint64 calls = g_ascii_strtoull(*line, &end, 10);

		if (end == *line || *end != ' ')
			continue; /* headings and rules */
		g_hash_table_insert(count->calls, g_strdup(g_strstrip(end)),
				    GSIZE_TO_POINTER((gsize)calls));
	}
}

void syscall_count_stop(struct syscall_count *count)
{
	char bytes[512];

	kill(count->strace, SIGINT);
	while (read(count->stderr_fd, bytes, sizeof(bytes)) > 0)
		;
	if (waitpid(count->strace, NULL, 0) != count->strace)
		test_die("waitpid: %s", strerror(errno));
	g_spawn_close_pid(count->strace);
	close(count->stderr_fd);
	count->calls = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	read_summary(count);
}

uint64_t syscall_count_of(const struct syscall_count *count, const char *name)
{
	return GPOINTER_TO_SIZE(g_hash_table_lookup(count->calls, name));
}

static bool is_transport(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(transport); i++)
		if (!strcmp(name, transport[i]))
			return true;
	return false;
}

uint64_t syscall_count_work(const struct syscall_count *count)
{
	GHashTableIter iter;
	gpointer name, calls;
	uint64_t sum = 0;

	g_hash_table_iter_init(&iter, count->calls);
	while (g_hash_table_iter_next(&iter, &name, &calls))
		if (!is_transport(name))
			sum += GPOINTER_TO_SIZE(calls);
	return sum;
}

char *syscall_count_text(const struct syscall_count *count)
{
	GString *text = g_string_new(NULL);
	GHashTableIter iter;
	gpointer name, calls;

	g_hash_table_iter_init(&iter, count->calls);
	while (g_hash_table_iter_next(&iter, &name, &calls))
		g_string_append_printf(text, "%s=%zu ", (const char *)name,
				       GPOINTER_TO_SIZE(calls));
	return g_string_free(text, FALSE);
}

void syscall_count_free(struct syscall_count *count)
{
	g_clear_pointer(&count->calls, g_hash_table_unref);
	(void)g_unlink(count->summary_path);
	g_free(count->summary_path);
	g_free(count);
}
