/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of one virtqueue: leader/followers with adaptive polling.
 */
#ifndef DAEMON_WORKERS_H
#define DAEMON_WORKERS_H

#include "fuse/session.h"
#include "vhost/virtqueue.h"

/* Threads beyond one per queue that the whole device may have; shared by all its queues. */
struct worker_budget {
	unsigned int extra_max;
	unsigned int extra_now; /* atomic */
};

struct queue_workers;

struct queue_workers_options {
	struct fuse_session *session; /* borrowed until the stop, as the next */
	struct worker_budget *budget;
	uint64_t poll_max_ns; /* how long to look at an empty ring at most; 0: sleep at once */
};

/*
 * Starts serving `vq` with one thread; more come when requests block. `vq` is borrowed until
 * queue_workers_stop(). Control thread. 0 or -errno.
 */
int queue_workers_start(const struct queue_workers_options *options, struct virtqueue *vq,
			struct queue_workers **ret_workers);

/*
 * Returns when every popped request has been pushed and all threads of the queue have left; frees.
 * Control thread. Accepts NULL.
 */
void queue_workers_stop(struct queue_workers *workers);

#endif
