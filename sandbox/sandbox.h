/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walls around the process that serves a guest, in the order they are put up.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

enum sandbox_mode {
	SANDBOX_NAMESPACE, /* new mount, pid and net namespaces (and user namespace without root) */
	SANDBOX_CHROOT,	   /* root only */
	SANDBOX_NONE,
};

enum sandbox_seccomp {
	SANDBOX_SECCOMP_KILL,
	SANDBOX_SECCOMP_TRAP,
	SANDBOX_SECCOMP_LOG,
	SANDBOX_SECCOMP_NONE,
};

struct sandbox_options {
	enum sandbox_mode mode;
	enum sandbox_seccomp seccomp;
	const char *shared_dir; /* existing directory or regular file */
	bool readonly;		/* also makes the mount inside the sandbox read-only */
	uint64_t rlimit_nofile; /* 0 = as high as permitted, at most 1,000,000 */
	bool file_handles;	/* the server may open files by handle */
	uint64_t caps_add;	/* capabilities to keep besides, and not to, as bits */
	uint64_t caps_drop;
	bool keeper; /* the server is a keeper and workers, see sandbox_seal_keeper() */
	/* Runs in the launcher after the fork: to close what only the server needs. */
	void (*in_launcher)(void *arg);
	/* Runs in the launcher when the server has ended, just before the launcher exits. */
	void (*launcher_end)(void *arg);
	void *arg;
};

/* What the server works with afterwards; fds close-on-exec, owned by the caller. */
struct sandbox_view {
	int root_fd;	  /* O_PATH of the shared directory or file */
	int proc_self_fd; /* O_PATH of /proc/self/fd; -1: each worker is to ask for its own */
};

/*
 * Stage 1. Limits, then the file-system view. With SANDBOX_NAMESPACE the process forks: the
 * function returns only in the child, which is PID 1 of its namespace; the parent drops all
 * privileges, forwards SIGTERM, SIGINT and SIGHUP, waits, and exits with the child's status (128 +
 * signal number when a signal ended it). The child ends when the parent does; it goes on with those
 * three signals blocked, so that none is lost until it reads them (signalfd). The calling thread
 * must keep its user and group ids from then on, or the kernel forgets to end it with the parent.
 *
 * Must be called before any thread exists. Loads the time zone and sets the umask to 0. On failure
 * one clear sentence with the remedy has been logged and -errno is returned.
 */
int sandbox_enter(const struct sandbox_options *options, struct sandbox_view *ret_view);

/*
 * Stage 2, after everything that needs privileges is open and before the first byte of a peer is
 * read: capabilities down to what serving needs, no_new_privs, not dumpable, seccomp filter (which
 * later threads inherit).
 */
int sandbox_seal(const struct sandbox_options *options);

/*
 * Stage 2 for a keeper, which makes workers and waits for them, where sandbox_enter() has left
 * `proc_self_fd` to the workers. Everything a worker may do later must be permitted to the keeper
 * now, because neither filters nor capabilities can be had back; but it gives up the use of its
 * capabilities, and what it is permitted besides is what making and sealing a worker takes.
 */
int sandbox_seal_keeper(const struct sandbox_options *options);

/*
 * First thing in a worker, a child of the keeper that is of one thread: opens the worker's own
 * /proc/self/fd and takes up the capabilities that sandbox_seal() will reduce. `view->proc_self_fd`
 * is written. 0, or -errno after one log line.
 */
int sandbox_enter_worker(const struct sandbox_options *options, struct sandbox_view *view);

#endif
