/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of one virtqueue: leader/followers with adaptive polling.
 *
 * Theory. Waking a thread costs more than nearly every request, so a request is served by the
 * thread that popped it, from pop to push. One thread per queue is the leader; only it looks at
 * the available ring, so popping takes no lock. A request that is about to block hands the lead to
 * a follower first (promote()) and goes on where it is: nothing is copied between threads, and
 * nothing waits behind a slow request. Followers are made when first needed, up to the device's
 * budget; a follower that had nothing to do for a while leaves. Without a follower to be had, the
 * leader keeps the lead and the queue waits for it, as with --thread-pool-size=0.
 *
 * Lead and membership change under `lock`; the hand-over of the ring's private state from one
 * leader to the next rides on that lock. Nothing else on the request path takes it.
 *
 * Before it sleeps, the leader looks at the ring for a while (polling.h), with kicks switched off.
 *
 * Nobody waits for what the high-priority queue carries: FORGET has no answer. Its leader naps after
 * such a request, with kicks off, and then takes whatever has come: a guest that removes many files
 * pays neither an exit nor a wake-up for each, and no processor polls for it.
 *
 * A request that waits for a lock holds no thread: what is needed to answer it is parked
 * (parked.h), and the thread goes on. When the queue stops, parked requests are answered first.
 *
 * What a process had in flight when it died is served first, by its successor, one request at a time
 * in the whole device: should that process die, too, the request whose turn it was is to blame, and
 * is not served a third time.
 *
 * Completions are pushed and announced in batches: when the ring has run empty, after BATCH
 * requests, before a request that moves much data, and before anything that may block.
 */
#include "daemon/workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/inflight.h"
#include "base/log.h"
#include "base/util.h"
#include "daemon/parked.h"
#include "daemon/polling.h"

#define HIGH_PRIORITY_QUEUE 0u /* virtio 1.2, 5.11.2 */
#define BATCH		    8u
#define LARGE_BYTES	    65536u /* moving so much takes longer than announcing */
#define NAP_MS		    2
#define FOLLOWER_IDLE_SECS  10
#define MAX_DEATHS	    2u /* that one request may cause */

/* Whose turn it is among the requests that are served again. Outside of a team's lock. */
static pthread_mutex_t again_lock = PTHREAD_MUTEX_INITIALIZER;

struct queue_workers {
	struct virtqueue *vq;	      /* borrowed */
	struct fuse_session *session; /* borrowed */
	struct worker_budget *budget; /* borrowed */
	int epoll_fd;		      /* owned; kicks and `wake_fd` */
	int wake_fd;		      /* owned; written once, to stop */
	pthread_mutex_t lock;	      /* innermost: nothing is locked under it */
	pthread_cond_t lead_free;     /* the lead is to be had, or `stopping` */
	pthread_cond_t thread_gone;
	unsigned int n_threads;	  /* guarded by lock */
	unsigned int n_followers; /* waiting on lead_free; guarded by lock */
	bool has_leader;	  /* guarded by lock */
	bool stopping;		  /* written under lock, read anywhere */
	struct polling polling;	  /* the leader's */
	bool unheard;		  /* the leader's: nobody waited for the last request */
	struct parked_chains parked;
};

struct worker {
	struct fuse_message message; /* what `chain` holds */
	struct queue_workers *team;
	struct fuse_thread *fuse; /* owned */
	bool leading;
	bool has_turn; /* holds again_lock */
	unsigned int n_done;
	struct vq_used done[BATCH]; /* answered and not pushed yet */
	struct vq_chain chain;
};

static bool team_stopping(struct queue_workers *team)
{
	return __atomic_load_n(&team->stopping, __ATOMIC_ACQUIRE);
}

/* What a dead process left is served before the queue stops. The leader's, or without one. */
static bool has_to_lead(struct queue_workers *team)
{
	return !team_stopping(team) || vq_has_again(team->vq);
}

static void push_done(struct worker *w)
{
	if (!w->n_done)
		return;
	if (w->leading)
		vq_push_leading(w->team->vq, w->done, w->n_done);
	else
		vq_push(w->team->vq, w->done, w->n_done);
	w->n_done = 0;
}

/* ---- Members ---- */

static bool budget_take(struct worker_budget *budget)
{
	unsigned int now = __atomic_load_n(&budget->extra_now, __ATOMIC_RELAXED);

	do {
		if (now >= budget->extra_max)
			return false;
	} while (!__atomic_compare_exchange_n(&budget->extra_now, &now, now + 1, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

static void budget_give_back(struct worker_budget *budget)
{
	__atomic_fetch_sub(&budget->extra_now, 1, __ATOMIC_RELAXED);
}

static void worker_free(struct worker *w)
{
	fuse_thread_free(w->fuse);
	free(w);
}

static struct fuse_parked *park(const struct fuse_message *message);
static void about_to_block(void *arg);
static void *worker_main(void *arg);

static int worker_start(struct queue_workers *team)
{
	struct worker *w = calloc(1, sizeof(*w));
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	if (!w)
		return -ENOMEM;
	w->team = team;
	w->message.park = park;
	r = fuse_thread_new(team->session, about_to_block, w, &w->fuse);
	if (r < 0) {
		worker_free(w);
		return r;
	}
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = -pthread_create(&thread, &attr, worker_main, w);
	pthread_attr_destroy(&attr);
	if (r < 0)
		worker_free(w);
	return r;
}

/*
 * Adds a thread to the team, which will take the lead if it is free. All but one, whichever that is
 * in the end, count in the budget. Lock held.
 */
static int worker_spawn(struct queue_workers *team)
{
	bool extra = team->n_threads > 0;
	int r;

	if (extra && !budget_take(team->budget))
		return -EAGAIN;
	r = worker_start(team);
	if (r == 0)
		team->n_threads++;
	else if (extra)
		budget_give_back(team->budget);
	return r;
}

static void worker_leave(struct queue_workers *team)
{
	scoped_lock(&team->lock);

	team->n_threads--;
	if (team->n_threads > 0)
		budget_give_back(team->budget);
	pthread_cond_signal(&team->thread_gone);
}

/* Gives the lead away if anybody can take it. */
static void promote(struct worker *w)
{
	struct queue_workers *team = w->team;
	scoped_lock(&team->lock);

	if (team->n_followers > 0)
		pthread_cond_signal(&team->lead_free);
	else if (worker_spawn(team) < 0)
		return;
	w->leading = false;
	team->has_leader = false;
}

/* What happens while a request waits is nothing to blame it for, nor need the others wait. */
static void end_turn_waiting(struct worker *w)
{
	w->chain.inflight->attempts |= INFLIGHT_WAITED;
	w->has_turn = false;
	pthread_mutex_unlock(&again_lock);
}

static void about_to_block(void *arg)
{
	struct worker *w = arg;

	if (unlikely(w->has_turn))
		end_turn_waiting(w);
	if (!w->leading)
		return;
	push_done(w);
	promote(w);
}

/*
 * Waits until this thread has the lead. False when it should end: the queue stops, or it has
 * waited long without being needed.
 */
static bool become_leader(struct worker *w)
{
	struct queue_workers *team = w->team;
	struct timespec until;
	int r = 0;
	scoped_lock(&team->lock);

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += FOLLOWER_IDLE_SECS;
	team->n_followers++;
	while (team->has_leader && !team->stopping && r == 0)
		r = pthread_cond_clockwait(&team->lead_free, &team->lock, CLOCK_MONOTONIC, &until);
	team->n_followers--;
	if (team->has_leader || !has_to_lead(team))
		return false;
	team->has_leader = true;
	w->leading = true;
	return true;
}

/* ---- The leader's work ---- */

static struct fuse_parked *park(const struct fuse_message *message)
{
	const struct worker *w = (const void *)message; /* its first member */

	return parked_chain_new(&w->team->parked, &w->chain, message);
}

static void serve(struct worker *w)
{
	const struct vq_chain *chain = &w->chain;
	struct fuse_message *message = &w->message;
	uint32_t written;

	message->readable = chain->iov;
	message->n_readable = chain->n_readable;
	message->writable = chain->iov + chain->n_readable;
	message->n_writable = chain->n_writable;
	message->damaged = chain->damaged;
	message->inflight = chain->inflight;
	if (chain->n_bytes > LARGE_BYTES)
		push_done(w);
	written = fuse_session_serve(w->fuse, message);
	if (w->leading)
		w->team->unheard = written == 0;
	if (written == FUSE_PARKED)
		return;
	w->done[w->n_done++] = (struct vq_used){ .head = chain->head, .n_written = written };
	if (!w->leading || w->n_done == BATCH)
		push_done(w);
}

/*
 * The turn lasts until the answer is pushed: what comes after is nothing to blame the request for. One
 * that is done needs only its answer.
 */
static void serve_again(struct worker *w)
{
	struct inflight *inflight = w->chain.inflight;

	pthread_mutex_lock(&again_lock);
	w->has_turn = true;
	if (inflight->attempts & INFLIGHT_WAITED)
		inflight->attempts = 0;
	if (++inflight->attempts >= MAX_DEATHS && inflight->step != INFLIGHT_DONE)
		w->chain.damaged = true; /* is answered so */
	serve(w);
	push_done(w);
	if (w->has_turn)
		pthread_mutex_unlock(&again_lock);
	w->has_turn = false;
}

/* Leaves the ring alone for a while. True when there is work then. */
static bool nap(struct queue_workers *team)
{
	struct epoll_event event;

	(void)epoll_wait(team->epoll_fd, &event, 1, NAP_MS);
	return vq_has_work(team->vq);
}

/* Waits awake, or not quite. True when there is work. */
static bool wait_a_little(struct queue_workers *team)
{
	if (team->unheard && vq_index(team->vq) == HIGH_PRIORITY_QUEUE)
		return nap(team);
	return polling_find(&team->polling, team->vq, &team->stopping);
}

/* Sleeps until a kick or the stop. */
static void sleep_for_kick(struct queue_workers *team)
{
	struct epoll_event event;

	/* An interrupted or failing wait only means another look at the ring. */
	(void)epoll_wait(team->epoll_fd, &event, 1, -1);
}

static void wait_for_work(struct worker *w)
{
	struct queue_workers *team = w->team;

	push_done(w);
	if (wait_a_little(team))
		return;
	if (!vq_notifications_on(team->vq)) {
		sleep_for_kick(team);
		polling_slept(&team->polling);
	}
	vq_notifications_off(team->vq);
}

static void lead(struct worker *w)
{
	struct queue_workers *team = w->team;

	vq_notifications_off(team->vq);
	while (w->leading && has_to_lead(team)) {
		switch (vq_pop(team->vq, &w->chain)) {
		case VQ_POP_CHAIN:
			if (unlikely(w->chain.again))
				serve_again(w);
			else
				serve(w);
			break;
		case VQ_POP_EMPTY:
			wait_for_work(w);
			break;
		case VQ_POP_BROKEN:
			push_done(w);
			sleep_for_kick(team);
			break;
		}
	}
	push_done(w);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct queue_workers *team = w->team;

	while (become_leader(w)) {
		lead(w);
		if (w->leading) /* the queue stops */
			break;
	}
	worker_free(w);
	worker_leave(team);
	return NULL;
}

/* ---- Start and stop ---- */

static int watch(int epoll_fd, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_wait_fds(struct queue_workers *team)
{
	int r;

	team->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (team->epoll_fd < 0)
		return -errno;
	team->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (team->wake_fd < 0)
		return -errno;
	/* Edge-triggered: a kick is one system call, the counter is never read. */
	r = watch(team->epoll_fd, vq_kick_fd(team->vq), EPOLLIN | EPOLLET);
	if (r < 0)
		return r;
	return watch(team->epoll_fd, team->wake_fd, EPOLLIN);
}

static void team_free(struct queue_workers *team)
{
	fd_close(&team->epoll_fd);
	fd_close(&team->wake_fd);
	pthread_mutex_destroy(&team->lock);
	pthread_cond_destroy(&team->lead_free);
	pthread_cond_destroy(&team->thread_gone);
	free(team);
}

static int start_first_thread(struct queue_workers *team)
{
	scoped_lock(&team->lock);

	return worker_spawn(team);
}

int queue_workers_start(const struct queue_workers_options *options, struct virtqueue *vq,
			struct queue_workers **ret_workers)
{
	struct queue_workers *team = calloc(1, sizeof(*team));
	int r;

	if (!team)
		return -ENOMEM;
	*team = (struct queue_workers){
		.vq = vq,
		.parked.vq = vq,
		.session = options->session,
		.budget = options->budget,
		.polling.max_ns = options->poll_max_ns,
		.epoll_fd = -1,
		.wake_fd = -1,
	};
	pthread_mutex_init(&team->lock, NULL);
	pthread_cond_init(&team->lead_free, NULL);
	pthread_cond_init(&team->thread_gone, NULL);
	r = open_wait_fds(team);
	if (r == 0)
		r = start_first_thread(team);
	if (r < 0) {
		team_free(team);
		return r;
	}
	*ret_workers = team;
	return 0;
}

void queue_workers_stop(struct queue_workers *team)
{
	uint64_t one = 1;

	if (!team)
		return;
	pthread_mutex_lock(&team->lock);
	__atomic_store_n(&team->stopping, true, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&team->lead_free);
	(void)!write(team->wake_fd, &one, sizeof(one)); /* an empty eventfd takes it */
	while (team->n_threads > 0)
		pthread_cond_wait(&team->thread_gone, &team->lock);
	pthread_mutex_unlock(&team->lock);
	/* Nobody parks any more. */
	fuse_session_unpark(team->session, &team->parked);
	team_free(team);
}
