/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sees to it that the daemon ends: a thread that waits for signals and for the front-end to hang up.
 */
#ifndef DAEMON_WATCHDOG_H
#define DAEMON_WATCHDOG_H

struct watchdog;

/*
 * From now on a signal on `signal_fd` (borrowed) makes the descriptor of watchdog_stop_fd() readable.
 * Some seconds after a signal, the end of the connection `socket_fd` (duplicated), or
 * watchdog_ending(), the process is ended by force if it still runs. 0 or -errno. Never freed: the
 * thread ends with the process.
 */
int watchdog_start(int signal_fd, int socket_fd, struct watchdog **ret_watchdog);

/* Borrowed. */
int watchdog_stop_fd(const struct watchdog *watchdog);

/* The control thread is about to end the session, which may wait for requests. */
void watchdog_ending(struct watchdog *watchdog);

#endif
