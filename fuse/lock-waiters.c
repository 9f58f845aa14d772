/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that wait for a lock.
 *
 * Why polling. The kernel can wake a waiter only in a blocking fcntl(2) or flock(2), which takes a
 * thread for each: either as many threads as a guest likes, or a bounded number and everybody else
 * behind them, perhaps for the very lock that the first ones wait to see released. And a thread in
 * such a call is got out only by signals, with a race between the last look and the call. One
 * thread that asks again costs a system call per waiter and round, can be told to stop at any
 * moment, and treats byte ranges and whole files alike.
 *
 * Between processes of one guest nothing is polled for: whoever unlocks, closes or releases says
 * so, and those who wait in that node are tried at once, in the order they came. Only a lock that
 * another guest or a host process gives up is noticed late, by RETRY_MAX_NS at most. Host processes
 * that wait in the kernel get such a lock first.
 *
 * Why -EAGAIN when waiting ends because the queue stops: guests make "restart the system call" of
 * -EINTR, which works only where a signal is pending and otherwise comes out as an error number
 * that no program knows. -EINTR is for who was interrupted.
 *
 * One lock guards all; answers are given under it, so that whoever has taken it afterwards knows
 * that they have been given. The attempt itself is made without it: the waiter in hand stays in
 * the list and belongs to the thread until the attempt is over.
 */
#include "fuse/lock-waiters.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "fuse/reply.h"

#define NSEC_PER_SEC UINT64_C(1000000000)
#define RETRY_MIN_NS UINT64_C(1000000)
#define RETRY_MAX_NS UINT64_C(32000000)
#define NEVER	     UINT64_MAX

struct waiter {
	TAILQ_ENTRY(waiter) entry;
	struct fuse_parked *parked; /* owned until done() */
	struct lock_wish wish;
	uint64_t delay_ns;
	uint64_t next_ns; /* when to try again; NEVER while being tried */
	int verdict;	  /* while being tried: answered with this if it did not get the lock */
};

struct lock_waiters {
	struct fs *fs;	      /* borrowed */
	pthread_mutex_t lock; /* taken before those of rings; no file system call under it */
	pthread_cond_t changed;
	pthread_cond_t tried;
	TAILQ_HEAD(, waiter) list; /* in the order they came */
	unsigned int n;		   /* changed under the lock, read anywhere */
	struct waiter *in_hand;	   /* the thread tries it just now */
	uint64_t n_attempts;
	bool again;		     /* somebody's time to be tried has changed */
	struct fs_thread *fs_thread; /* owned; the thread's */
	pthread_t thread;
	bool has_thread;
	bool stopping;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

int lock_wish_try(struct fs_thread *thread, const struct lock_wish *wish)
{
	if (wish->flock)
		return fs_flock(thread, wish->fh, wish->lock.type);
	return fs_setlk(thread, wish->fh, &wish->lock);
}

/* ---- The list; lock held ---- */

static void set_count(struct lock_waiters *ws, unsigned int n)
{
	__atomic_store_n(&ws->n, n, __ATOMIC_RELAXED);
}

static void answer(struct lock_waiters *ws, struct waiter *w, int status)
{
	struct fuse_parked *parked = w->parked;
	struct reply reply;

	reply_init(&reply, parked->writable, parked->n_writable, w->wish.unique);
	reply_status(&reply, status);
	TAILQ_REMOVE(&ws->list, w, entry);
	set_count(ws, ws->n - 1);
	free(w);
	parked->done(parked, reply.bytes);
}

/* Ends the waiting, or leaves word for the thread that has the waiter in hand. */
static void end_waiting(struct lock_waiters *ws, struct waiter *w, int status)
{
	if (ws->in_hand == w)
		w->verdict = status;
	else
		answer(ws, w, status);
}

static void try_soon(struct lock_waiters *ws, struct waiter *w)
{
	w->delay_ns = RETRY_MIN_NS;
	w->next_ns = 0;
	ws->again = true;
	pthread_cond_signal(&ws->changed);
}

/* ---- The thread ---- */

/* Without the lock meanwhile; the waiter is still there afterwards, its neighbours may not be. */
static int attempt(struct lock_waiters *ws, struct waiter *w)
{
	int r;

	ws->in_hand = w;
	w->next_ns = NEVER;
	pthread_mutex_unlock(&ws->lock);
	r = lock_wish_try(ws->fs_thread, &w->wish);
	pthread_mutex_lock(&ws->lock);
	ws->in_hand = NULL;
	ws->n_attempts++;
	pthread_cond_broadcast(&ws->tried);
	return r;
}

/* Answers, or plans the next attempt and returns when it is due. */
static uint64_t settle(struct lock_waiters *ws, struct waiter *w, int r)
{
	if (r != -EAGAIN || w->verdict) {
		answer(ws, w, r == -EAGAIN ? w->verdict : r);
		return NEVER;
	}
	if (w->next_ns == NEVER) { /* nobody has asked for another attempt at once */
		w->delay_ns = MIN(w->delay_ns * 2, RETRY_MAX_NS);
		w->next_ns = now_ns() + w->delay_ns;
	}
	return w->next_ns;
}

/* Tries all whose time has come; returns when the next one's comes. */
static uint64_t attempt_due(struct lock_waiters *ws)
{
	uint64_t next_ns = NEVER, now = now_ns();
	struct waiter *w, *next;

	for (w = TAILQ_FIRST(&ws->list); w; w = next) {
		bool due = w->next_ns <= now;
		int r = due ? attempt(ws, w) : 0;

		next = TAILQ_NEXT(w, entry);
		next_ns = MIN(next_ns, due ? settle(ws, w, r) : w->next_ns);
	}
	return next_ns;
}

static void wait_until(struct lock_waiters *ws, uint64_t until_ns)
{
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / NSEC_PER_SEC),
		.tv_nsec = (long)(until_ns % NSEC_PER_SEC),
	};

	if (until_ns == NEVER)
		pthread_cond_wait(&ws->changed, &ws->lock);
	else
		pthread_cond_clockwait(&ws->changed, &ws->lock, CLOCK_MONOTONIC, &until);
}

static void *waiters_main(void *arg)
{
	struct lock_waiters *ws = arg;
	scoped_lock(&ws->lock);

	while (!ws->stopping) {
		uint64_t until_ns;

		ws->again = false;
		until_ns = attempt_due(ws);
		if (!ws->again && !ws->stopping)
			wait_until(ws, until_ns);
	}
	return NULL;
}

/* Lock held. */
static int start_thread(struct lock_waiters *ws)
{
	int r;

	if (ws->has_thread)
		return 0;
	if (!ws->fs_thread)
		ws->fs_thread = calloc(1, sizeof(*ws->fs_thread));
	if (!ws->fs_thread)
		return -ENOMEM;
	r = fs_thread_init(ws->fs_thread, ws->fs);
	if (r == 0)
		r = -pthread_create(&ws->thread, NULL, waiters_main, ws);
	ws->has_thread = r == 0;
	return r;
}

/* ---- Life ---- */

int lock_waiters_new(struct fs *fs, struct lock_waiters **ret_waiters)
{
	struct lock_waiters *ws = calloc(1, sizeof(*ws));

	if (!ws)
		return -ENOMEM;
	ws->fs = fs;
	TAILQ_INIT(&ws->list);
	pthread_mutex_init(&ws->lock, NULL);
	pthread_cond_init(&ws->changed, NULL);
	pthread_cond_init(&ws->tried, NULL);
	*ret_waiters = ws;
	return 0;
}

void lock_waiters_free(struct lock_waiters *ws)
{
	if (!ws)
		return;
	pthread_mutex_lock(&ws->lock);
	ws->stopping = true;
	pthread_cond_signal(&ws->changed);
	pthread_mutex_unlock(&ws->lock);
	if (ws->has_thread)
		pthread_join(ws->thread, NULL);
	pthread_cond_destroy(&ws->changed);
	pthread_cond_destroy(&ws->tried);
	pthread_mutex_destroy(&ws->lock);
	free(ws->fs_thread);
	free(ws);
}

/* ---- For requests ---- */

int lock_waiters_add(struct lock_waiters *ws, const struct lock_wish *wish,
		     const struct fuse_message *message)
{
	struct waiter *w;
	scoped_lock(&ws->lock);

	if (!message->park || ws->n >= LOCK_WAITERS_MAX || start_thread(ws) < 0)
		return -ENOLCK;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOLCK;
	w->parked = message->park(message);
	if (!w->parked) {
		free(w);
		return -ENOLCK;
	}
	w->wish = *wish;
	TAILQ_INSERT_TAIL(&ws->list, w, entry);
	set_count(ws, ws->n + 1);
	try_soon(ws, w);
	return 0;
}

void lock_waiters_retry(struct lock_waiters *ws, uint64_t nodeid)
{
	struct waiter *w;

	if (!__atomic_load_n(&ws->n, __ATOMIC_RELAXED))
		return;
	scoped_lock(&ws->lock);
	TAILQ_FOREACH(w, &ws->list, entry)
	if (w->wish.nodeid == nodeid)
		try_soon(ws, w);
}

void lock_waiters_interrupt(struct lock_waiters *ws, uint64_t unique)
{
	struct waiter *w;

	if (!__atomic_load_n(&ws->n, __ATOMIC_RELAXED))
		return;
	scoped_lock(&ws->lock);
	TAILQ_FOREACH(w, &ws->list, entry)
	{
		if (w->wish.unique == unique) {
			end_waiting(ws, w, -EINTR);
			return;
		}
	}
}

static bool is_of(const struct waiter *w, const void *group)
{
	return !group || w->parked->group == group;
}

void lock_waiters_give_up(struct lock_waiters *ws, const void *group)
{
	struct waiter *w, *next;
	uint64_t n_attempts;
	scoped_lock(&ws->lock);

	for (w = TAILQ_FIRST(&ws->list); w; w = next) {
		next = TAILQ_NEXT(w, entry);
		if (is_of(w, group))
			end_waiting(ws, w, -EAGAIN);
	}
	n_attempts = ws->n_attempts;
	while (ws->in_hand && is_of(ws->in_hand, group) && ws->n_attempts == n_attempts)
		pthread_cond_wait(&ws->tried, &ws->lock);
}
