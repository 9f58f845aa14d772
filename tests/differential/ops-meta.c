/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on attributes, link targets and the whole file system.
 *
 * A guest's kernel has checked who may change what, so the reference does it as root. When one
 * message changes several things, the mode that comes with a new owner is the mode in the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/util.h"
#include "tests/differential/compare.h"
#include "tests/differential/ops.h"
#include "tests/differential/reference.h"

static void op_getattr(struct world *w)
{
	struct handle *handle = world_chance(w, 40) ? world_handle(w, false) : NULL;
	struct node *node = handle ? handle->node : world_any(w);
	struct fuse_attr_out attr;
	int own;

	world_note(w, "getattr %" PRIu64 "%s", node->nodeid, handle ? " open" : "");
	own = fuse_getattr(w->client, node->nodeid, handle ? handle->fh : UINT64_MAX, &attr);
	if (world_same(w, own, 0))
		compare_attr(w, node, &attr.attr);
	compare_node(w, node);
}

/* The birth time cannot be the reference's: the host says it of the file itself. */
static void op_statx(struct world *w)
{
	struct handle *handle = world_chance(w, 40) ? world_handle(w, false) : NULL;
	struct node *node = handle ? handle->node : world_any(w);
	static const uint32_t masks[] = { STATX_BTIME, STATX_BASIC_STATS | STATX_BTIME, 0 };
	struct test_fuse_statx_out out;
	struct statx stx;
	int own, ref;

	world_note(w, "statx %" PRIu64 "%s", node->nodeid, handle ? " open" : "");
	own = fuse_statx(w->client, node->nodeid, handle ? handle->fh : UINT64_MAX,
			 masks[world_random(w, ARRAY_SIZE(masks))], &out);
	ref = neg_errno(
		statx(node->own_fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &stx));
	if (!world_same(w, own, ref))
		return;
	if (out.stat.btime.tv_sec != stx.stx_btime.tv_sec ||
	    out.stat.btime.tv_nsec != stx.stx_btime.tv_nsec || out.stat.mode != stx.stx_mode ||
	    out.stat.size != stx.stx_size || out.stat.ino != stx.stx_ino ||
	    out.stat.nlink != stx.stx_nlink)
		world_fail(w, "birth time or attributes differ");
}

/* By mode bits: an ACL would have to be asked for, which no guest relies on. */
static void op_access(struct world *w)
{
	static const uid_t uids[] = { 0, 1000, 1001 };
	struct node *node = world_any(w);
	struct caller caller = { .uid = uids[world_random(w, 3)], .group = -1 };
	uint32_t mask = (uint32_t)world_random(w, 8);
	int own, ref;

	if (w->client->init_flags & FUSE_POSIX_ACL)
		return;
	caller.gid = world_chance(w, 50) ? 1000 : 2000;
	mask |= world_chance(w, 3) ? 8 : 0;
	world_note(w, "access %" PRIu64 " mask %u as %u:%u", node->nodeid, mask, caller.uid,
		   caller.gid);
	w->client->uid = caller.uid;
	w->client->gid = caller.gid;
	own = fuse_access(w->client, node->nodeid, mask);
	w->client->uid = w->client->gid = 0;
	reference_ask(&caller);
	ref = neg_errno(faccessat(node->ref_fd, "", (int)mask, AT_EACCESS | AT_EMPTY_PATH));
	reference_restore();
	world_same(w, own, ref);
}

static void choose_mode(struct world *w, const struct node *node, struct fuse_setattr_in *in)
{
	static const mode_t modes[] = {
		0755, 0700, 0777, 02775, 02777, 06755, 0555, 0, 01777, 0640, 04711, 02644,
	};

	in->valid |= FATTR_MODE;
	/* The type comes along in a guest's message. */
	in->mode = node->type | modes[world_random(w, ARRAY_SIZE(modes))];
}

static void choose_owner(struct world *w, struct fuse_setattr_in *in)
{
	static const uid_t uids[] = { 0, 1000, 1001, 65534 };
	static const gid_t gids[] = { 0, 1000, 2000, 2000 };

	in->valid |= world_chance(w, 70) ? FATTR_UID : FATTR_GID;
	in->valid |= world_chance(w, 50) ? FATTR_GID : 0;
	in->uid = uids[world_random(w, ARRAY_SIZE(uids))];
	in->gid = gids[world_random(w, ARRAY_SIZE(gids))];
}

/* Far from the run on either side, so that it cannot be taken for a time of the clock. */
static int64_t choose_second(struct world *w)
{
	switch (world_random(w, 10)) {
	case 0:
		return -1 - (int64_t)world_random(w, 1000000000);
	case 1:
		return w->start + 1000000 + (int64_t)world_random(w, 1000000000);
	default:
		return (int64_t)world_random(w, 1000000000);
	}
}

static void choose_times(struct world *w, struct fuse_setattr_in *in)
{
	static const uint32_t atimes[] = { 0, FATTR_ATIME, FATTR_ATIME | FATTR_ATIME_NOW };
	static const uint32_t mtimes[] = { 0, FATTR_MTIME, FATTR_MTIME | FATTR_MTIME_NOW };

	in->valid |= atimes[world_random(w, 3)] | mtimes[world_random(w, 3)];
	in->atime = (uint64_t)choose_second(w);
	in->mtime = (uint64_t)choose_second(w);
	in->atimensec = (uint32_t)world_random(w, 1000000000);
	in->mtimensec = world_chance(w, 20) ? 0 : (uint32_t)world_random(w, 1000000000);
}

static struct timespec reference_time(uint64_t sec, uint32_t nsec, bool set, bool now)
{
	if (!set)
		return (struct timespec){ .tv_nsec = UTIME_OMIT };
	if (now)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	return (struct timespec){ .tv_sec = (time_t)sec, .tv_nsec = nsec };
}

static int reference_setattr(const struct node *node, const struct fuse_setattr_in *in)
{
	const struct timespec times[2] = {
		reference_time(in->atime, in->atimensec, in->valid & FATTR_ATIME,
			       in->valid & FATTR_ATIME_NOW),
		reference_time(in->mtime, in->mtimensec, in->valid & FATTR_MTIME,
			       in->valid & FATTR_MTIME_NOW),
	};
	int r = 0;

	if (in->valid & (FATTR_UID | FATTR_GID))
		r = fchownat(node->ref_fd, "", in->valid & FATTR_UID ? in->uid : (uid_t)-1,
			     in->valid & FATTR_GID ? in->gid : (gid_t)-1, AT_EMPTY_PATH);
	if (!r && in->valid & FATTR_MODE)
		r = chmod(world_ref_path(node), in->mode & 07777);
	if (!r && in->valid & (FATTR_ATIME | FATTR_MTIME))
		r = utimensat(node->ref_fd, "", times, AT_EMPTY_PATH);
	return r ? -errno : 0;
}

static void set_both(struct world *w, struct node *node, struct fuse_setattr_in *in)
{
	struct handle *handle = world_chance(w, 20) ? world_handle(w, false) : NULL;
	struct fuse_attr_out attr;
	int own, ref;

	if (handle && handle->node == node) {
		in->valid |= FATTR_FH;
		in->fh = handle->fh;
	}
	world_note(w, "setattr %" PRIu64 " valid 0x%x mode 0%o owner %u:%u", node->nodeid,
		   in->valid, in->mode, in->uid, in->gid);
	own = fuse_setattr(w->client, node->nodeid, in, &attr);
	ref = reference_setattr(node, in);
	if (world_same(w, own, ref))
		compare_attr(w, node, &attr.attr);
	compare_node(w, node);
}

static void op_chmod(struct world *w)
{
	struct fuse_setattr_in in = { 0 };
	struct node *node = world_any(w);

	choose_mode(w, node, &in);
	set_both(w, node, &in);
}

static void op_chown(struct world *w)
{
	struct fuse_setattr_in in = { 0 };

	choose_owner(w, &in);
	set_both(w, world_any(w), &in);
}

static void op_utimens(struct world *w)
{
	struct fuse_setattr_in in = { 0 };

	choose_times(w, &in);
	set_both(w, world_any(w), &in);
}

static void op_setattr_mixed(struct world *w)
{
	struct fuse_setattr_in in = { 0 };
	struct node *node = world_any(w);

	if (node->type == S_IFLNK)
		return; /* a symbolic link's mode is not sent, least of all with other things */
	choose_mode(w, node, &in);
	choose_owner(w, &in);
	choose_times(w, &in);
	set_both(w, node, &in);
}

static void op_readlink(struct world *w)
{
	struct node *node = world_any(w);
	char own_text[PATH_MAX + 1], ref_text[PATH_MAX + 1];
	int own;
	ssize_t ref;

	if (node->type != S_IFLNK)
		return;
	world_note(w, "readlink %" PRIu64, node->nodeid);
	own = fuse_readlink(w->client, node->nodeid, own_text, sizeof(own_text));
	ref = neg_errno(readlinkat(node->ref_fd, "", ref_text, PATH_MAX));
	if (world_same(w, own, ref) && memcmp(own_text, ref_text, (size_t)ref) != 0)
		world_fail(w, "the targets differ");
	compare_node(w, node);
}

/* Free space moves all the time, the rest does not. */
static void op_statfs(struct world *w)
{
	struct node *node = world_any(w);
	struct fuse_statfs_out out;
	struct statvfs st;
	int own, ref;

	world_note(w, "statfs %" PRIu64, node->nodeid);
	own = fuse_statfs(w->client, node->nodeid, &out);
	ref = neg_errno(fstatvfs(node->ref_fd, &st));
	if (!world_same(w, own, ref))
		return;
	if (out.st.bsize != st.f_bsize || out.st.frsize != st.f_frsize ||
	    out.st.namelen != st.f_namemax || out.st.bfree > out.st.blocks ||
	    out.st.bavail > out.st.blocks || out.st.ffree > out.st.files)
		world_fail(w, "sizes or limits differ, or more is free than there is");
}

const struct world_op world_ops_meta[] = {
	{ op_getattr, 6 },  { op_statx, 2 },   { op_chmod, 5 },
	{ op_chown, 5 },    { op_utimens, 5 }, { op_setattr_mixed, 3 },
	{ op_readlink, 3 }, { op_statfs, 1 },  { op_access, 3 },
	{ NULL, 0 },
};
