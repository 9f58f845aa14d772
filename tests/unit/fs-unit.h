/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file system on a folder of its own, for the tests of fuse/passthrough.
 */
#ifndef TESTS_UNIT_FS_UNIT_H
#define TESTS_UNIT_FS_UNIT_H

#include <glib.h>

#include "base/arena.h"
#include "fuse/passthrough/fs-internal.h"
#include "fuse/passthrough/fs.h"

struct fs_unit {
	char *path; /* owned; the shared folder */
	int dir_fd; /* the same, for *at() calls behind the back of the fs */
	struct arena arena;
	struct fs *fs;
	struct fs_thread *thread;
	unsigned int n_blocks; /* calls of about_to_block() */
	unsigned int n_fds;    /* open before the start */
};

/* The defaults of the tests; change what matters before fs_unit_start_with(). */
struct fs_options fs_unit_options(void);

void fs_unit_start(struct fs_unit *unit);
/* A new folder below `base` (NULL: the usual place) is shared with these options. */
void fs_unit_start_with(struct fs_unit *unit, const char *base, const struct fs_options *options);
/* An existing folder is shared. */
void fs_unit_start_on(struct fs_unit *unit, const char *path, const struct fs_options *options);

/* Ends the fs, removes a folder it made, and shows that no descriptor was left open. */
void fs_unit_stop(struct fs_unit *unit);

/* One more thread of the fs; free with g_free(). It has no about_to_block(). */
struct fs_thread *fs_unit_thread(struct fs_unit *unit);

/* Makes a file with this content on the host. */
void fs_unit_write(struct fs_unit *unit, const char *name, const char *text);
char *fs_unit_read(struct fs_unit *unit, const char *name);

/* Must succeed; adds a lookup. */
uint64_t fs_unit_lookup(struct fs_unit *unit, const char *name);
/* Looks up and opens; must succeed. */
uint64_t fs_unit_open(struct fs_unit *unit, const char *name, uint32_t flags);

unsigned int fs_unit_count_fds(void);

#endif
