/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File systems to put under a share: images on loop devices, overlays of them, a FUSE server. The
 * caller has a mount namespace of its own.
 */
#ifndef TESTS_COMPONENT_STORES_H
#define TESTS_COMPONENT_STORES_H

#include <stdbool.h>

#include "tests/lib/share.h"

struct store {
	const char *name;
	void (*make)(const struct share *share); /* mounts it on the shared directory */
	bool readonly;
	bool has_handles;
	bool has_xattrs; /* user.* */
	bool has_tmpfile;
	bool has_birth;
	bool has_extents; /* fallocate(2) */
	bool has_flush;	  /* reports at close */
	bool reads_wait;  /* RWF_NOWAIT is refused */
};

/* In the order in which they are tested; the last one has no name. */
extern const struct store stores[];

/* A mount namespace of this program's own; mounts go with it. */
void stores_init(void);
/* Ends the mounts on the shared directory, and beside it. */
void store_unmount(const struct share *share);

/* Runs a command line; dies when it fails. */
void store_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * On one file system: share->dir shows BASE.low below BASE.up. Names of the lower layer: "low",
 * "twin-a" and "twin-b" (one file), "dir/sub/deep".
 */
void store_overlay(const struct share *share);
/* The same, with the layers on different file systems. */
void store_overlay_apart(const struct share *share);
void store_btrfs(const struct share *share);

#endif
