/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts the daemon as a given launcher does.
 */
#include "tests/component/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/component/service.h"
#include "tests/lib/bounded.h"

#define SPARE_FD 200 /* where descriptors are kept while others take their places */

/* ---- Before the start ---- */

static char *fill_in(const struct launch *launch, const char *text)
{
	g_autoptr(GString) filled = g_string_new(text);

	g_string_replace(filled, "@SHARE", launch->share.dir, 0);
	g_string_replace(filled, "@SOCKET", launch->socket, 0);
	return g_strdup(filled->str);
}

static char **fill_in_all(const struct launch *launch, const char *const *words, const char *first)
{
	GPtrArray *all = g_ptr_array_new();

	if (first)
		g_ptr_array_add(all, g_strdup(first));
	for (; words && *words; words++)
		g_ptr_array_add(all, fill_in(launch, *words));
	g_ptr_array_add(all, NULL);
	return (char **)g_ptr_array_free(all, FALSE);
}

static int listen_on(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1))
		test_die("%s: %s", path, strerror(errno));
	return fd;
}

static void make_places(struct launch *launch, const struct launch_config *config)
{
	share_init(&launch->share);
	share_write_text(&launch->share, "from-host", "hello");
	launch->dir = g_dir_make_tmp("launch-XXXXXX", NULL);
	launch->socket = g_build_filename(launch->dir, "sock", NULL);
	launch->log = g_build_filename(launch->dir, "log", NULL);
	if (chmod(launch->dir, 0755) || chown(launch->dir, config->user, config->user) ||
	    chown(launch->share.dir, config->user, config->user))
		test_die("%s: %s", launch->dir, strerror(errno));
	launch->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (inotify_add_watch(launch->watch_fd, launch->dir, IN_CREATE | IN_MOVED_TO | IN_MODIFY) <
	    0)
		test_die("watch %s: %s", launch->dir, strerror(errno));
	launch->listen_fd = config->listen_at ? listen_on(launch->socket) : -1;
	launch->syslog_fd = -1;
	if (config->system_log) {
		g_autofree char *dev = g_build_filename(launch->dir, "dev", NULL);
		g_autofree char *path = g_build_filename(dev, "log", NULL);

		g_assert_cmpint(g_mkdir(dev, 0755), ==, 0);
		launch->syslog_fd = datagrams_at(path);
	}
}

/* ---- The child ---- */

static void hide_dev(const char *dev)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(dev, "/dev", NULL, MS_BIND, NULL))
		_exit(121);
}

static void become(uid_t user)
{
	if (setgroups(0, NULL) || setresgid(user, user, user) || setresuid(user, user, user))
		_exit(122);
}

/* Nothing here may allocate: the test program may have threads. */
static _Noreturn void become_daemon(const struct launch *launch, const struct launch_config *config,
				    char **argv, char **env, const char *dev, int exe, int log,
				    scmp_filter_ctx filter)
{
	if (config->own_session)
		setsid();
	if (dev)
		hide_dev(dev);
	if ((config->in_share && chdir(launch->share.dir)) ||
	    (config->in_run && chdir(launch->dir)))
		_exit(123);
	if (dup3(exe, SPARE_FD, O_CLOEXEC) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
	    dup2(log, STDERR_FILENO) < 0)
		_exit(124);
	/* A copy first: it may be at its place already, with close-on-exec. */
	if (config->listen_at) {
		int copy = fcntl(launch->listen_fd, F_DUPFD_CLOEXEC, SPARE_FD + 1);

		if (copy < 0 || dup2(copy, config->listen_at) < 0)
			_exit(125);
	}
	for (char **item = env; *item; item++)
		if (strcmp(*item, "LISTEN_PID=          ") == 0)
			g_snprintf(*item + strlen("LISTEN_PID="), 11, "%d", getpid());
	if (config->user)
		become(config->user);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (filter && seccomp_load(filter) < 0)
		_exit(126);
	fexecve(SPARE_FD, argv, env);
	_exit(127);
}

static const struct {
	const char *name;
	uint32_t action;
} errors[] = {
	{ "EPERM", SCMP_ACT_ERRNO(EPERM) },   { "EINVAL", SCMP_ACT_ERRNO(EINVAL) },
	{ "ENOSPC", SCMP_ACT_ERRNO(ENOSPC) }, { "EAGAIN", SCMP_ACT_ERRNO(EAGAIN) },
	{ "EMFILE", SCMP_ACT_ERRNO(EMFILE) }, { "ENOSYS", SCMP_ACT_ERRNO(ENOSYS) },
	{ "KILL", SCMP_ACT_KILL_PROCESS },
};

static int add_refusal(scmp_filter_ctx filter, const char *text)
{
	g_auto(GStrv) words = g_strsplit_set(text, "#:", 3);
	const char *error = words[g_strv_length(words) - 1];
	bool with_arg = strchr(text, '#') != NULL;
	struct scmp_arg_cmp arg = SCMP_A0(SCMP_CMP_EQ, with_arg ? strtoull(words[1], NULL, 0) : 0);
	int call = seccomp_syscall_resolve_name(words[0]);

	for (size_t i = 0; i < G_N_ELEMENTS(errors); i++)
		if (strcmp(errors[i].name, error) == 0)
			return seccomp_rule_add_array(filter, errors[i].action, call, with_arg,
						      with_arg ? &arg : NULL);
	return -EINVAL;
}

/* A filter of its own; made before the fork, loaded behind it. */
static scmp_filter_ctx refusals(const char *const *without)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	for (; *without; without++)
		if (!filter || add_refusal(filter, *without) < 0)
			test_die("cannot refuse %s", *without);
	return filter;
}

static char **environment(const struct launch_config *config)
{
	char **env = g_get_environ();

	env = g_environ_unsetenv(env, "RUST_LOG");
	for (const char *const *item = config->env; item && *item; item++) {
		g_auto(GStrv) pair = g_strsplit(*item, "=", 2);
		bool pid = strcmp(*item, "LISTEN_PID=") == 0;

		env = g_environ_setenv(env, pair[0], pid ? "          " : pair[1], TRUE);
	}
	return env;
}

struct launch *launch_start(const struct launch_config *config)
{
	struct launch *launch = g_new0(struct launch, 1);
	const char *program = g_getenv("VIRTIOFSD");
	int exe = open(program ? program : "", O_PATH | O_CLOEXEC);
	g_autofree char *dev = NULL;
	g_auto(GStrv) argv = NULL;
	g_auto(GStrv) env = environment(config);
	scmp_filter_ctx filter = config->without ? refusals(config->without) : NULL;
	int log;

	if (exe < 0)
		test_die("VIRTIOFSD must name the daemon under test");
	make_places(launch, config);
	if (config->prepare)
		config->prepare(launch->socket, config->arg);
	if (config->system_log)
		dev = g_build_filename(launch->dir, "dev", NULL);
	argv = fill_in_all(launch, config->args, "virtiofsd");
	log = open(launch->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	launch->pid = fork();
	if (launch->pid == 0)
		become_daemon(launch, config, argv, env, dev, exe, log, filter);
	if (filter)
		seccomp_release(filter);
	launch->pidfd = launch->pid < 0 ? -1 : pidfd_open(launch->pid, 0);
	if (log < 0 || launch->pidfd < 0)
		test_die("cannot start %s: %s", program, strerror(errno));
	close(log);
	close(exe);
	return launch;
}

/* ---- Watching it ---- */

char *launch_output(const struct launch *launch)
{
	char *text;

	if (!g_file_get_contents(launch->log, &text, NULL, NULL))
		test_die("%s cannot be read", launch->log);
	return text;
}

/* Until something happens in its folder; dies when it ends before that, or nothing happens. */
static void wait_for_news(struct launch *launch, const char *awaited, int64_t deadline)
{
	struct pollfd fds[] = {
		{ .fd = launch->watch_fd, .events = POLLIN },
		{ .fd = launch->pidfd, .events = POLLIN },
	};
	char events[4096];

	if (poll(fds, G_N_ELEMENTS(fds), deadline_left_ms(deadline)) < 1 || !fds[0].revents) {
		g_autofree char *output = launch_output(launch);

		test_die("%s: never; it %s, and said: %s", awaited,
			 fds[1].revents ? "ended" : "goes on", output);
	}
	(void)!read(launch->watch_fd, events, sizeof(events));
}

void launch_wait_output(struct launch *launch, const char *text)
{
	int64_t deadline = deadline_default();

	for (;;) {
		g_autofree char *output = launch_output(launch);

		if (strstr(output, text))
			return;
		wait_for_news(launch, text, deadline);
	}
}

/* Everything but the directives stands for itself. */
static GRegex *sentence_regex(const char *format)
{
	g_autoptr(GRegex) directive = g_regex_new("%[#0-9]*(?:ll|l)?[a-z]", 0, 0, NULL);
	g_auto(GStrv) parts = g_regex_split(directive, format, 0);
	g_autoptr(GString) pattern = g_string_new("(\\] |^virtiofsd: )");

	for (char **part = parts; *part; part++) {
		g_autofree char *literal = g_regex_escape_string(*part, -1);

		g_string_append_printf(pattern, "%s%s", part == parts ? "" : ".*", literal);
	}
	g_string_append(pattern, "$");
	return g_regex_new(pattern->str, G_REGEX_MULTILINE | G_REGEX_RAW, 0, NULL);
}

void launch_wait_sentence(struct launch *launch, const char *format)
{
	g_autoptr(GRegex) regex = sentence_regex(format);
	int64_t deadline = deadline_default();

	for (;;) {
		g_autofree char *output = launch_output(launch);

		if (g_regex_match(regex, output, 0, NULL))
			return;
		if (!launch->pid)
			test_die("it did not say \"%s\", but: %s", format, output);
		wait_for_news(launch, format, deadline);
	}
}

void launch_wait_socket(struct launch *launch)
{
	int64_t deadline = deadline_default();

	while (access(launch->socket, F_OK) < 0)
		wait_for_news(launch, "the socket", deadline);
}

int launch_wait_end(struct launch *launch, int signal)
{
	struct pollfd p = { .fd = launch->pidfd, .events = POLLIN };
	g_autofree char *output = NULL;
	int status;

	if (poll(&p, 1, test_timeout_ms()) != 1)
		test_die("the daemon does not end");
	if (waitpid(launch->pid, &status, 0) != launch->pid)
		test_die("waitpid: %s", strerror(errno));
	launch->pid = 0;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	output = launch_output(launch);
	if (WTERMSIG(status) != signal)
		test_die("ended by signal %d; it said: %s", WTERMSIG(status), output);
	return -signal;
}

static void remove_dir(const char *dir)
{
	const char *const argv[] = { "rm", "-rf", "--one-file-system", dir, NULL };
	int status = -1;

	if (!g_spawn_sync(NULL, (char **)(uintptr_t)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
			  NULL, NULL, &status, NULL) ||
	    status)
		test_die("%s cannot be removed", dir);
}

void launch_free(struct launch *launch)
{
	if (launch->pid) {
		kill(launch->pid, SIGKILL);
		launch_wait_end(launch, SIGKILL);
	}
	share_check_canaries(&launch->share);
	share_deinit(&launch->share);
	close(launch->pidfd);
	close(launch->watch_fd);
	if (launch->syslog_fd >= 0)
		close(launch->syslog_fd);
	if (launch->listen_fd >= 0)
		close(launch->listen_fd);
	remove_dir(launch->dir);
	g_free(launch->dir);
	g_free(launch->socket);
	g_free(launch->log);
	g_free(launch);
}

/* ---- Using it ---- */

/* Bound, but perhaps not listening yet: launchers try again, too. */
static int connect_to(struct launch *launch)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int64_t deadline = deadline_default();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_strlcpy(addr.sun_path, launch->socket, sizeof(addr.sun_path));
	while (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		if (errno != ECONNREFUSED || deadline_left_ms(deadline) == 0)
			test_die("%s: %s", launch->socket, strerror(errno));
		sched_yield();
	}
	return fd;
}

static void mount_share(struct launch *launch)
{
	const struct fuse_client_config client = { .queue = 1, .data_bytes = 1 << 20 };
	int result;

	vmm_connect(&launch->vmm, NULL, connect_to(launch), NULL);
	vmm_start_queues(&launch->vmm);
	fuse_client_init(&launch->client, &launch->vmm, &client);
	result = fuse_init_default(&launch->client);
	if (result)
		test_die("INIT: %s", strerror(-result));
}

static void read_what_the_host_wrote(struct fuse_client *c)
{
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	char text[16] = { 0 };
	char names[4096];

	g_assert_cmpint(fuse_lookup(c, FUSE_ROOT_ID, "from-host", &entry), ==, 0);
	g_assert_cmpint(fuse_open(c, entry.nodeid, O_RDONLY, &open), ==, 0);
	g_assert_cmpint(fuse_read(c, entry.nodeid, open.fh, 0, sizeof(text), text), ==, 5);
	g_assert_cmpstr(text, ==, "hello");
	g_assert_cmpint(fuse_release(c, entry.nodeid, open.fh), ==, 0);
	g_assert_cmpint(fuse_opendir(c, FUSE_ROOT_ID, O_RDONLY, &open), ==, 0);
	g_assert_cmpint(fuse_readdir(c, FUSE_ROOT_ID, open.fh, 0, sizeof(names), names, false), >,
			0);
	g_assert_cmpint(fuse_releasedir(c, FUSE_ROOT_ID, open.fh), ==, 0);
}

static void write_for_the_host(struct launch *launch)
{
	struct fuse_client *c = &launch->client;
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	g_autofree char *text = NULL;
	size_t n;
	int result = fuse_create(c, FUSE_ROOT_ID, "from-guest", 0644, O_RDWR, &entry, &open);

	if (result == -EROFS)
		return; /* some launchers want it so */
	g_assert_cmpint(result, ==, 0);
	g_assert_cmpint(fuse_write(c, entry.nodeid, open.fh, 0, 4, "data", 0), ==, 4);
	g_assert_cmpint(fuse_release(c, entry.nodeid, open.fh), ==, 0);
	text = share_read(&launch->share, "from-guest", &n);
	g_assert_cmpstr(text, ==, "data");
}

void launch_use(struct launch *launch)
{
	mount_share(launch);
	read_what_the_host_wrote(&launch->client);
	write_for_the_host(launch);
}

void launch_hang_up(struct launch *launch)
{
	fuse_client_deinit(&launch->client);
	vmm_stop(&launch->vmm);
}
