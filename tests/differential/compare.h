/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing attributes and whole trees.
 */
#ifndef TESTS_DIFFERENTIAL_COMPARE_H
#define TESTS_DIFFERENTIAL_COMPARE_H

#include <glib.h>

#include "tests/differential/world.h"

/* The names in a host directory without "." and "..", leaving its times alone; caller unrefs. */
GPtrArray *compare_sorted_names(int dir_fd);

/* The two inodes agree in all that is determined; @what names them in the failure. */
void compare_stat(struct world *w, const char *what, const struct stat *own,
		  const struct stat *ref);
/* The same for a known node, asking the host. */
void compare_node(struct world *w, const struct node *node);
/* A reply's attributes are those of the node's own inode. */
void compare_attr(struct world *w, const struct node *node, const struct fuse_attr *attr);
/*
 * Names, kinds, modes, owners, times, contents, link targets, and which names are the same file,
 * from the world's root on down.
 */
void compare_trees(struct world *w);
/* What the daemon lists (READDIRPLUS) is what the host sees, from @nodeid at @own_fd on down. */
void compare_listing(struct world *w, uint64_t nodeid, int own_fd);
/* Each name by LOOKUP, each file by OPEN. */
void compare_lookups(struct world *w, uint64_t nodeid, int own_fd);

#endif
