/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call filters.
 */
#ifndef SANDBOX_SECCOMP_H
#define SANDBOX_SECCOMP_H

#include <sys/types.h>

#include "sandbox/sandbox.h"

/*
 * The filter of the serving process, for all its threads now and later. `mode` says what happens
 * at a call outside of it; `file_handles` lets it open files by handle. 0, or -errno after one log line with the remedy.
 */
int seccomp_install_server(enum sandbox_seccomp mode, bool file_handles);

/*
 * The filter of a keeper, which its workers inherit and add their own to: everything that serving
 * needs, and to make a worker, wait for it, signal it, and to enter and seal it. 0, or -errno after
 * one log line.
 */
int seccomp_install_keeper(enum sandbox_seccomp mode, bool file_handles);

/*
 * The filter of the launcher: wait for `child`, pass signals on to it, remove files. Everything
 * else fails with EPERM, since nobody would watch over the launcher's death. 0 or -errno.
 */
int seccomp_install_launcher(pid_t child);

#endif
