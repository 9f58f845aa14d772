/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that wait for a lock: parked here, so that they hold up no queue and no worker.
 */
#ifndef FUSE_LOCK_WAITERS_H
#define FUSE_LOCK_WAITERS_H

#include <stdbool.h>
#include <stdint.h>

#include "fuse/session.h"

/* Of one device; a front-end's queue has its own limit below this. */
#define LOCK_WAITERS_MAX 1024u

struct lock_waiters;

/* What is waited for. */
struct lock_wish {
	uint64_t unique; /* id of the request */
	uint64_t nodeid; /* as the guest says; only who is tried again sooner depends on it */
	uint64_t fh;
	bool flock;	     /* the whole file; only the type counts */
	struct fs_lock lock; /* type F_RDLCK or F_WRLCK */
};

/* `fs` is borrowed. The thread is started at the first wait. 0 or -ENOMEM. */
int lock_waiters_new(struct fs *fs, struct lock_waiters **ret_waiters);
/* Nobody may be waiting. Accepts NULL. */
void lock_waiters_free(struct lock_waiters *waiters);

/* One attempt: 0, -EAGAIN when somebody else has the lock, or another -errno. */
int lock_wish_try(struct fs_thread *thread, const struct lock_wish *wish);

/*
 * Parks the message until the wish comes true or fails. -ENOLCK when it cannot, with the message as
 * it was.
 */
int lock_waiters_add(struct lock_waiters *waiters, const struct lock_wish *wish,
		     const struct fuse_message *message);

/* Something may have been unlocked in this node: who waits for it tries now. */
void lock_waiters_retry(struct lock_waiters *waiters, uint64_t nodeid);

/* The request of this id, if it waits, is answered -EINTR. */
void lock_waiters_interrupt(struct lock_waiters *waiters, uint64_t unique);

/*
 * Those of the group, or all when it is NULL, are answered -EAGAIN. When this returns none of them
 * is left, except those that were added meanwhile.
 */
void lock_waiters_give_up(struct lock_waiters *waiters, const void *group);

#endif
