/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of one virtqueue that are answered later: what it takes to bring each answer home.
 */
#ifndef DAEMON_PARKED_H
#define DAEMON_PARKED_H

#include "fuse/session.h"
#include "vhost/virtqueue.h"

/* Its address is the group for fuse_session_unpark(). */
struct parked_chains {
	struct virtqueue *vq; /* borrowed, started as long as a chain is parked */
	unsigned int n;	      /* atomic */
};

/*
 * Moves the chain that `message` was made of out of the worker's hands; the answer pushes it and
 * tells the driver. NULL when too many are parked, with the chain as it was. Any thread.
 */
struct fuse_parked *parked_chain_new(struct parked_chains *chains, struct vq_chain *chain,
				     const struct fuse_message *message);

#endif
