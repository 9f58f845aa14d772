/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that outlives the one that serves, and replaces it when it dies.
 */
#ifndef DAEMON_KEEPER_H
#define DAEMON_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#define KEEPER_WINDOW_S 60u

struct keeper_options {
	uint32_t max_restarts; /* within KEEPER_WINDOW_S; one more death is the end */
	/*
	 * Runs in each worker; returns the exit status. `successor`: a worker before this one was
	 * ended by a signal, and left its descriptors.
	 */
	int (*work)(void *arg, bool successor);
	void *arg;
};

/*
 * Makes a worker and waits until one ends by itself or may not be replaced. The calling process
 * must be sealed (sandbox_seal_keeper) and have one thread. Passes SIGTERM, SIGINT and SIGHUP on.
 * Returns the exit status: the worker's, or 128 + signal number.
 */
int keeper_run(const struct keeper_options *options);

#endif
