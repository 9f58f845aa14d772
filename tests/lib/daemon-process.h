/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon under test as a child process: start, wait for its readiness line,
 * collect what it prints, learn how it ended. It dies with the test program.
 */
#ifndef TESTS_LIB_DAEMON_PROCESS_H
#define TESTS_LIB_DAEMON_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum daemon_flavour {
	DAEMON_OWN,  /* this project's; also the default */
	DAEMON_C,    /* QEMU 7.2's: "-o source=DIR" */
	DAEMON_RUST, /* the Rust daemon: like ours */
};

struct daemon_config {
	const char *binary; /* NULL: $VIRTIOFSD, which must be set */
	enum daemon_flavour
		flavour; /* ignored with binary NULL: $VIRTIOFSD_FLAVOUR (own, c, rust) */
	const char *shared_dir;
	bool pass_fd;		 /* bind here and pass --fd instead of --socket-path */
	const char *const *args; /* further arguments, NULL-terminated, or NULL */
	const char *const *env;	 /* further NAME=VALUE, NULL-terminated, or NULL */
	const char *wrapper;	 /* command before it, split at blanks; NULL: $VIRTIOFSD_WRAPPER */
};

struct daemon_process;

/*
 * Starts the daemon and waits until it listens; dies with its stderr when it
 * ends before that. Own and Rust flavours get "--sandbox=none" only if args say so.
 */
struct daemon_process *daemon_start(const struct daemon_config *config);
/* Starts it without waiting: for command lines that are refused. */
struct daemon_process *daemon_spawn(const struct daemon_config *config);
/* Kills it if it still runs, reaps it and removes the socket. Accepts NULL. */
void daemon_free(struct daemon_process *daemon);

const char *daemon_socket_path(const struct daemon_process *daemon);
pid_t daemon_pid(const struct daemon_process *daemon);
enum daemon_flavour daemon_flavour(const struct daemon_process *daemon);
/* Whether it (the process started here) has not ended yet. */
bool daemon_running(struct daemon_process *daemon);
/* Waits for its end; the wait status as of waitpid(), or -ETIMEDOUT. */
int daemon_wait(struct daemon_process *daemon);
/* What it wrote to stderr so far; caller frees with g_free(). */
char *daemon_stderr(struct daemon_process *daemon);
/* Waits until stderr contains @text; dies at the time limit. */
void daemon_wait_stderr(struct daemon_process *daemon, const char *text);
/*
 * The process that serves requests: of the started process and its descendants
 * the one with most threads, the youngest on a tie.
 */
pid_t daemon_worker_pid(const struct daemon_process *daemon);
/*
 * Ends the process that serves by a signal and waits until it is gone; its pid. One that takes over
 * is another, and the one to end next.
 */
pid_t daemon_kill_worker(struct daemon_process *daemon, int signo);
/* Pids of the started process and all its descendants; count, at most @max. */
size_t daemon_pids(const struct daemon_process *daemon, pid_t *pids, size_t max);
/* The same of any process. */
size_t process_family(pid_t pid, pid_t *pids, size_t max);
/* Open descriptors of the worker process. */
unsigned int daemon_n_fds(const struct daemon_process *daemon);
/* Resident memory of the worker process in KiB. */
unsigned long daemon_rss_kib(const struct daemon_process *daemon);

#endif
