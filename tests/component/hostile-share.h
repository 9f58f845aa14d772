/* SPDX-License-Identifier: Apache-2.0 */
/* The share that hostile FUSE requests are aimed at, with its nodes looked up. */
#ifndef TESTS_COMPONENT_HOSTILE_SHARE_H
#define TESTS_COMPONENT_HOSTILE_SHARE_H

#include "tests/component/fixture.h"

struct target {
	struct fixture *f;
	struct raw raw;
	uint64_t dir, file, link; /* nodeids: "dir", "dir/file", "dir/link" */
	uint64_t file_fh, dir_fh; /* open handles of the two */
};

void target_start(struct target *target);
/* With a command line of the test's own. */
void target_start_with(struct target *target, const char *const *args);
/* Looks everything up and opens it; after an INIT that forgot it, too. */
void target_resolve(struct target *target);
/* The daemon serves, "dir" holds what it held, nothing else was touched. */
void target_check(struct target *target);
void target_stop(struct target *target);

/* One request of raw bytes with room for any reply: error, or 1 without a reply. */
int target_request(struct target *target, uint32_t opcode, uint64_t nodeid, const void *arg,
		   size_t n_arg);

#endif
