/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker that dies in the middle of a request, and its successor on the same arena.
 *
 * The worker shares the descriptors of the test, as it does with its keeper, and nothing else of its
 * memory but the arena. It is traced and killed where the test says; what it has done until then,
 * and only that, is there. Nothing in the program knows about it.
 */
#ifndef TESTS_UNIT_DYING_WORKER_H
#define TESTS_UNIT_DYING_WORKER_H

#include "base/inflight.h"
#include "fs-unit.h"

struct dying {
	struct fs_unit unit;
	struct inflight *record;   /* shared with the worker */
	struct fs_thread *thread;  /* that serves the request: the worker's, then the successor's */
	struct fs_options options; /* for the successor */
	const char *base;	   /* folder of the share's folder; NULL: the usual */
	uint64_t node, other, dir; /* what the case keeps of its preparation */
	uint64_t fh, fh_other;
};

void dying_start(struct dying *d);
void dying_start_with(struct dying *d, const struct fs_options *options);
void dying_stop(struct dying *d);

/* Runs in the worker. */
typedef void (*dying_serve)(struct dying *d, const void *arg);

/*
 * Kills at stop 2n before system call n, which then does not happen, or at 2n+1 after it; some
 * instructions later if asked for. False when the request was complete before that stop; then the
 * worker was killed when it was.
 */
bool dying_run(struct dying *d, dying_serve serve, const void *arg, unsigned int stop,
	       unsigned int n_instructions);

/* A new worker takes over what is in the arena, and will see the record as the ring hands it out. */
void dying_succeed(struct dying *d);

/*
 * All there is to see: the tree of the share, the nodes and handles that are known, with their
 * lookups if asked for.
 */
char *dying_picture(struct dying *d, bool with_lookups);

/* What answers contain, in words. */
void dying_tell_entry(struct dying *d, GString *answer, const struct fs_entry *entry);
void dying_tell_opened(struct dying *d, GString *answer, const struct fs_opened *opened,
		       enum handle_kind kind);

#endif
