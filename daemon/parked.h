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
 * Takes the place of the chain that `message` was made of, which the answer will push; the worker
 * does not. NULL when too many are parked. Any thread.
 */
struct fuse_parked *parked_chain_new(struct parked_chains *chains, const struct vq_chain *chain,
				     const struct fuse_message *message);

#endif
