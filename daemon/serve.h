/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the serving process: builds the server, waits for a front-end, serves it.
 */
#ifndef DAEMON_SERVE_H
#define DAEMON_SERVE_H

#include "daemon/options.h"
#include "sandbox/sandbox.h"
#include "vhost/listener.h"

/*
 * Serves one front-end until it disconnects or a signal ends the daemon. Runs inside the sandbox
 * and seals it before the first byte of a peer is read. `view` fds are taken; `max_watches` is of
 * serve_max_watches(); `pid_file_fd` is borrowed, -1 for none. Returns the exit status; what went wrong has been logged.
 */
int serve(const struct options *options, uint32_t max_watches,
	  const struct sandbox_options *sandbox, struct sandbox_view *view,
	  struct vhost_listener *listener, int pid_file_fd);

/*
 * How many inotify watches the guest may make the daemon use, of those that the host has for all
 * processes of the daemon's user together. Asks outside of the sandbox.
 */
uint32_t serve_max_watches(void);

#endif
