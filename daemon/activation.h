/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service manager hands over in the environment, and what it wants to hear.
 */
#ifndef DAEMON_ACTIVATION_H
#define DAEMON_ACTIVATION_H

#define ACTIVATION_NONE	    (-1)
#define ACTIVATION_TOO_MANY (-2)

/* The listening socket that was passed to this very process (LISTEN_FDS), or one of the above. */
int activation_fd(void);

/*
 * Connects to the socket that wants to know when the daemon is ready (NOTIFY_SOCKET), before the
 * sandbox hides it. 0 also when nobody wants to; -errno.
 */
int activation_open_notify(void);

/* Says so, once; nothing without that socket. Works behind the sandbox. */
void activation_tell_ready(void);

/* What activation_tell_ready() needs. */
void activation_each_fd(void (*fn)(void *arg, int fd), void *arg);

#endif
