/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A share full of baits, and a secret outside of it that no reply may show and nobody may change.
 *
 * The secret is one short text repeated, so that any few bytes of it in guest memory are found. It
 * is the contents, a name, a link's target and an attribute of what lies outside, it waits in a
 * FIFO in the share, and whoever connects to the socket there would be told it.
 */
#ifndef TESTS_COMPONENT_ESCAPE_H
#define TESTS_COMPONENT_ESCAPE_H

#include "tests/component/fixture.h"

#define ESCAPE_TOKEN_BYTES 8

struct escape {
	struct fixture *f;
	struct fuse_client *c; /* of the fixture */
	struct raw raw;
	char *outside; /* owned: folder with the secret, beside the share's own */
	char token[ESCAPE_TOKEN_BYTES + 1];
	char *before; /* owned: what the outside looked like */
	int fifo;     /* both ends of the share's "fifo" */
	int listener; /* of the share's "sock" */
};

/*
 * The baits: "fifo", "sock", "chr" (zeroes without end), the links "to-secret", "up-secret",
 * "to-dir", "to-root" and "to-fds", and "file", "dir" and "dir/file" to work with.
 */
extern const char *const escape_links[];    /* NULL-terminated */
extern const char *const escape_specials[]; /* likewise */

void escape_start(struct escape *e, const char *const *args);
/* @more puts further baits into the share and outside, before the daemon starts; may be NULL. */
void escape_start_with(struct escape *e, const char *const *args,
		       void (*more)(const struct escape *e, const struct share *share));
/* Nothing has arrived, nothing was changed, opened or connected to, and the daemon serves. */
void escape_check(struct escape *e);
/* Whether any of it is in guest memory now. */
bool escape_has_arrived(const struct escape *e);
void escape_stop(struct escape *e);
/* The same without the last check. */
void escape_leave(struct escape *e);

/* A path outside; a rotating set of static buffers. */
const char *escape_path(const struct escape *e, const char *name);

/*
 * Every operation that takes a name, with @name in the directory @parent; those with two names
 * with each. All must fail.
 */
void escape_try_name(struct escape *e, uint64_t parent, const char *name);
/* The same without looking it up, which is no change. */
void escape_try_changes(struct escape *e, uint64_t parent, const char *name);

#endif
