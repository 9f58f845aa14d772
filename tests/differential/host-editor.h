/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process of the host that changes the shared tree by itself while guests use it.
 */
#ifndef TESTS_DIFFERENTIAL_HOST_EDITOR_H
#define TESTS_DIFFERENTIAL_HOST_EDITOR_H

#include <stdint.h>
#include <sys/types.h>

struct host_editor {
	pid_t pid;
	struct editor_shared *shared; /* mapped in both processes */
};

/* Before this process has threads. Edits begin at once, in @dir, under the names of stress.h. */
void host_editor_start(struct host_editor *editor, const char *dir, uint64_t seed);
/* Returns when the last edit is done: how many succeeded. Dies if the process did. */
uint64_t host_editor_stop(struct host_editor *editor);

#endif
