/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that are served again after a death: what is there before, and the request itself.
 */
#ifndef TESTS_UNIT_ONCE_CASES_H
#define TESTS_UNIT_ONCE_CASES_H

#include "dying-worker.h"

struct once_case {
	const char *name;
	void (*prepare)(struct dying *d); /* or NULL */
	/* Adds what it answers, besides the result, to `answer`. */
	int64_t (*serve)(struct dying *d, GString *answer);
	int64_t result; /* when nobody dies */
};

/* Their last has no name. */
extern const struct once_case once_names[]; /* make, move and remove names */
extern const struct once_case once_files[]; /* all others */

#define ONCE_UID 1000u
#define ONCE_GID 1001u

#endif
