/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New namespaces for the server, and the launcher that waits for it.
 */
#ifndef SANDBOX_NAMESPACES_H
#define SANDBOX_NAMESPACES_H

#include "sandbox/sandbox.h"

/*
 * Returns 0 in the child, which is PID 1 in new pid, mount and net namespaces, with SIGTERM, SIGINT
 * and SIGHUP blocked; the parent never returns. On failure -errno after one log line, in whichever
 * process it happened.
 */
int namespaces_enter(const struct sandbox_options *options);

#endif
