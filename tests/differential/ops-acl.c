/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on POSIX ACLs, where INIT agreed on them. The guest says when the caller may not keep a
 * set-group-ID bit: then the reference is in no group of the file's.
 */
#include <errno.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/util.h"
#include "tests/differential/compare.h"
#include "tests/differential/ops.h"
#include "tests/differential/reference.h"

#define ACCESS_ACL  "system.posix_acl_access"
#define DEFAULT_ACL "system.posix_acl_default"
#define ENTRIES_MAX 6
#define NO_ID	    UINT32_MAX

struct acl {
	struct posix_acl_xattr_header head;
	struct posix_acl_xattr_entry entries[ENTRIES_MAX];
};

static void add_entry(struct world *w, struct acl *acl, size_t *n, uint16_t tag, uint32_t id)
{
	acl->entries[(*n)++] = (struct posix_acl_xattr_entry){
		.e_tag = tag,
		.e_perm = (uint16_t)world_random(w, 8),
		.e_id = id,
	};
}

/* Its size in bytes; some are no ACLs. */
static size_t choose_acl(struct world *w, struct acl *acl)
{
	bool named_user = world_chance(w, 50), named_group = world_chance(w, 40);
	size_t n = 0;

	memset(acl, 0, sizeof(*acl));
	acl->head.a_version = world_chance(w, 3) ? 1 : POSIX_ACL_XATTR_VERSION;
	add_entry(w, acl, &n, ACL_USER_OBJ, NO_ID);
	if (named_user)
		add_entry(w, acl, &n, ACL_USER, 1000 + (uint32_t)world_random(w, 3));
	add_entry(w, acl, &n, ACL_GROUP_OBJ, NO_ID);
	if (named_group)
		add_entry(w, acl, &n, ACL_GROUP, 2000);
	if (named_user || named_group ? !world_chance(w, 5) : world_chance(w, 30))
		add_entry(w, acl, &n, ACL_MASK, NO_ID);
	add_entry(w, acl, &n, ACL_OTHER, NO_ID);
	if (world_chance(w, 2))
		n--;
	return sizeof(acl->head) + n * sizeof(acl->entries[0]) - (world_chance(w, 2) ? 1 : 0);
}

static const char *choose_kind(struct world *w)
{
	return world_chance(w, 50) ? ACCESS_ACL : DEFAULT_ACL;
}

static void op_set_acl(struct world *w)
{
	struct node *node = world_any(w);
	const char *name = choose_kind(w);
	struct fuse_setxattr_in in = { 0 };
	struct acl acl;
	struct fuse_op op = { .opcode = FUSE_SETXATTR, .nodeid = node->nodeid };
	int own, ref;

	if (!(w->client->init_flags & FUSE_POSIX_ACL) || node->type == S_IFLNK)
		return;
	in.size = (uint32_t)choose_acl(w, &acl);
	in.setxattr_flags = world_chance(w, 40) ? FUSE_SETXATTR_ACL_KILL_SGID : 0;
	op.in[0] = (struct fuse_part){ &in, sizeof(in) };
	op.in[1] = (struct fuse_part){ name, strlen(name) + 1 };
	op.in[2] = (struct fuse_part){ &acl, in.size };
	world_note(w, "setxattr %" PRIu64 " '%s' %u bytes%s", node->nodeid, name, in.size,
		   in.setxattr_flags ? " kill" : "");
	own = fuse_transact(w->client, &op);
	if (in.setxattr_flags)
		reference_leave_groups();
	ref = neg_errno(setxattr(world_ref_path(node), name, &acl, in.size, 0));
	reference_restore();
	world_same(w, own, ref);
	compare_node(w, node);
}

static void op_get_acl(struct world *w)
{
	struct node *node = world_any(w);
	const char *name = choose_kind(w);
	char own_value[256], ref_value[256];
	ssize_t own, ref;

	if (!(w->client->init_flags & FUSE_POSIX_ACL) || node->type == S_IFLNK)
		return;
	world_note(w, "getxattr %" PRIu64 " '%s'", node->nodeid, name);
	own = fuse_getxattr(w->client, node->nodeid, name, own_value, sizeof(own_value));
	ref = neg_errno(getxattr(world_ref_path(node), name, ref_value, sizeof(ref_value)));
	if (world_same(w, own, ref) && memcmp(own_value, ref_value, (size_t)ref) != 0)
		world_fail(w, "the ACLs differ");
}

static void op_remove_acl(struct world *w)
{
	struct node *node = world_any(w);
	const char *name = choose_kind(w);

	if (!(w->client->init_flags & FUSE_POSIX_ACL) || node->type == S_IFLNK)
		return;
	world_note(w, "removexattr %" PRIu64 " '%s'", node->nodeid, name);
	world_same(w, fuse_removexattr(w->client, node->nodeid, name),
		   neg_errno(removexattr(world_ref_path(node), name)));
	compare_node(w, node);
}

const struct world_op world_ops_acl[] = {
	{ op_set_acl, 8 },
	{ op_get_acl, 3 },
	{ op_remove_acl, 2 },
	{ NULL, 0 },
};
