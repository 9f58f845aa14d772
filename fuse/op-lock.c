/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks: asking, setting, waiting, and giving up waiting.
 */
#include <errno.h>

#include "fuse/lock-waiters.h"
#include "fuse/ops.h"
#include "fuse/request.h"
#include "fuse/session-internal.h"

static void take_wish(struct request *req, struct lock_wish *ret_wish)
{
	const struct fuse_lk_in *in = req_take(req, sizeof(*in));

	*ret_wish = (struct lock_wish){
		.unique = req->in.unique,
		.nodeid = req->in.nodeid,
		.fh = in->fh,
		.flock = in->lk_flags & FUSE_LK_FLOCK,
		.lock.owner = in->owner,
		.lock.start = in->lk.start,
		.lock.end = in->lk.end,
		.lock.type = in->lk.type,
		.lock.pid = in->lk.pid,
	};
}

/* Of the two kinds each is agreed on for itself. */
static int check_kind(const struct request *req, const struct lock_wish *wish)
{
	uint64_t kind = wish->flock ? FUSE_FLOCK_LOCKS : FUSE_POSIX_LOCKS;

	return session_has(req->session, kind) ? 0 : -EOPNOTSUPP;
}

int op_getlk(struct request *req)
{
	struct lock_wish wish;
	int r;

	take_wish(req, &wish);
	if (wish.flock)
		return -EINVAL;
	r = check_kind(req, &wish);
	if (r == 0)
		r = fs_getlk(req_fs(req), wish.fh, &wish.lock);
	if (r < 0)
		return r;
	return reply_lock(req, &wish.lock);
}

static int set_lock(struct request *req, const struct lock_wish *wish)
{
	int r = check_kind(req, wish);

	if (r == 0)
		r = lock_wish_try(req_fs(req), wish);
	/*
	 * Not only unlocking lets others in: a lock may have become a weaker one, and one for a
	 * whole file is gone when it could not be changed.
	 */
	if (r == 0 || (r == -EAGAIN && wish->flock))
		lock_waiters_retry(req->session->waiters, wish->nodeid);
	return r < 0 ? r : reply_empty(req);
}

int op_setlk(struct request *req)
{
	struct lock_wish wish;

	take_wish(req, &wish);
	return set_lock(req, &wish);
}

int op_setlkw(struct request *req)
{
	struct lock_wish wish;
	int r;

	take_wish(req, &wish);
	r = set_lock(req, &wish);
	if (r != -EAGAIN)
		return r;
	r = lock_waiters_add(req->session->waiters, &wish, req->message);
	return r < 0 ? r : OP_PARKED;
}

/* An answer is not due; what is interrupted gets its own. Only who waits for a lock waits long. */
int op_interrupt(struct request *req)
{
	const struct fuse_interrupt_in *in = req_take(req, sizeof(*in));

	lock_waiters_interrupt(req->session->waiters, in->unique);
	return 0;
}
