/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts sandbox-probe as one of several users and talks with it.
 */
#include "tests/sandbox/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_MS 10000

static void make_scratch(struct probe *probe, uid_t owner)
{
	g_autofree char *hello = NULL;

	probe->base = g_dir_make_tmp("sandbox-test-XXXXXX", NULL);
	g_assert_nonnull(probe->base);
	g_assert_cmpint(chmod(probe->base, 0711), ==, 0);
	probe->share = g_build_filename(probe->base, "share", NULL);
	g_assert_cmpint(mkdir(probe->share, 0755), ==, 0);
	hello = g_build_filename(probe->share, "hello", NULL);
	g_assert_true(g_file_set_contents(hello, "from the host", -1, NULL));
	g_assert_cmpint(chown(probe->share, owner, owner), ==, 0);
	g_assert_cmpint(chown(hello, owner, owner), ==, 0);
	g_free(g_steal_pointer(&hello));
	hello = g_build_filename(probe->base, "secret", NULL);
	g_assert_true(g_file_set_contents(hello, "not shared", -1, NULL));
}

static void remove_scratch(struct probe *probe)
{
	char rm[] = "rm", flags[] = "-rf", here[] = "--one-file-system";
	char *argv[] = { rm, flags, here, probe->base, NULL };
	int status = -1;

	g_assert_true(g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL,
				   &status, NULL));
	g_assert_cmpint(status, ==, 0);
	g_free(g_steal_pointer(&probe->base));
	g_free(g_steal_pointer(&probe->share));
}

static uid_t owner_for(enum starter starter)
{
	switch (starter) {
	case AS_USER:
		return USER_ID;
	case AS_USERNS_ROOT:
		return USERNS_BASE_ID;
	default:
		return 0;
	}
}

static void lose_setfcap(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (prctl(PR_CAPBSET_DROP, CAP_SETFCAP, 0, 0, 0) < 0 ||
	    prctl(PR_CAPBSET_DROP, CAP_MKNOD, 0, 0, 0) < 0 ||
	    syscall(SYS_capget, &header, data) < 0)
		_exit(93);
	data[0].effective &= ~(1u << CAP_MKNOD);
	data[0].permitted &= ~(1u << CAP_MKNOD);
	data[0].effective &= ~(1u << CAP_SETFCAP);
	data[0].permitted &= ~(1u << CAP_SETFCAP);
	if (syscall(SYS_capset, &header, data) < 0)
		_exit(93);
}

/* In the child, before exec. `sync` is written when it wants its ids mapped, and read until done. */
static void become(enum starter starter, int sync)
{
	char byte = 0;

	if (starter == AS_USER &&
	    (setgroups(0, NULL) < 0 || setresgid(USER_ID, USER_ID, USER_ID) < 0 ||
	     setresuid(USER_ID, USER_ID, USER_ID) < 0))
		_exit(93);
	if (starter == AS_USERNS_ROOT &&
	    (unshare(CLONE_NEWUSER) < 0 || write(sync, &byte, 1) != 1 ||
	     read(sync, &byte, 1) != 1 || setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 ||
	     setresuid(0, 0, 0) < 0))
		_exit(93);
	if (starter == AS_ROOT_WITHOUT_SETFCAP)
		lose_setfcap();
}

static void write_map(pid_t pid, const char *name)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/%s", pid, name);
	g_autofree char *map = g_strdup_printf("0 %u 65536\n", USERNS_BASE_ID);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	g_assert_cmpint(write(fd, map, strlen(map)), ==, (gssize)strlen(map));
	close(fd);
}

static void map_ids(pid_t pid, int sync)
{
	char byte;

	g_assert_cmpint(read(sync, &byte, 1), ==, 1);
	write_map(pid, "uid_map");
	write_map(pid, "gid_map");
	g_assert_cmpint(write(sync, &byte, 1), ==, 1);
}

static char **make_argv(const char *args, const char *share)
{
	g_autofree char *line = g_strdup_printf("probe %s %s", args, share);
	GStrvBuilder *builder = g_strv_builder_new();
	char **words = g_strsplit(line, " ", -1);
	char **argv;

	for (char **word = words; *word; word++) {
		if (**word)
			g_strv_builder_add(builder, *word);
	}
	argv = g_strv_builder_end(builder);
	g_strv_builder_unref(builder);
	g_strfreev(words);
	return argv;
}

static _Noreturn void run_probe(enum starter starter, char **argv, const int fds[3], int exe,
				int sync)
{
	for (int i = 0; i < 3; i++) {
		if (dup2(fds[i], i) < 0)
			_exit(92);
	}
	become(starter, sync);
	fexecve(exe, argv, environ);
	_exit(91);
}

void probe_start_on(struct probe *probe, enum starter starter, const char *args, const char *share)
{
	int in[2], out[2], err[2], sync[2];
	g_auto(GStrv) argv = NULL;
	int exe = open(g_getenv("SANDBOX_PROBE"), O_PATH | O_CLOEXEC);

	*probe = (struct probe){ 0 };
	make_scratch(probe, owner_for(starter));
	argv = make_argv(args, share ? share : probe->share);
	g_assert_cmpint(exe, >=, 0);
	g_assert_cmpint(pipe2(in, O_CLOEXEC), ==, 0);
	g_assert_cmpint(pipe2(out, O_CLOEXEC), ==, 0);
	g_assert_cmpint(pipe2(err, O_CLOEXEC), ==, 0);
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sync), ==, 0);
	probe->pid = fork();
	g_assert_cmpint(probe->pid, >=, 0);
	if (probe->pid == 0)
		run_probe(starter, argv, (const int[]){ in[0], out[1], err[1] }, exe, sync[1]);
	if (starter == AS_USERNS_ROOT)
		map_ids(probe->pid, sync[0]);
	close(exe);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	close(sync[0]);
	close(sync[1]);
	probe->in = in[1];
	probe->out = out[0];
	probe->err = err[0];
}

void probe_start(struct probe *probe, enum starter starter, const char *args)
{
	probe_start_on(probe, starter, args, NULL);
}

static void wait_readable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	g_assert_cmpint(poll(&poll_fd, 1, LIMIT_MS), ==, 1);
}

/* Until the end of the pipe; errors of a probe that died belong into the report. */
static char *read_all(int fd)
{
	g_autoptr(GString) text = g_string_new(NULL);
	char buf[1024];
	ssize_t n;

	do {
		wait_readable(fd);
		n = read(fd, buf, sizeof(buf));
		if (n > 0)
			g_string_append_len(text, buf, n);
	} while (n > 0);
	return g_string_free(g_steal_pointer(&text), FALSE);
}

char *probe_read(struct probe *probe)
{
	g_autoptr(GString) line = g_string_new(NULL);
	char byte;

	for (;;) {
		wait_readable(probe->out);
		if (read(probe->out, &byte, 1) != 1) {
			g_autofree char *errors = read_all(probe->err);

			g_error("the probe ended unexpectedly: %s", errors);
		}
		if (byte == '\n')
			return g_string_free(g_steal_pointer(&line), FALSE);
		g_string_append_c(line, byte);
	}
}

void probe_send(struct probe *probe, const char *command)
{
	g_autofree char *line = g_strconcat(command, "\n", NULL);

	g_assert_cmpint(write(probe->in, line, strlen(line)), ==, (gssize)strlen(line));
}

void probe_expect(struct probe *probe, const char *command, const char *answer)
{
	g_autofree char *got = NULL;

	probe_send(probe, command);
	got = probe_read(probe);
	if (strcmp(got, answer) != 0)
		g_error("%s: got \"%s\", expected \"%s\"", command, got, answer);
}

void probe_start_sealed(struct probe *probe, enum starter starter, const char *args)
{
	g_autofree char *entered = NULL;

	probe_start(probe, starter, args);
	entered = probe_read(probe);
	g_assert_cmpstr(entered, ==, "entered");
	probe_expect(probe, "seal", "sealed");
}

static pid_t parent_of(const char *pid)
{
	g_autofree char *path = g_build_filename("/proc", pid, "stat", NULL);
	g_autofree char *text = NULL;
	const char *behind_name;

	/* A process that ends meanwhile is nobody's child. */
	if (!g_file_get_contents(path, &text, NULL, NULL))
		return -1;
	behind_name = strrchr(text, ')');
	return behind_name ? (pid_t)g_ascii_strtoll(behind_name + 4, NULL, 10) : -1;
}

pid_t probe_server(const struct probe *probe)
{
	g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(proc))) {
		if (g_ascii_isdigit(name[0]) && parent_of(name) == probe->pid)
			return (pid_t)g_ascii_strtoll(name, NULL, 10);
	}
	return probe->pid;
}

char *probe_status(const struct probe *probe, const char *field)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/status", probe_server(probe));
	g_autofree char *prefix = g_strconcat(field, ":", NULL);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line; line++) {
		if (g_str_has_prefix(*line, prefix))
			return g_strstrip(g_strdup(*line + strlen(prefix)));
	}
	g_error("no %s in %s", field, path);
}

guint64 probe_status_hex(const struct probe *probe, const char *field)
{
	g_autofree char *text = probe_status(probe, field);

	return g_ascii_strtoull(text, NULL, 16);
}

int open_pidfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	g_assert_cmpint(fd, >=, 0);
	return fd;
}

void wait_gone(int pidfd)
{
	wait_readable(pidfd);
	close(pidfd);
}

int probe_finish(struct probe *probe)
{
	int status;

	close(probe->in);
	wait_gone(open_pidfd(probe->pid));
	g_assert_cmpint(waitpid(probe->pid, &status, 0), ==, probe->pid);
	probe->errors = read_all(probe->err);
	close(probe->out);
	close(probe->err);
	remove_scratch(probe);
	return status;
}

void probe_end(struct probe *probe)
{
	int status = probe_finish(probe);

	if (status != 0)
		g_error("the probe ended with status 0x%x: %s", (unsigned int)status,
			probe->errors);
	g_free(probe->errors);
}
