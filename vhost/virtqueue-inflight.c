/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What outlives the process of a virtqueue: going on where a process died.
 */
#include "vhost/virtqueue-inflight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "vhost/virtqueue-internal.h"

static void store_position(struct vq_inflight *inflight, union vq_position position)
{
	__atomic_store_n(&inflight->position, position.word, __ATOMIC_RELEASE);
}

/* ---- A fresh start ---- */

static void begin(struct virtqueue *vq, uint16_t next_avail)
{
	struct vq_inflight *inflight = vq->inflight;

	vq->used_idx = vring_used_idx(&vq->ring);
	vq->last_avail = next_avail;
	vq_inflight_answered(inflight, vq->used_idx, vq->used_idx);
	inflight->lag = (uint16_t)(next_avail - vq->used_idx);
	inflight->event_idx = vq->event_idx;
	inflight->indirect = vq->indirect;
	store_position(inflight, (union vq_position){ .size = (uint16_t)vq->ring.size });
}

/* ---- After a death ---- */

/* Finishes the push that a process may have died in. */
static void finish_push(struct virtqueue *vq)
{
	uint32_t published = __atomic_load_n(&vq->inflight->published, __ATOMIC_ACQUIRE);
	uint16_t from = (uint16_t)(published >> 16), to = (uint16_t)published;

	vq->used_idx = to;
	if (vring_used_idx(&vq->ring) == to)
		return;
	for (uint32_t i = 0; i < MIN((uint16_t)(to - from), vq->ring.size); i++) {
		uint32_t id = vring_used_id(&vq->ring, (uint16_t)(from + i));

		if (id < vq->ring.size)
			vq_inflight_clear(vq->inflight, (uint16_t)id);
	}
	vring_publish_used_idx(&vq->ring, to);
}

static int by_order(const void *a, const void *b)
{
	const struct vq_again *x = a, *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

/* Lists what is marked, in the order it was popped. */
static int list_again(struct virtqueue *vq)
{
	const struct vq_inflight *inflight = vq->inflight;
	unsigned int n = 0;

	for (uint32_t i = 0; i < vq->ring.size; i++)
		n += inflight->record[i].order != 0;
	vq->again = n ? calloc(n, sizeof(*vq->again)) : NULL;
	if (n && !vq->again)
		return -ENOMEM;
	for (uint32_t i = 0; i < vq->ring.size; i++)
		if (inflight->record[i].order)
			vq->again[vq->n_again++] = (struct vq_again){
				.order = inflight->record[i].order,
				.head = (uint16_t)i,
			};
	if (n)
		qsort(vq->again, n, sizeof(*vq->again), by_order);
	return 0;
}

static int recover(struct virtqueue *vq)
{
	int r;

	/* The features may have been changed since, for the next start. */
	vq->event_idx = vq->inflight->event_idx;
	vq->indirect = vq->inflight->indirect;
	finish_push(vq);
	r = list_again(vq);
	if (r < 0)
		return r;
	vq->last_avail = (uint16_t)(vq->used_idx + vq->inflight->lag + vq->n_again);
	if (vq->again)
		vq->n_pops = vq->again[vq->n_again - 1].order;
	log_debug("Queue %u goes on with %u requests in flight", vq->index, vq->n_again);
	return 0;
}

int vq_inflight_open(struct virtqueue *vq, uint16_t next_avail)
{
	vq->n_pops = 0;
	vq->n_again = 0;
	vq->next_again = 0;
	if (vq_inflight_position(vq->inflight).size)
		return recover(vq);
	begin(vq, next_avail);
	return 0;
}

/* ---- The end ---- */

void vq_inflight_close(struct virtqueue *vq, uint32_t generation)
{
	free_ptr(&vq->again);
	vq->n_again = 0;
	vq->next_again = 0;
	store_position(vq->inflight, (union vq_position){
					     .generation = generation,
					     .next_avail = vq->last_avail,
				     });
}

void vq_inflight_reset(struct vq_inflight *inflight)
{
	uint16_t size = vq_inflight_position(inflight).size;

	if (size)
		memset(inflight->record, 0, size * sizeof(inflight->record[0]));
	store_position(inflight, (union vq_position){ 0 });
}
