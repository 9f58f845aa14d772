/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on extended attributes. Only names that root does not need its capabilities for: the
 * daemon has given them up, the reference has not.
 */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/util.h"
#include "tests/differential/compare.h"
#include "tests/differential/ops.h"

#define VALUE_MAX 300u

static const char *choose_name(struct world *w)
{
	static const char *const names[] = {
		"user.a", "user.b",	   "user.a.longer.name.with.dots",
		"user.c", "user.\xff\x01", "user.",
		"user",	  "nonsense.a",	   "",
	};

	/* Mostly those that can be had. */
	return names[world_random(w, world_chance(w, 90) ? 5 : ARRAY_SIZE(names))];
}

static void op_setxattr(struct world *w)
{
	struct node *node = world_any(w);
	const char *name = choose_name(w);
	size_t size = world_random(w, world_chance(w, 70) ? 20 : VALUE_MAX);
	uint32_t flags = world_chance(w, 60) ? 0 : (uint32_t)world_random(w, 4);
	int own, ref;

	world_note(w, "setxattr %" PRIu64 " '%s' %zu bytes flags %u", node->nodeid, name, size,
		   flags);
	own = fuse_setxattr(w->client, node->nodeid, name, w->noise + w->step % 1000,
			    (uint32_t)size, flags);
	ref = neg_errno(
		setxattr(world_ref_path(node), name, w->noise + w->step % 1000, size, (int)flags));
	world_same(w, own, ref);
	compare_node(w, node);
}

static void op_getxattr(struct world *w)
{
	struct node *node = world_any(w);
	const char *name = choose_name(w);
	size_t size = world_chance(w, 20) ? 0 : world_random(w, VALUE_MAX);
	char own_value[VALUE_MAX], ref_value[VALUE_MAX];
	ssize_t own, ref;

	world_note(w, "getxattr %" PRIu64 " '%s' %zu bytes", node->nodeid, name, size);
	own = fuse_getxattr(w->client, node->nodeid, name, own_value, (uint32_t)size);
	ref = neg_errno(getxattr(world_ref_path(node), name, ref_value, size));
	if (world_same(w, own, ref) && size && memcmp(own_value, ref_value, (size_t)ref) != 0)
		world_fail(w, "the values differ");
}

static void op_listxattr(struct world *w)
{
	struct node *node = world_any(w);
	size_t size = world_chance(w, 20) ? 0 : world_random(w, 150);
	char own_names[150], ref_names[150];
	ssize_t own, ref;

	world_note(w, "listxattr %" PRIu64 " %zu bytes", node->nodeid, size);
	own = fuse_listxattr(w->client, node->nodeid, own_names, (uint32_t)size);
	ref = neg_errno(listxattr(world_ref_path(node), ref_names, size));
	if (world_same(w, own, ref) && size && memcmp(own_names, ref_names, (size_t)ref) != 0)
		world_fail(w, "the names differ");
}

static void op_removexattr(struct world *w)
{
	struct node *node = world_any(w);
	const char *name = choose_name(w);

	world_note(w, "removexattr %" PRIu64 " '%s'", node->nodeid, name);
	world_same(w, fuse_removexattr(w->client, node->nodeid, name),
		   neg_errno(removexattr(world_ref_path(node), name)));
	compare_node(w, node);
}

const struct world_op world_ops_xattr[] = {
	{ op_setxattr, 5 },    { op_getxattr, 3 }, { op_listxattr, 2 },
	{ op_removexattr, 2 }, { NULL, 0 },
};
