/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that outlives the one that serves, and replaces it when it dies.
 *
 * A worker may be ended by any signal at any instruction: a fault in the program, the kernel for
 * want of memory, the system call filter. Its memory is gone then, but what its guest relies on is
 * not in there: that is the state arena, which is mapped shared, and descriptors. A worker shares
 * the keeper's table of descriptors (clone(2) with CLONE_FILES), so that every open file, lock and
 * connection lives on with the keeper under the same number. The next worker finds the numbers in
 * the arena, closes all others, and goes on.
 *
 * Nothing else is shared, so that nothing a worker does to itself reaches the keeper. The keeper
 * never looks into the arena nor at a byte from a peer.
 *
 * clone(2) is called without the C library, which has no function for it. The keeper has one
 * thread, so no lock of the library can be held; the only thing in the child's copy of the library
 * that is not as after fork(2) is the cached thread id, which the kernel is asked to write.
 *
 * Neither outlives the other: the worker asks the kernel for SIGKILL when the keeper dies (in a PID
 * namespace, whose first process the keeper is, all others end with it anyway), and the keeper ends
 * with the status of a worker that has ended by itself. Who dies again and again is not replaced
 * for ever: the front-end sees the connection end instead of a guest that hangs and hangs.
 */
#include "daemon/keeper.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"

#define KEEPER_NAME "virtiofsd-keep"
#define WORKER_NAME "virtiofsd"

static const int stop_signals[] = { SIGTERM, SIGINT, SIGHUP };

struct keeper {
	const struct keeper_options *options;
	pid_t pid;
	int *tid_address; /* where the C library has this thread's id, or NULL */
	sigset_t signals; /* that the keeper waits for */
	sigset_t worker_mask;
	bool stopping;	 /* a signal to stop has been passed on */
	uint64_t *death; /* owned; moments of the last max_restarts deaths, a ring */
	uint64_t n_deaths;
};

static void keeper_deinit(struct keeper *k)
{
	free_ptr(&k->death);
}

static int block_signals(struct keeper *k)
{
	sigemptyset(&k->signals);
	sigaddset(&k->signals, SIGCHLD);
	for (unsigned int i = 0; i < ARRAY_SIZE(stop_signals); i++)
		sigaddset(&k->signals, stop_signals[i]);
	if (sigprocmask(SIG_BLOCK, &k->signals, &k->worker_mask) < 0)
		return -errno;
	for (unsigned int i = 0; i < ARRAY_SIZE(stop_signals); i++)
		sigaddset(&k->worker_mask, stop_signals[i]);
	/* An inherited SIG_IGN would have the kernel throw the worker's status away. */
	return signal(SIGCHLD, SIG_DFL) == SIG_ERR ? -errno : 0;
}

static int keeper_init(struct keeper *k, const struct keeper_options *options)
{
	int r;

	*k = (struct keeper){ .options = options, .pid = getpid() };
	k->death = calloc(MAX(options->max_restarts, 1u), sizeof(*k->death));
	if (!k->death)
		return -ENOMEM;
	/* A kernel without it leaves the copy's id wrong; the library asks where it matters. */
	if (prctl(PR_GET_TID_ADDRESS, &k->tid_address, 0, 0, 0) < 0)
		k->tid_address = NULL;
	r = block_signals(k);
	(void)prctl(PR_SET_NAME, KEEPER_NAME, 0, 0, 0); /* for who looks at processes */
	return r;
}

/* ---- The worker ---- */

/* Architectures differ in which of the last two arguments is the address of the id. */
static pid_t clone_worker(const struct keeper *k)
{
	unsigned long flags = CLONE_FILES | SIGCHLD;
	long pid;

	if (k->tid_address)
		flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
	/* Or both would write what is buffered. */
	fflush(NULL);
#if defined(__s390__) || defined(__s390x__)
	pid = syscall(SYS_clone, NULL, flags, NULL, k->tid_address, k->tid_address);
#else
	pid = syscall(SYS_clone, flags, NULL, NULL, k->tid_address, k->tid_address);
#endif
	return pid < 0 ? -errno : (pid_t)pid;
}

static _Noreturn void worker_main(const struct keeper *k)
{
	(void)prctl(PR_SET_NAME, WORKER_NAME, 0, 0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
	    sigprocmask(SIG_SETMASK, &k->worker_mask, NULL) < 0) {
		log_error("Cannot tie the worker to its keeper: %s", log_strerror(errno));
		_exit(EXIT_FAILURE);
	}
	if (getppid() != k->pid)
		_exit(EXIT_FAILURE); /* it died before it was asked for */
	exit(k->options->work(k->options->arg, k->n_deaths > 0));
}

static pid_t start_worker(const struct keeper *k)
{
	pid_t pid = clone_worker(k);

	if (pid == 0)
		worker_main(k);
	if (pid < 0)
		log_error("Cannot start a worker process: %s; check the limit of processes",
			  log_strerror(pid));
	return pid;
}

/* ---- The keeper ---- */

/* Waits for the worker's end, as waitpid(2), and passes signals on meanwhile. */
static int wait_for_end(struct keeper *k, pid_t worker)
{
	int status, signo;
	pid_t ended;

	for (;;) {
		ended = waitpid(worker, &status, WNOHANG);
		if (ended == worker && (WIFEXITED(status) || WIFSIGNALED(status)))
			return status;
		if (ended < 0 && errno != EINTR)
			return W_EXITCODE(EXIT_FAILURE, 0);
		signo = sigwaitinfo(&k->signals, NULL);
		if (signo <= 0 || signo == SIGCHLD)
			continue;
		k->stopping = true;
		(void)kill(worker, signo); /* fails only when it has just ended */
	}
}

/* Has one come while there was no worker to pass it on to? */
static bool stop_is_pending(const struct keeper *k)
{
	const struct timespec now = { 0 };
	int signo;

	do {
		signo = sigtimedwait(&k->signals, NULL, &now);
	} while (signo == SIGCHLD);
	return signo > 0;
}

static uint64_t now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

/* Counts a death; false when there have been too many. */
static bool may_restart(struct keeper *k)
{
	uint32_t max = k->options->max_restarts;
	uint64_t now = now_s();
	uint64_t *oldest = &k->death[max ? k->n_deaths % max : 0];

	if (!max || (k->n_deaths >= max && now - *oldest < KEEPER_WINDOW_S))
		return false;
	*oldest = now;
	k->n_deaths++;
	return true;
}

static const char *signal_name(int signo)
{
	return sigdescr_np(signo) ?: "unknown";
}

/* True when a worker that was ended by this signal is to have a successor. */
static bool replace(struct keeper *k, int signo, int *ret_status)
{
	*ret_status = 128 + signo;
	if (k->stopping || stop_is_pending(k)) {
		log_info("Ended by a signal; the worker by signal %d (%s)", signo,
			 signal_name(signo));
		*ret_status = k->stopping ? *ret_status : EXIT_SUCCESS;
		return false;
	}
	if (signo == SIGSYS)
		log_error("The worker made a system call that its filter does not know; "
			  "--seccomp=log shows which one in the kernel log");
	if (!may_restart(k)) {
		log_error("The worker was ended by signal %d (%s), more than %u times within %u s; "
			  "it is not replaced any more",
			  signo, signal_name(signo), k->options->max_restarts, KEEPER_WINDOW_S);
		return false;
	}
	log_warn("The worker was ended by signal %d (%s); a new one takes over", signo,
		 signal_name(signo));
	return true;
}

int keeper_run(const struct keeper_options *options)
{
	struct keeper k CLEANUP(keeper_deinit);
	int status = EXIT_FAILURE;
	int r = keeper_init(&k, options);

	if (r < 0) {
		log_error("Cannot set up the keeper: %s", log_strerror(r));
		return EXIT_FAILURE;
	}
	for (;;) {
		pid_t worker = start_worker(&k);
		int wait_status;

		if (worker < 0)
			return EXIT_FAILURE;
		wait_status = wait_for_end(&k, worker);
		if (WIFEXITED(wait_status))
			return WEXITSTATUS(wait_status);
		if (!replace(&k, WTERMSIG(wait_status), &status))
			return status;
	}
}
