/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on locks of open files, of both kinds.
 *
 * Each open file has two owners of byte ranges, whose locks the reference holds on a description of
 * their own: they go when the owner is flushed or the file is released. Nothing waits: a blocking
 * request is made only when the reference has just got the same lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "tests/differential/compare.h"
#include "tests/differential/ops.h"
#include "tests/lib/bounded.h"

#define NO_SUCH_TYPE 7u

static uint64_t owner_id(const struct world *w, const struct handle *handle, unsigned int which)
{
	return 1 + (uint64_t)(handle - w->handles) * HANDLE_OWNERS + which;
}

static void choose_range(struct world *w, struct fuse_file_lock *lk)
{
	static const uint32_t types[] = { F_RDLCK, F_RDLCK, F_WRLCK, F_WRLCK, F_UNLCK, F_UNLCK };

	lk->start = world_random(w, 64);
	lk->end = lk->start + world_random(w, 32);
	if (world_chance(w, 10))
		lk->end = INT64_MAX;
	if (world_chance(w, 5))
		lk->start = lk->end = INT64_MAX - world_random(w, 2);
	if (world_chance(w, 2))
		lk->start = lk->end = (uint64_t)INT64_MAX + 1;
	lk->type = world_chance(w, 2) ? NO_SUCH_TYPE : types[world_random(w, ARRAY_SIZE(types))];
}

static struct flock host_range(const struct fuse_file_lock *lk)
{
	return (struct flock){
		.l_type = (short)lk->type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)lk->start,
		.l_len = lk->end == INT64_MAX ? 0 : (off_t)(lk->end - lk->start + 1),
	};
}

static int open_reference(const struct node *node)
{
	int fd = open(world_ref_path(node), O_RDWR | O_CLOEXEC);

	if (fd < 0)
		test_die("open: %s", strerror(errno));
	return fd;
}

static int reference_set(struct handle *handle, unsigned int which, const struct fuse_file_lock *lk)
{
	struct flock range = host_range(lk);

	if (!handle->has_lock[which]) {
		handle->lock_fd[which] = open_reference(handle->node);
		handle->has_lock[which] = true;
	}
	return neg_errno(fcntl(handle->lock_fd[which], F_OFD_SETLK, &range));
}

/* A guest that does not open keeps its locks to itself. */
static struct handle *handle_to_lock(struct world *w)
{
	return world_opens_files(w) ? world_handle(w, false) : NULL;
}

static void op_setlk(struct world *w)
{
	struct handle *handle = handle_to_lock(w);
	unsigned int which = (unsigned int)world_random(w, HANDLE_OWNERS);
	struct fuse_lk_in in = { 0 };
	bool wait;
	int own, ref;

	if (!handle)
		return;
	in.fh = handle->fh;
	in.owner = owner_id(w, handle, which);
	in.lk.pid = (uint32_t)in.owner;
	choose_range(w, &in.lk);
	ref = reference_set(handle, which, &in.lk);
	wait = ref != -EAGAIN && world_chance(w, 30);
	world_note(w, "setlk%s %" PRIu64 " owner %" PRIu64 " type %u %" PRIu64 "-%" PRIu64,
		   wait ? "w" : "", handle->fh, (uint64_t)in.owner, in.lk.type,
		   (uint64_t)in.lk.start, (uint64_t)in.lk.end);
	own = fuse_lock(w->client, wait ? FUSE_SETLKW : FUSE_SETLK, handle->node->nodeid, &in,
			NULL);
	world_same(w, own, ref);
	compare_node(w, handle->node);
}

static void same_conflict(struct world *w, const struct fuse_file_lock *own,
			  const struct flock *ref)
{
	uint64_t end = ref->l_len ? (uint64_t)(ref->l_start + ref->l_len - 1) : INT64_MAX;

	if (own->type != (uint32_t)ref->l_type)
		world_fail(w, "the lock in the way has type %u, not %d", own->type, ref->l_type);
	if (own->type == F_UNLCK)
		return;
	if (own->start != (uint64_t)ref->l_start || own->end != end)
		world_fail(w,
			   "the lock in the way is %" PRIu64 "-%" PRIu64 ", not %" PRIu64
			   "-%" PRIu64,
			   (uint64_t)own->start, (uint64_t)own->end, (uint64_t)ref->l_start, end);
	if (!own->pid)
		world_fail(w, "the lock in the way is a stranger's");
}

static void op_getlk(struct world *w)
{
	struct handle *handle = handle_to_lock(w);
	unsigned int which = (unsigned int)world_random(w, HANDLE_OWNERS);
	cleanup_fd int fd = -1;
	struct fuse_lk_in in = { 0 };
	struct fuse_lk_out out;
	struct flock range;
	int own, ref;

	if (!handle)
		return;
	in.fh = handle->fh;
	in.owner = owner_id(w, handle, which);
	choose_range(w, &in.lk);
	if (in.lk.type == F_UNLCK)
		in.lk.type = F_WRLCK;
	world_note(w, "getlk %" PRIu64 " owner %" PRIu64 " type %u %" PRIu64 "-%" PRIu64,
		   handle->fh, (uint64_t)in.owner, in.lk.type, (uint64_t)in.lk.start,
		   (uint64_t)in.lk.end);
	own = fuse_lock(w->client, FUSE_GETLK, handle->node->nodeid, &in, &out);
	fd = handle->has_lock[which] ? dup(handle->lock_fd[which]) : open_reference(handle->node);
	range = host_range(&in.lk);
	ref = neg_errno(fcntl(fd, F_OFD_GETLK, &range));
	if (world_same(w, own, ref))
		same_conflict(w, &out.lk, &range);
}

static void op_flock(struct world *w)
{
	static const struct {
		uint32_t type;
		int operation;
	} kinds[] = {
		{ F_RDLCK, LOCK_SH | LOCK_NB },
		{ F_WRLCK, LOCK_EX | LOCK_NB },
		{ F_UNLCK, LOCK_UN },
	};
	struct handle *handle = handle_to_lock(w);
	size_t kind = world_random(w, ARRAY_SIZE(kinds));
	struct fuse_lk_in in = { .lk_flags = FUSE_LK_FLOCK, .lk.end = INT64_MAX };
	bool wait;
	int own, ref;

	if (!handle)
		return;
	in.fh = handle->fh;
	in.owner = handle->fh;
	in.lk.type = kinds[kind].type;
	ref = neg_errno(flock(handle->ref_fd, kinds[kind].operation));
	wait = ref != -EAGAIN && world_chance(w, 30);
	world_note(w, "flock%s %" PRIu64 " type %u", wait ? " waiting" : "", handle->fh,
		   in.lk.type);
	own = fuse_lock(w->client, wait ? FUSE_SETLKW : FUSE_SETLK, handle->node->nodeid, &in,
			NULL);
	world_same(w, own, ref);
}

/* Closing any descriptor of the file, as one owner. */
static void op_flush(struct world *w)
{
	struct handle *handle = world_handle(w, false);
	unsigned int which = (unsigned int)world_random(w, HANDLE_OWNERS);
	int own;

	if (!handle)
		return;
	world_note(w, "flush %" PRIu64 " owner %" PRIu64, handle->fh, owner_id(w, handle, which));
	own = fuse_flush_fh(w->client, handle->node->nodeid, handle->fh,
			    owner_id(w, handle, which));
	world_drop_lock(handle, which);
	world_same(w, own, world_opens_files(w) ? 0 : -ENOSYS);
}

/* Of a request that has long been answered: nothing comes of it. */
static void op_interrupt(struct world *w)
{
	const struct fuse_interrupt_in in = { .unique = 1 + world_random(w, w->step) };
	const struct fuse_op op = {
		.opcode = FUSE_INTERRUPT,
		.in = { { &in, sizeof(in) } },
		.no_reply = true,
	};

	world_note(w, "interrupt");
	fuse_transact(w->client, &op);
}

const struct world_op world_ops_locks[] = {
	{ op_setlk, 8 }, { op_getlk, 3 },     { op_flock, 3 },
	{ op_flush, 2 }, { op_interrupt, 1 }, { NULL, 0 },
};
