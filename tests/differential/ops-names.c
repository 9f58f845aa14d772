/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on names: lookup, creation, removal, rename.
 *
 * Creation is done to the reference with the caller's ids; a parent that the caller may not write
 * is refused by the guest's kernel already, and must be refused by the daemon as well when it
 * knows the caller's groups. Device nodes are made as root only: who else may is the guest's
 * decision.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/util.h"
#include "tests/differential/compare.h"
#include "tests/differential/ops.h"
#include "tests/differential/reference.h"

/*
 * Such a name is refused before anything else is looked at, by the decoder as by a guest's kernel;
 * a host looks at other things first.
 */
static bool too_long(const char *name)
{
	return strlen(name) > NAME_MAX;
}

/* Chooses who asks and tells the client. */
static struct caller choose_caller(struct world *w, const char *name)
{
	static const uid_t uids[] = { 0, 1000, 1000, 1001 };
	static const gid_t gids[] = { 0, 1000, 2000 };
	struct caller caller = { .group = -1 };

	if (!too_long(name) && world_chance(w, 60)) {
		caller.uid = uids[world_random(w, ARRAY_SIZE(uids))];
		caller.gid = gids[world_random(w, ARRAY_SIZE(gids))];
	}
	/* A guest sends a group only when INIT agreed on it. */
	if (caller.uid && w->client->init_flags & FUSE_CREATE_SUPP_GROUP && world_chance(w, 40))
		caller.group = world_chance(w, 70) ? 2000 : 0;
	w->client->uid = caller.uid;
	w->client->gid = caller.gid;
	w->client->supp_group = caller.group;
	return caller;
}

/*
 * A mode as the guest sends it, and *ret_host as it ends on the host. Without DONT_MASK the guest
 * has applied the umask, and the daemon must not do so again.
 */
static uint32_t choose_mode(struct world *w, mode_t *ret_host)
{
	static const mode_t modes[] = { 0755, 0644, 0600, 0777, 04755, 02755, 01777, 0, 0444 };
	static const mode_t masks[] = { 0, 022, 077, 027 };
	mode_t mode = modes[world_random(w, ARRAY_SIZE(modes))];

	w->client->umask = masks[world_random(w, ARRAY_SIZE(masks))];
	*ret_host = mode & ~w->client->umask;
	return w->client->init_flags & FUSE_DONT_MASK ? mode : *ret_host;
}

static void end_creation(struct world *w)
{
	reference_restore();
	w->client->uid = w->client->gid = 0;
	w->client->supp_group = -1;
	w->client->umask = 0;
}

static void note_creation(struct world *w, const char *what, const struct node *parent,
			  const char *name, mode_t mode, const struct caller *caller)
{
	world_note(w, "%s %" PRIu64 "/\"%.12s\" mode 0%o as %u:%u group %d", what, parent->nodeid,
		   name, mode, caller->uid, caller->gid, (int)caller->group);
}

static void op_mkdir(struct world *w)
{
	struct node *parent = world_dir(w);
	const char *name = world_name(w, parent);
	struct fuse_entry_out entry;
	mode_t host;
	uint32_t mode = choose_mode(w, &host);
	struct caller caller = choose_caller(w, name);
	int own, ref;

	/* Names of directories stay short, so that paths do. */
	if (strlen(name) == NAME_MAX)
		name = "a";
	note_creation(w, "mkdir", parent, name, mode, &caller);
	own = fuse_mkdir(w->client, parent->nodeid, name, mode, &entry);
	reference_become(&caller);
	ref = neg_errno(mkdirat(parent->ref_fd, name, host));
	end_creation(w);
	if (world_same(w, own, ref))
		world_enter(w, parent, name, &entry);
	compare_node(w, parent);
}

static void op_mknod(struct world *w)
{
	static const mode_t kinds[] = { S_IFREG, S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK };
	struct node *parent = world_dir(w);
	const char *name = world_name(w, parent);
	struct fuse_entry_out entry;
	mode_t host, kind = kinds[world_random(w, ARRAY_SIZE(kinds))];
	uint32_t mode = choose_mode(w, &host);
	struct caller caller = choose_caller(w, name);
	dev_t dev = 0;
	int own, ref;

	if (kind == S_IFCHR || kind == S_IFBLK) {
		caller.uid = w->client->uid = 0;
		dev = makedev(1 + world_random(w, 300), world_random(w, 2000));
	}
	note_creation(w, "mknod", parent, name, kind | mode, &caller);
	own = fuse_mknod(w->client, parent->nodeid, name, kind | mode, (uint32_t)dev, &entry);
	reference_become(&caller);
	ref = neg_errno(mknodat(parent->ref_fd, name, kind | host, dev));
	end_creation(w);
	if (world_same(w, own, ref))
		world_enter(w, parent, name, &entry);
	compare_node(w, parent);
}

static void op_symlink(struct world *w)
{
	struct node *parent = world_dir(w);
	const char *name = world_name(w, parent);
	struct caller caller = choose_caller(w, name);
	struct fuse_entry_out entry;
	char target[PATH_MAX + 1];
	size_t length = world_chance(w, 80) ? 1 + world_random(w, 60)
					    : PATH_MAX - world_random(w, 3);
	int own, ref;

	memset(target, 't', length);
	target[length] = '\0';
	if (world_chance(w, 30))
		strcpy(target, world_chance(w, 50) ? "/etc/passwd" : "../a");
	note_creation(w, "symlink", parent, name, 0, &caller);
	own = fuse_symlink(w->client, parent->nodeid, name, target, &entry);
	reference_become(&caller);
	ref = neg_errno(symlinkat(target, parent->ref_fd, name));
	end_creation(w);
	if (world_same(w, own, ref))
		world_enter(w, parent, name, &entry);
	compare_node(w, parent);
}

/*
 * Without O_EXCL a name that came into being behind the guest's back is opened for root, like any
 * existing file; others are sent to look it up, which makes their guest check permissions. Only
 * regular files are opened: the reply to anything else is the daemon's choice.
 */
static int reference_create(struct world *w, const struct node *parent, const char *name,
			    mode_t mode, int flags, const struct caller *caller, bool *ret_special)
{
	struct stat st;
	int r;

	reference_become(caller);
	r = neg_errno(openat(parent->ref_fd, name, flags | O_CREAT | O_EXCL | O_CLOEXEC, mode));
	reference_restore();
	if (r != -EEXIST || flags & O_EXCL)
		return r;
	if (caller->uid)
		return -ESTALE;
	if (fstatat(parent->ref_fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	*ret_special = !S_ISREG(st.st_mode);
	if (*ret_special)
		return -ELOOP;
	return neg_errno(openat(parent->ref_fd, name, flags | O_NOFOLLOW | O_CLOEXEC));
}

static void add_created(struct world *w, struct node *parent, const char *name,
			const struct fuse_entry_out *entry, const struct fuse_open_out *open,
			uint32_t flags, int ref_fd)
{
	/* Closing an old handle first: the row must not be taken while the node is entered. */
	struct handle *handle = world_open_row(w);
	struct node *node = world_enter(w, parent, name, entry);

	*handle = (struct handle){ .node = node, .fh = open->fh, .ref_fd = ref_fd, .flags = flags };
	node->n_open++;
}

static void op_create(struct world *w)
{
	static const uint32_t modes[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR };
	struct node *parent = world_dir(w);
	const char *name = world_name(w, parent);
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	mode_t host;
	uint32_t mode = choose_mode(w, &host);
	struct caller caller = choose_caller(w, name);
	uint32_t flags = modes[world_random(w, ARRAY_SIZE(modes))];
	bool special = false;
	char what[32];
	int own, ref;

	flags |= world_chance(w, 20) ? O_APPEND : 0;
	flags |= world_chance(w, 30) ? O_TRUNC : 0;
	flags |= world_chance(w, 60) ? O_EXCL : 0;
	snprintf(what, sizeof(what), "create flags 0%o", flags);
	note_creation(w, what, parent, name, mode, &caller);
	own = fuse_create(w->client, parent->nodeid, name, S_IFREG | mode, O_CREAT | flags, &entry,
			  &open);
	ref = reference_create(w, parent, name, host, (int)flags, &caller, &special);
	end_creation(w);
	if (special)
		world_both_fail(w, own, ref);
	else if (world_same(w, MIN(own, 0), MIN(ref, 0)))
		add_created(w, parent, name, &entry, &open, flags, ref);
	compare_node(w, parent);
}

static void op_link(struct world *w)
{
	struct node *node = world_any(w);
	struct node *parent = world_dir(w);
	const char *name = world_name(w, parent);
	struct fuse_entry_out entry;
	int own, ref;

	world_note(w, "link %" PRIu64 " %" PRIu64 "/\"%.12s\"", node->nodeid, parent->nodeid, name);
	own = fuse_link(w->client, node->nodeid, parent->nodeid, name, &entry);
	ref = -ENAMETOOLONG;
	if (!too_long(name))
		ref = neg_errno(linkat(node->ref_fd, "", parent->ref_fd, name, AT_EMPTY_PATH));
	if (world_same(w, own, ref) && world_enter(w, parent, name, &entry) != node)
		world_fail(w, "the reply to a link names another node");
	compare_node(w, parent);
}

static void op_lookup(struct world *w)
{
	struct node *parent = world_dir(w);
	const char *name = world_name(w, parent);
	struct fuse_entry_out entry;
	struct stat st;
	int own, ref;

	world_note(w, "lookup %" PRIu64 "/\"%.12s\"", parent->nodeid, name);
	own = fuse_lookup(w->client, parent->nodeid, name, &entry);
	/* A negative entry that may be cached says the same as ENOENT. */
	if (!own && !entry.nodeid)
		own = -ENOENT;
	ref = neg_errno(fstatat(parent->ref_fd, name, &st, AT_SYMLINK_NOFOLLOW));
	if (world_same(w, own, ref))
		world_enter(w, parent, name, &entry);
}

static void op_remove(struct world *w)
{
	struct node *parent = world_dir(w);
	const char *name = world_chance(w, 60) ? world_old_name(w, parent) : world_name(w, parent);
	bool dir = world_chance(w, 50);
	int own, ref;

	world_note(w, "%s %" PRIu64 "/\"%.12s\"", dir ? "rmdir" : "unlink", parent->nodeid, name);
	own = dir ? fuse_rmdir(w->client, parent->nodeid, name)
		  : fuse_unlink(w->client, parent->nodeid, name);
	ref = neg_errno(unlinkat(parent->ref_fd, name, dir ? AT_REMOVEDIR : 0));
	world_same(w, own, ref);
	compare_node(w, parent);
}

static void op_rename(struct world *w)
{
	static const uint32_t flag_sets[] = {
		0,
		0,
		0,
		RENAME_NOREPLACE,
		RENAME_EXCHANGE,
		RENAME_EXCHANGE | RENAME_NOREPLACE,
		RENAME_WHITEOUT,
	};
	struct node *from = world_dir(w), *to = world_chance(w, 40) ? from : world_dir(w);
	const char *name = world_chance(w, 60) ? world_old_name(w, from) : world_name(w, from);
	const char *new_name = world_name(w, to);
	uint32_t flags = flag_sets[world_random(w, ARRAY_SIZE(flag_sets))];
	int own, ref;

	world_note(w, "rename %" PRIu64 "/\"%.12s\" %" PRIu64 "/\"%.12s\" flags %u", from->nodeid,
		   name, to->nodeid, new_name, flags);
	own = flags || world_chance(w, 30)
		      ? fuse_rename2(w->client, from->nodeid, name, to->nodeid, new_name, flags)
		      : fuse_rename(w->client, from->nodeid, name, to->nodeid, new_name);
	ref = -ENAMETOOLONG;
	if (!too_long(name) && !too_long(new_name))
		ref = neg_errno(renameat2(from->ref_fd, name, to->ref_fd, new_name, flags));
	world_same(w, own, ref);
	compare_node(w, from);
	compare_node(w, to);
}

static void op_forget(struct world *w)
{
	struct node *node = world_any(w);

	world_note(w, "forget %" PRIu64, node->nodeid);
	world_forget(w, node);
}

const struct world_op world_ops_names[] = {
	{ op_mkdir, 6 },   { op_mknod, 5 },   { op_symlink, 3 }, { op_create, 10 }, { op_link, 5 },
	{ op_lookup, 10 }, { op_remove, 12 }, { op_rename, 8 },	 { op_forget, 3 },  { NULL, 0 },
};
