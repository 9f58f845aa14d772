/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the leader of a queue looks at an empty ring before it sleeps.
 */
#ifndef DAEMON_POLLING_H
#define DAEMON_POLLING_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost/virtqueue.h"

/* Of one queue; its leader's, zero but for the first member when the queue starts. */
struct polling {
	uint64_t max_ns;	 /* constant: the longest window; 0: sleep at once */
	uint64_t window_ns;	 /* how long to look before sleeping */
	uint64_t start_ns;	 /* of a wait that goes on asleep */
	unsigned int n_looks;	 /* waits that began awake */
	unsigned int n_to_sleep; /* next waits, which will not */
	unsigned int rest;	 /* how many these were the last time, less with each success */
};

/* Looks for up to the window, while `*stopping` (atomic) is false. True when there is work. */
bool polling_find(struct polling *polling, struct virtqueue *vq, const bool *stopping);

/* After a wait that polling_find() did not end, but sleep did: decides the next window. */
void polling_slept(struct polling *polling);

#endif
