/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process sees of file systems: the shared directory, and its own descriptors in /proc.
 *
 * All functions: 0 with the view filled, or -errno after one log line with cause and remedy.
 */
#ifndef SANDBOX_ROOT_H
#define SANDBOX_ROOT_H

#include "sandbox/sandbox.h"

/* Early, in the words a user understands: exists, is a directory, may be entered. */
int root_check(const char *shared_dir);

/* In a new mount namespace: the shared directory becomes "/", all else is unmounted. */
int root_pivot(const struct sandbox_options *options, struct sandbox_view *ret_view);

/* chroot(2) into the shared directory; root only. */
int root_chroot(const struct sandbox_options *options, struct sandbox_view *ret_view);

/* Opens what serving needs; the process still sees everything. */
int root_plain(const struct sandbox_options *options, struct sandbox_view *ret_view);

/* In a worker, whose keeper has been through one of the above: `view->proc_self_fd` is opened. */
int root_enter_worker(const struct sandbox_options *options, struct sandbox_view *view);

#endif
