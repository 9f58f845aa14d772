/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --daemonize: the process that was started waits until the daemon is ready, and ends.
 */
#ifndef DAEMON_BACKGROUND_H
#define DAEMON_BACKGROUND_H

/*
 * Returns in a new process of a session of its own, or -errno; the old one exits with 0 once
 * background_tell_ready() was called, or with the status of what ended before. No threads yet.
 */
int background_enter(void);

/* Lets go of standard input, output and error. Nothing without background_enter(). */
void background_let_go(void);

/* The same, and lets the waiting process end. Works behind the sandbox. */
void background_tell_ready(void);

/* What background_tell_ready() needs. */
void background_each_fd(void (*fn)(void *arg, int fd), void *arg);

#endif
