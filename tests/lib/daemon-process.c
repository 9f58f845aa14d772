/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon under test as a child process.
 *
 * A thread drains its stderr into a string from the start, so that a talkative
 * daemon never blocks on a full pipe and the readiness line is seen at once.
 */
#include "tests/lib/daemon-process.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/lib/bounded.h"

#define READY_TEXT "Waiting for vhost-user socket connection"
#define HANDED_FD  3

struct daemon_process {
	pid_t pid;
	int pidfd;
	int stderr_fd;
	enum daemon_flavour flavour;
	char *socket_folder;
	char *socket_path;
	bool reaped;
	int status;
	GThread *drain;
	GMutex lock; /* guards text and text_ended */
	GCond changed;
	GString *text;
	bool text_ended;
};

static void *drain_stderr(void *arg)
{
	struct daemon_process *daemon = arg;
	char bytes[4096];
	ssize_t n;

	while ((n = read(daemon->stderr_fd, bytes, sizeof(bytes))) > 0) {
		g_mutex_lock(&daemon->lock);
		g_string_append_len(daemon->text, bytes, n);
		g_cond_broadcast(&daemon->changed);
		g_mutex_unlock(&daemon->lock);
	}
	g_mutex_lock(&daemon->lock);
	daemon->text_ended = true;
	g_cond_broadcast(&daemon->changed);
	g_mutex_unlock(&daemon->lock);
	return NULL;
}

static enum daemon_flavour flavour_from_env(void)
{
	const char *name = getenv("VIRTIOFSD_FLAVOUR");

	if (!name || !strcmp(name, "own"))
		return DAEMON_OWN;
	if (!strcmp(name, "c"))
		return DAEMON_C;
	if (!strcmp(name, "rust"))
		return DAEMON_RUST;
	test_die("VIRTIOFSD_FLAVOUR=%s: not own, c or rust", name);
}

static const char *binary_from_env(void)
{
	const char *binary = getenv("VIRTIOFSD");

	if (!binary || !*binary)
		test_die("VIRTIOFSD must name the daemon under test");
	return binary;
}

static void add_words(GPtrArray *argv, const char *text)
{
	g_auto(GStrv) words = g_strsplit(text, " ", -1);

	for (char **word = words; *word; word++)
		if (**word)
			g_ptr_array_add(argv, g_strdup(*word));
}

static GPtrArray *command_line(const struct daemon_process *daemon,
			       const struct daemon_config *config)
{
	const char *wrapper = config->wrapper ? config->wrapper : getenv("VIRTIOFSD_WRAPPER");
	GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);

	if (wrapper)
		add_words(argv, wrapper);
	g_ptr_array_add(argv, g_strdup(config->binary ? config->binary : binary_from_env()));
	if (config->pass_fd)
		g_ptr_array_add(argv, g_strdup_printf("--fd=%d", HANDED_FD));
	else
		g_ptr_array_add(argv, g_strdup_printf("--socket-path=%s", daemon->socket_path));
	if (config->shared_dir && daemon->flavour == DAEMON_C) {
		g_ptr_array_add(argv, g_strdup("-o"));
		g_ptr_array_add(argv, g_strdup_printf("source=%s", config->shared_dir));
	} else if (config->shared_dir) {
		g_ptr_array_add(argv, g_strdup_printf("--shared-dir=%s", config->shared_dir));
	}
	for (const char *const *arg = config->args; arg && *arg; arg++)
		g_ptr_array_add(argv, g_strdup(*arg));
	g_ptr_array_add(argv, NULL);
	return argv;
}

static char **environment(const struct daemon_process *daemon, const struct daemon_config *config)
{
	char **env = g_get_environ();

	/* The C daemon's thread pool runs into its own seccomp filter without this. */
	if (daemon->flavour == DAEMON_C)
		env = g_environ_setenv(env, "MALLOC_ARENA_MAX", "2", TRUE);
	for (const char *const *item = config->env; item && *item; item++) {
		g_auto(GStrv) pair = g_strsplit(*item, "=", 2);

		env = g_environ_setenv(env, pair[0], pair[1] ? pair[1] : "", TRUE);
	}
	return env;
}

static int listening_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1))
		test_die("listen on %s: %s", path, strerror(errno));
	return fd;
}

/* In the child between fork and exec: async-signal-safe calls only. */
static _Noreturn void become_daemon(char **argv, char **env, int error_fd, int listen_fd,
				    pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126);
	/* What it prints must not be taken for lines of the test protocol. */
	if (dup2(error_fd, STDERR_FILENO) < 0 || dup2(error_fd, STDOUT_FILENO) < 0)
		_exit(126);
	if (listen_fd == HANDED_FD) {
		int copy = dup(listen_fd);

		if (copy < 0)
			_exit(126);
		listen_fd = copy;
	}
	if (listen_fd >= 0 && dup2(listen_fd, HANDED_FD) < 0)
		_exit(126);
	execvpe(argv[0], argv, env);
	_exit(127);
}

struct daemon_process *daemon_spawn(const struct daemon_config *config)
{
	struct daemon_process *daemon = g_new0(struct daemon_process, 1);
	g_autoptr(GPtrArray) argv = NULL;
	g_auto(GStrv) env = NULL;
	cleanup_fd int listen_fd = -1;
	pid_t parent = getpid();
	int ends[2];

	daemon->flavour = config->binary ? config->flavour : flavour_from_env();
	daemon->socket_folder = g_dir_make_tmp("vfsd-XXXXXX", NULL);
	daemon->socket_path = g_build_filename(daemon->socket_folder, "sock", NULL);
	daemon->text = g_string_new(NULL);
	argv = command_line(daemon, config);
	env = environment(daemon, config);
	if (config->pass_fd)
		listen_fd = listening_socket(daemon->socket_path);
	if (pipe2(ends, O_CLOEXEC))
		test_die("pipe: %s", strerror(errno));
	daemon->pid = fork();
	if (daemon->pid < 0)
		test_die("fork: %s", strerror(errno));
	if (daemon->pid == 0)
		become_daemon((char **)argv->pdata, env, ends[1], listen_fd, parent);
	close(ends[1]);
	daemon->stderr_fd = ends[0];
	daemon->pidfd = pidfd_open(daemon->pid, 0);
	if (daemon->pidfd < 0)
		test_die("pidfd_open: %s", strerror(errno));
	daemon->drain = g_thread_new("daemon-stderr", drain_stderr, daemon);
	return daemon;
}

struct daemon_process *daemon_start(const struct daemon_config *config)
{
	struct daemon_process *daemon = daemon_spawn(config);

	daemon_wait_stderr(daemon, READY_TEXT);
	return daemon;
}

char *daemon_stderr(struct daemon_process *daemon)
{
	char *copy;

	g_mutex_lock(&daemon->lock);
	copy = g_strdup(daemon->text->str);
	g_mutex_unlock(&daemon->lock);
	return copy;
}

void daemon_wait_stderr(struct daemon_process *daemon, const char *text)
{
	gint64 end = g_get_monotonic_time() + (gint64)test_timeout_ms() * 1000;
	bool found;

	g_mutex_lock(&daemon->lock);
	while (!(found = strstr(daemon->text->str, text) != NULL) && !daemon->text_ended)
		if (!g_cond_wait_until(&daemon->changed, &daemon->lock, end))
			break;
	g_mutex_unlock(&daemon->lock);
	if (!found) {
		g_autofree char *all = daemon_stderr(daemon);

		test_die("the daemon never said \"%s\"; it said: %s", text, all);
	}
}

static bool wait_end(struct daemon_process *daemon, int timeout_ms)
{
	struct pollfd pfd = { .fd = daemon->pidfd, .events = POLLIN };

	if (daemon->reaped)
		return true;
	if (poll(&pfd, 1, timeout_ms) != 1)
		return false;
	if (waitpid(daemon->pid, &daemon->status, 0) != daemon->pid)
		test_die("waitpid: %s", strerror(errno));
	daemon->reaped = true;
	return true;
}

bool daemon_running(struct daemon_process *daemon)
{
	return !wait_end(daemon, 0);
}

int daemon_wait(struct daemon_process *daemon)
{
	return wait_end(daemon, test_timeout_ms()) ? daemon->status : -ETIMEDOUT;
}

void daemon_free(struct daemon_process *daemon)
{
	pid_t pids[64];
	size_t n;

	if (!daemon)
		return;
	/* Descendants first: a sandboxed worker may outlive a killed launcher for a moment. */
	n = daemon->reaped ? 0 : daemon_pids(daemon, pids, G_N_ELEMENTS(pids));
	for (size_t i = n; i-- > 0;)
		kill(pids[i], SIGKILL);
	if (!wait_end(daemon, test_timeout_ms()))
		test_die("the daemon survived SIGKILL");
	g_thread_join(daemon->drain);
	close(daemon->stderr_fd);
	close(daemon->pidfd);
	{
		g_autofree char *pid_file = g_strconcat(daemon->socket_path, ".pid", NULL);

		(void)g_unlink(pid_file);
	}
	(void)g_unlink(daemon->socket_path);
	(void)g_rmdir(daemon->socket_folder);
	g_string_free(daemon->text, TRUE);
	g_free(daemon->socket_path);
	g_free(daemon->socket_folder);
	g_mutex_clear(&daemon->lock);
	g_cond_clear(&daemon->changed);
	g_free(daemon);
}

const char *daemon_socket_path(const struct daemon_process *daemon)
{
	return daemon->socket_path;
}

pid_t daemon_pid(const struct daemon_process *daemon)
{
	return daemon->pid;
}

enum daemon_flavour daemon_flavour(const struct daemon_process *daemon)
{
	return daemon->flavour;
}
