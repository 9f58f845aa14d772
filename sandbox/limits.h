/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource limits of the process and its children.
 */
#ifndef SANDBOX_LIMITS_H
#define SANDBOX_LIMITS_H

#include <stdint.h>

/*
 * Raises RLIMIT_NOFILE to `nofile` (0 = as high as permitted, at most 1,000,000) or as near to it
 * as this process may, forbids core files, and makes a file-size limit an error instead of a
 * deadly signal. Never lowers the wish below what the process has without a log line. 0 or -errno.
 */
int limits_apply(uint64_t nofile);

#endif
