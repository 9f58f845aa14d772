/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of one virtqueue that are answered later.
 */
#include "daemon/parked.h"

#include <stdlib.h>
#include <string.h>

#include "base/inflight.h"
#include "base/util.h"

struct parked_chain {
	struct fuse_parked parked;
	struct parked_chains *chains;
	uint16_t head; /* its place in the ring */
};

/* The driver is told at once: who waited that long is waited for. */
static void parked_chain_done(struct fuse_parked *parked, uint32_t written)
{
	struct parked_chain *pc = container_of(parked, struct parked_chain, parked);

	const struct vq_used used = { .head = pc->head, .n_written = written };

	vq_push(pc->chains->vq, &used, 1);
	__atomic_fetch_sub(&pc->chains->n, 1, __ATOMIC_RELAXED);
	free(pc);
}

static bool take_place(struct parked_chains *chains)
{
	if (__atomic_fetch_add(&chains->n, 1, __ATOMIC_RELAXED) < vq_max_kept(chains->vq))
		return true;
	__atomic_fetch_sub(&chains->n, 1, __ATOMIC_RELAXED);
	return false;
}

struct fuse_parked *parked_chain_new(struct parked_chains *chains, const struct vq_chain *chain,
				     const struct fuse_message *message)
{
	struct parked_chain *pc;

	if (!take_place(chains))
		return NULL;
	pc = calloc(1, sizeof(*pc));
	if (!pc) {
		__atomic_fetch_sub(&chains->n, 1, __ATOMIC_RELAXED);
		return NULL;
	}
	pc->chains = chains;
	pc->head = chain->head;
	/* It may wait through the deaths of many processes, and causes none by waiting. */
	chain->inflight->attempts = 0;
	pc->parked.group = chains;
	pc->parked.done = parked_chain_done;
	pc->parked.n_writable = MIN(message->n_writable, FUSE_PARKED_SEGMENTS);
	memcpy(pc->parked.writable, message->writable,
	       pc->parked.n_writable * sizeof(pc->parked.writable[0]));
	return &pc->parked;
}
