/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --subdirectory: one directory below the shared one is served, and made when it is missing.
 */
#ifndef DAEMON_SUBDIRECTORY_H
#define DAEMON_SUBDIRECTORY_H

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/options.h"

struct subdirectory {
	char *path; /* owned; what is served */
	bool wanted;
	dev_t dev; /* which directory that was */
	ino_t ino;
};

/*
 * Finds or makes it, following no link. Without --subdirectory `path` is that of the shared directory
 * itself. -errno has been logged.
 */
int subdirectory_open(struct subdirectory *sub, const struct options *options);
void subdirectory_deinit(struct subdirectory *sub);

/* Whether what the sandbox opened by path is what was found. False has been logged. */
bool subdirectory_is(const struct subdirectory *sub, int root_fd);

#endif
