/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces and the launcher process.
 *
 * A PID namespace begins with the next child, so there is a fork. The parent stays as the
 * launcher: the process that was started, that others signal and wait for. It creates the user and
 * PID namespaces; the child creates the mount and net namespaces itself, so that the launcher
 * keeps the host's file system and can remove a socket or PID file at the end.
 *
 * Neither outlives the other. The launcher ends with the child's status. The child asks the kernel
 * for SIGKILL when the launcher dies (the one signal that reaches PID 1 of a namespace without its
 * consent), and looks at a pipe that only the launcher holds open, in case that was already the
 * case before it asked. The kernel forgets the request when the thread that made it changes its
 * user or group id: the main thread must not act for guest users.
 *
 * Signals to stop are never lost. The launcher blocks them before the fork and takes them one by
 * one; the child keeps them blocked, since PID 1 of a namespace ignores what it has no handler for,
 * and takes them when it is ready to.
 */
#include "sandbox/namespaces.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"
#include "sandbox/caps.h"
#include "sandbox/seccomp.h"

static const int forwarded_signals[] = { SIGTERM, SIGINT, SIGHUP };

static int write_proc_file(const char *path, const char *text)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* Root inside is the user who started us; nobody else exists. */
static int map_own_ids(uid_t uid, gid_t gid)
{
	char uid_map[32], gid_map[32];
	int r;

	snprintf(uid_map, sizeof(uid_map), "0 %u 1\n", uid);
	snprintf(gid_map, sizeof(gid_map), "0 %u 1\n", gid);
	/* The kernel wants setgroups(2) off before an ordinary user may map a group. */
	r = write_proc_file("/proc/self/setgroups", "deny");
	if (r == 0)
		r = write_proc_file("/proc/self/uid_map", uid_map);
	if (r == 0)
		r = write_proc_file("/proc/self/gid_map", gid_map);
	if (r < 0)
		log_error("Cannot map user and group in a user namespace: %s; the system "
			  "restricts user namespaces (AppArmor, or /proc not writable): start as "
			  "root, or use --sandbox=none.",
			  log_strerror(r));
	return r;
}

static void explain_unshare(int r, bool user)
{
	if (r == -ENOSPC || r == -EUSERS)
		log_error("Cannot create namespaces: a limit under /proc/sys/user/max_*_namespaces "
			  "is reached; raise it, or use --sandbox=none.");
	else if (r == -EINVAL)
		log_error("Cannot create namespaces: this kernel has none; use --sandbox=chroot or "
			  "--sandbox=none.");
	else if (user)
		log_error("User namespaces are not available to user %u: %s; permit them "
			  "(kernel.unprivileged_userns_clone, AppArmor, container profile), start "
			  "as root, or use --sandbox=none.",
			  geteuid(), log_strerror(r));
	else
		log_error("Creating namespaces is not permitted: %s; in a container without "
			  "CAP_SYS_ADMIN use --sandbox=chroot or --sandbox=none.",
			  log_strerror(r));
}

static int unshare_before_fork(void)
{
	bool user = geteuid() != 0 && !caps_have(CAP_SYS_ADMIN);
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r;

	if (unshare(CLONE_NEWPID | (user ? CLONE_NEWUSER : 0)) < 0) {
		r = -errno;
		explain_unshare(r, user);
		return r;
	}
	return user ? map_own_ids(uid, gid) : 0;
}

/* In the child. `launcher_alive` reads as hung up when no launcher holds the other end. */
static int become_server(int launcher_alive)
{
	struct pollfd alive = { .fd = launcher_alive };
	int r;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || poll(&alive, 1, 0) < 0) {
		r = -errno;
		log_error("Cannot tie the server to its launcher: %s; use --sandbox=chroot or "
			  "--sandbox=none.",
			  log_strerror(r));
		return r;
	}
	if (alive.revents)
		_exit(EXIT_FAILURE); /* nobody is left to be told */
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0) {
		r = -errno;
		explain_unshare(r, false);
		return r;
	}
	return 0;
}

/* A launcher that could be taken over would still be the user's process: make it useless. */
static int launcher_confine(const struct sandbox_options *options, pid_t child)
{
	int r;

	r = caps_drop_all();
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return options->seccomp == SANDBOX_SECCOMP_NONE ? 0 : seccomp_install_launcher(child);
}

static int wait_for_end(pid_t child, const sigset_t *signals)
{
	int status, signo;
	pid_t ended;

	for (;;) {
		ended = waitpid(child, &status, WNOHANG);
		if (ended == child && (WIFEXITED(status) || WIFSIGNALED(status)))
			return status;
		if (ended < 0 && errno != EINTR)
			return W_EXITCODE(EXIT_FAILURE, 0);
		signo = sigwaitinfo(signals, NULL);
		if (signo > 0 && signo != SIGCHLD)
			(void)kill(child, signo); /* fails only when it has just ended */
	}
}

static int exit_status_of(int status)
{
	int signo;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	signo = WTERMSIG(status);
	if (signo == SIGSYS)
		log_error("The server was ended by SIGSYS: it made a system call that its filter "
			  "does not know; --seccomp=log shows which one in the kernel log.");
	else
		log_error("The server was ended by signal %d (%s).", signo,
			  sigdescr_np(signo) ?: "unknown");
	return 128 + signo;
}

static _Noreturn void launcher_run(const struct sandbox_options *options, pid_t child,
				   const sigset_t *signals)
{
	int status;

	if (options->in_launcher)
		options->in_launcher(options->arg);
	if (launcher_confine(options, child) < 0) {
		log_error("Cannot confine the launcher; use --sandbox=chroot or --sandbox=none.");
		(void)kill(child, SIGKILL);
	}
	status = exit_status_of(wait_for_end(child, signals));
	if (options->launcher_end)
		options->launcher_end(options->arg);
	_exit(status);
}

/* Blocks what the launcher waits for; `ret_child_mask` is the mask the child goes on with. */
static int block_signals(sigset_t *ret_signals, sigset_t *ret_child_mask)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	for (unsigned int i = 0; i < ARRAY_SIZE(forwarded_signals); i++)
		sigaddset(&signals, forwarded_signals[i]);
	if (sigprocmask(SIG_BLOCK, &signals, ret_child_mask) < 0)
		return -errno;
	for (unsigned int i = 0; i < ARRAY_SIZE(forwarded_signals); i++)
		sigaddset(ret_child_mask, forwarded_signals[i]);
	/* An inherited SIG_IGN would have the kernel throw the child's status away. */
	if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
		return -errno;
	*ret_signals = signals;
	return 0;
}

/* fork(2) with a pipe that tells the child whether the launcher lives. */
static int fork_server(int *ret_alive_rd, int *ret_alive_wr, pid_t *ret_child)
{
	int alive[2];
	pid_t child;
	int r;

	fflush(NULL); /* or both would write what is buffered */
	if (pipe2(alive, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child < 0) {
		r = -errno;
		fd_close(&alive[0]);
		fd_close(&alive[1]);
		return r;
	}
	*ret_alive_rd = alive[0];
	*ret_alive_wr = alive[1];
	*ret_child = child;
	return 0;
}

int namespaces_enter(const struct sandbox_options *options)
{
	cleanup_fd int alive_rd = -1;
	cleanup_fd int alive_wr = -1;
	sigset_t signals, child_mask;
	pid_t child = -1;
	int r;

	r = unshare_before_fork();
	if (r < 0)
		return r;
	r = block_signals(&signals, &child_mask);
	if (r == 0)
		r = fork_server(&alive_rd, &alive_wr, &child);
	if (r < 0) {
		log_error("Cannot start the server process: %s; check the limits of processes and "
			  "open files.",
			  log_strerror(r));
		return r;
	}
	if (child > 0) {
		fd_close(&alive_rd);
		launcher_run(options, child, &signals);
	}
	fd_close(&alive_wr);
	r = become_server(alive_rd);
	if (r == 0 && sigprocmask(SIG_SETMASK, &child_mask, NULL) < 0)
		r = -errno;
	return r;
}
