/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for the server: enters and seals the sandbox, then does what it is told on stdin and
 * answers each line with one line, so that the tests can look around from inside.
 *
 * sandbox-probe [mode=…] [seccomp=…] [readonly] [nofile=N] [without=CALL:ERRNO]… SHARE
 *
 * Prints "entered" after the first stage and "sealed" after the command "seal". Answers are a
 * value, "ok", or the name of an error. "without" makes a system call fail before the start, as
 * an older kernel or a container would.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"
#include "sandbox/sandbox.h"

static struct sandbox_options options;
static struct sandbox_view view;

static void say(const char *text)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "%s\n", text);

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		_exit(99);
}

static void say_result(long result)
{
	say(result < 0 ? strerrorname_np(errno) : "ok");
}

/* Nothing is open any more when the test reads the answer. */
static void close_and_say(int fd, long result)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	say_result(result);
}

static void say_number(unsigned long long number)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", number);
	say(text);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct dirent_head {
	uint64_t ino, offset;
	uint16_t bytes;
	uint8_t type;
	char name[];
};

/* Names at "/", sorted, with blanks between. */
static void cmd_list(void)
{
	static _Alignas(8) char buf[8192];
	char text[512] = "";
	char *names[64];
	size_t n_names = 0;
	int fd = openat(view.root_fd, ".", O_RDONLY | O_DIRECTORY);
	long n = syscall(SYS_getdents64, fd, buf, sizeof(buf));

	for (long at = 0; at < n && n_names < ARRAY_SIZE(names);) {
		struct dirent_head *head = (struct dirent_head *)(void *)(buf + at);

		if (head->name[0] != '.')
			names[n_names++] = head->name;
		at += head->bytes;
	}
	qsort(names, n_names, sizeof(names[0]), by_name);
	for (size_t i = 0; i < n_names; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
			 names[i]);
	close(fd);
	say(text);
}

static void cmd_interfaces(void)
{
	struct if_nameindex *all = if_nameindex();
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[512] = "";

	for (struct if_nameindex *i = all; i && i->if_index; i++) {
		struct ifreq req = { 0 };

		snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", i->if_name);
		ioctl(fd, SIOCGIFFLAGS, &req);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s:%s ", i->if_name,
			 req.ifr_flags & IFF_UP ? "up" : "down");
	}
	if_freenameindex(all);
	close(fd);
	say(text);
}

static void cmd_create(const char *path)
{
	int fd = openat(view.root_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	close_and_say(fd, fd);
}

static void cmd_mode(const char *path)
{
	struct stat st;
	char text[16] = "?";

	if (fstatat(view.root_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		snprintf(text, sizeof(text), "%o", st.st_mode & 07777);
	say(text);
}

/* Through its own descriptor's name, as the server does for every open; "" is the share itself. */
static int open_again(const char *path, int flags)
{
	char name[16];
	int o_path = *path ? openat(view.root_fd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC)
			   : dup(view.root_fd);
	int fd;

	snprintf(name, sizeof(name), "%d", o_path);
	fd = openat(view.proc_self_fd, name, flags | O_CLOEXEC);
	close(o_path);
	return fd;
}

static void cmd_reopen(const char *path)
{
	int fd = open_again(path, O_RDONLY);
	char text[128];
	ssize_t n;

	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0) {
		close_and_say(fd, -1);
		return;
	}
	close(fd);
	text[n] = '\0';
	say(text);
}

static void cmd_proc(const char *path)
{
	int fd = openat(view.proc_self_fd, path, O_PATH | O_CLOEXEC);

	close_and_say(fd, fd);
}

static void cmd_path(const char *path)
{
	struct stat st;

	close_and_say(-1, stat(path, &st));
}

static void cmd_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	close_and_say(fd, fd);
}

/* A device node can be made, and cannot be opened. */
static void cmd_device(void)
{
	int fd = -1;

	if (mknodat(view.root_fd, "null", S_IFCHR | 0666, (dev_t)(1 << 8 | 3)) == 0)
		fd = openat(view.root_fd, "null", O_RDWR | O_CLOEXEC);
	close_and_say(fd, fd);
}

static void *thread_body(void *arg)
{
	int *ret = arg;
	void *some[64];

	pthread_setname_np(pthread_self(), "probe");
	for (size_t i = 0; i < ARRAY_SIZE(some); i++)
		some[i] = malloc(i * 10000 + 1);
	for (size_t i = 0; i < ARRAY_SIZE(some); i++)
		free(some[i]);
	*ret = unshare(CLONE_FS) < 0 || fchdir(view.proc_self_fd) < 0 ? errno : 0;
	return NULL;
}

static void cmd_thread(void)
{
	pthread_t thread;
	int r = 1;

	errno = pthread_create(&thread, NULL, thread_body, &r);
	if (errno == 0)
		errno = pthread_join(thread, NULL);
	if (errno == 0)
		errno = r;
	say_result(errno ? -1 : 0);
}

/* Acts as user 1000 for one creation, as the server does. */
static void cmd_as_user(const char *path)
{
	struct stat st = { 0 };
	int fd;

	if (syscall(SYS_setresgid, -1, 1000, -1) < 0 || syscall(SYS_setresuid, -1, 1000, -1) < 0) {
		say_result(-1);
		return;
	}
	fd = openat(view.root_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		fstat(fd, &st);
	if (syscall(SYS_setresuid, -1, 0, -1) < 0 || syscall(SYS_setresgid, -1, 0, -1) < 0)
		_exit(98);
	if (fd < 0)
		say_result(-1);
	else
		say_number(st.st_uid);
	close(fd);
}

static void cmd_signal(void)
{
	struct signalfd_siginfo info = { 0 };
	sigset_t all;
	int fd;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	fd = signalfd(-1, &all, SFD_CLOEXEC);
	say("waiting");
	if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		say_result(-1);
	else
		say(sigabbrev_np((int)info.ssi_signo));
	close(fd);
}

/* What a server never does. */
static long forbidden(const char *name)
{
	static char *const no_args[] = { NULL };

	if (!strcmp(name, "socket"))
		return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!strcmp(name, "ioctl"))
		return ioctl(STDOUT_FILENO, FIONREAD, &(int){ 0 });
	if (!strcmp(name, "execve"))
		return execve("/nothing", no_args, no_args);
	if (!strcmp(name, "fork"))
		return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (!strcmp(name, "clone3"))
		return syscall(SYS_clone3, NULL, 0);
	if (!strcmp(name, "ptrace"))
		return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	if (!strcmp(name, "unshare"))
		return unshare(CLONE_NEWUSER);
	if (!strcmp(name, "kill"))
		return syscall(SYS_kill, getpid(), 0);
	if (!strcmp(name, "tgkill"))
		return syscall(SYS_tgkill, getpid() + 1, 2, 0);
	if (!strcmp(name, "prlimit"))
		return prlimit(0, RLIMIT_CORE, &(struct rlimit){ 0, 0 }, NULL);
	if (!strcmp(name, "prctl"))
		return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	if (!strcmp(name, "mmap-exec"))
		return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0) == MAP_FAILED
			       ? -1
			       : 0;
	if (!strcmp(name, "open-tree-clone"))
		return (int)syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE);
	if (!strcmp(name, "mprotect-exec"))
		return mprotect(NULL, 0, PROT_READ | PROT_EXEC);
	_exit(97);
}

static void cmd_nofile(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	say_number(limit.rlim_cur);
}

static void cmd_write(const char *path)
{
	int fd = open_again(path, O_WRONLY);

	close_and_say(fd, fd < 0 ? -1 : write(fd, "x", 1));
}

static void cmd_ids(void)
{
	char text[64];

	snprintf(text, sizeof(text), "%d %d %u", getpid(), getppid(), getuid());
	say(text);
}

/* Whether a file-size limit is an error, not the end. */
static void cmd_file_limit(const char *path)
{
	int fd = openat(view.root_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 1, 1 });
	close_and_say(fd, pwrite(fd, "x", 1, 10));
}

static void cmd_others(void)
{
	say_result(kill(-1, 0));
}

static void cmd_seal(void)
{
	if (sandbox_seal(&options) < 0)
		_exit(96);
	say("sealed");
}

static void cmd_call(const char *name)
{
	say_result(forbidden(name));
}

static void cmd_exit(const char *status)
{
	exit(atoi(status));
}

static const struct command {
	const char *name;
	void (*run)(void);
	void (*run_with)(const char *arg);
} commands[] = {
	{ "seal", .run = cmd_seal },
	{ "list", .run = cmd_list },
	{ "interfaces", .run = cmd_interfaces },
	{ "others", .run = cmd_others },
	{ "ids", .run = cmd_ids },
	{ "thread", .run = cmd_thread },
	{ "device", .run = cmd_device },
	{ "signal", .run = cmd_signal },
	{ "nofile", .run = cmd_nofile },
	{ "abort", .run = abort },
	{ "create", .run_with = cmd_create },
	{ "mode", .run_with = cmd_mode },
	{ "write", .run_with = cmd_write },
	{ "reopen", .run_with = cmd_reopen },
	{ "proc", .run_with = cmd_proc },
	{ "path", .run_with = cmd_path },
	{ "open", .run_with = cmd_open },
	{ "as-user", .run_with = cmd_as_user },
	{ "file-limit", .run_with = cmd_file_limit },
	{ "call", .run_with = cmd_call },
	{ "exit", .run_with = cmd_exit },
};

/* Without stdio: what a sealed server reads and writes goes straight to the descriptor. */
static bool read_line(char *line, size_t size)
{
	size_t n = 0;

	while (n < size - 1 && read(STDIN_FILENO, line + n, 1) == 1) {
		if (line[n] == '\n') {
			line[n] = '\0';
			return true;
		}
		n++;
	}
	return false;
}

static void obey(char *line)
{
	char *arg = strchr(line, ' ');

	if (arg)
		*arg++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, line) != 0)
			continue;
		if (commands[i].run)
			commands[i].run();
		else
			commands[i].run_with(arg ? arg : "");
		return;
	}
	say("unknown command");
}

static void fail_call(char *spec)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	char *colon = strchr(spec, ':');
	int err = 0;

	*colon = '\0';
	while (err < 200 && (!strerrorname_np(err) || strcmp(strerrorname_np(err), colon + 1)))
		err++;
	if (seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint16_t)err),
			     seccomp_syscall_resolve_name(spec), 0) < 0 ||
	    seccomp_load(filter) < 0)
		exit(95);
	seccomp_release(filter);
}

static int index_of(const char *text, const char *const *names)
{
	for (int i = 0; names[i]; i++) {
		if (!strcmp(text, names[i]))
			return i;
	}
	exit(94);
}

static void launcher_writes(void *arg)
{
	say(arg);
}

static void parse_argument(char *arg)
{
	static const char *const modes[] = { "namespace", "chroot", "none", NULL };
	static const char *const seccomps[] = { "kill", "trap", "log", "none", NULL };

	if (!strncmp(arg, "mode=", 5))
		options.mode = (enum sandbox_mode)index_of(arg + 5, modes);
	else if (!strncmp(arg, "seccomp=", 8))
		options.seccomp = (enum sandbox_seccomp)index_of(arg + 8, seccomps);
	else if (!strncmp(arg, "without=", 8))
		fail_call(arg + 8);
	else if (!strncmp(arg, "nofile=", 7))
		options.rlimit_nofile = strtoull(arg + 7, NULL, 10);
	else if (!strcmp(arg, "readonly"))
		options.readonly = true;
	else if (!strcmp(arg, "launcher-end"))
		options.launcher_end = launcher_writes;
	else
		options.shared_dir = arg;
}

int main(int argc, char **argv)
{
	static char launcher_text[] = "launcher ends";
	char line[256];

	options.arg = launcher_text;
	for (int i = 1; i < argc; i++)
		parse_argument(argv[i]);
	if (sandbox_enter(&options, &view) < 0)
		return 2;
	say("entered");
	while (read_line(line, sizeof(line)))
		obey(line);
	return 0;
}
