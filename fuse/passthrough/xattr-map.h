/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules by which names of extended attributes differ between the guest and the host.
 *
 * A map is a list of rules; the first that matches a name decides about it, and a name that none
 * matches is refused. A rule is written with a separator of its own, its first character:
 *
 *	:type:scope:key:prepend:
 *
 * scope "client" compares the start of names from the guest with `key`, "server" the start of
 * names from the host with `prepend`, "all" does both. What follows for the name:
 *
 *	type		from the guest			from the host
 *	prefix		gets `prepend` in front		loses `prepend`
 *	ok		stays as it is			stays as it is
 *	bad		-EPERM				hidden
 *	unsupported	-EOPNOTSUPP			hidden
 *
 * ":map:key:prepend:", at the end, is short for the rules that store all names that start with
 * `key` under `prepend` and let no others get there.
 */
#ifndef FUSE_PASSTHROUGH_XATTR_MAP_H
#define FUSE_PASSTHROUGH_XATTR_MAP_H

#include <linux/limits.h>

struct xattr_map;

/* -EINVAL: *ret_why is an allocated sentence that names the rule; -ENOMEM: it is untouched. */
int xmap_parse(const char *text, struct xattr_map **ret_map, char **ret_why);
/* Accepts NULL. */
void xmap_free(struct xattr_map *map);

/* Room for a name that a rule has made longer. */
struct xmap_name {
	char text[XATTR_NAME_MAX + 1];
};

/*
 * The host's name for the guest's: `name` itself or `room->text`. -EPERM, -EOPNOTSUPP, or -ERANGE
 * for a name that gets too long.
 */
int xmap_to_host(const struct xattr_map *map, const char *name, struct xmap_name *room,
		 const char **ret_name);

/* The guest's name for the host's, a part of `name`; NULL when the guest is not to see it. */
const char *xmap_to_guest(const struct xattr_map *map, const char *name);

#endif
