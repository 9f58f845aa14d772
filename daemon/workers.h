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

/*
 * Starts serving `vq` with one thread; more come when requests block. Both pointers are borrowed
 * until queue_workers_stop(). Control thread. 0 or -errno.
 */
int queue_workers_start(struct virtqueue *vq, struct fuse_session *session,
			struct worker_budget *budget, struct queue_workers **ret_workers);

/*
 * Returns when every popped request has been pushed and all threads of the queue have left; frees.
 * Control thread. Accepts NULL.
 */
void queue_workers_stop(struct queue_workers *workers);

#endif
