/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A split virtqueue as the device's threads see it: pop checked chains, push used ones, notify.
 *
 * The rings lie in guest memory and hold whatever the guest likes. Positions are kept here in
 * private; of the rings only the driver's index, its entries and its wishes for notification are
 * read, each once. A driver's index that is ahead by more than the ring is long, and a chain head
 * outside the table or not answered yet, say that the ring is not one: the queue is broken until it
 * is set up anew. What of this outlives the process is told in virtqueue-inflight.h.
 *
 * Popping is the leader's alone and takes no lock. Pushing takes the queue's own lock for a few
 * stores, once for several chains; but none where the leader has all the chains that are out, since
 * then nobody else has anything to push, and nobody but the leader can get any. Whether the driver
 * is told is decided there, and done outside of the lock, so that pushers never wait for a system
 * call.
 */
#include "vhost/virtqueue.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"
#include "vhost/memory-internal.h"
#include "vhost/virtqueue-internal.h"

/* Sizes of the parts with their event words, in bytes (virtio 1.2, 2.7). */
#define DESC_BYTES(size)  ((uint64_t)sizeof(struct vring_desc) * (size))
#define AVAIL_BYTES(size) (6 + 2 * (uint64_t)(size))
#define USED_BYTES(size)  (6 + 8 * (uint64_t)(size))

void vq_init(struct virtqueue *vq, unsigned int index)
{
	memset(vq, 0, sizeof(*vq));
	vq->index = index;
	vq->kick_fd = -1;
	pthread_mutex_init(&vq->push_lock, NULL);
	vq_signals_init(vq);
}

void vq_deinit(struct virtqueue *vq)
{
	guest_memory_put(vq->memory);
	vq->memory = NULL;
	free_ptr(&vq->again);
	vq_signals_deinit(vq);
	pthread_mutex_destroy(&vq->push_lock);
}

int vq_check_alignment(const struct vq_ring_place *place)
{
	return place->desc_uva % 16 || place->avail_uva % 2 || place->used_uva % 4 ? -EINVAL : 0;
}

int vq_map_ring(const struct vq_ring_place *place, const struct guest_memory *memory,
		struct vq_ring *ret_ring)
{
	struct vq_ring ring = {
		.size = place->size,
		.desc = guest_memory_from_uva(memory, place->desc_uva, DESC_BYTES(place->size)),
		.avail = guest_memory_from_uva(memory, place->avail_uva, AVAIL_BYTES(place->size)),
		.used = guest_memory_from_uva(memory, place->used_uva, USED_BYTES(place->size)),
	};

	if (!ring.desc || !ring.avail || !ring.used)
		return -EFAULT;
	/* A region may map front-end addresses to a place of other alignment. */
	if ((uintptr_t)ring.desc % 16 || (uintptr_t)ring.avail % 2 || (uintptr_t)ring.used % 4)
		return -EINVAL;
	*ret_ring = ring;
	return 0;
}

int vq_open(struct virtqueue *vq, const struct vq_setup *setup)
{
	int r = vq_map_ring(&setup->place, setup->memory, &vq->ring);

	if (r < 0)
		return r;
	vq->memory = guest_memory_get(setup->memory);
	vq->region = &vq->memory->regions[0]; /* the ring lies in one, so that there is one */
	vq->peeked = false;
	vq->inflight = setup->inflight;
	vq->event_idx = setup->event_idx;
	vq->indirect = setup->indirect;
	r = vq_inflight_open(vq, setup->last_avail);
	if (r < 0) {
		guest_memory_put(vq->memory);
		vq->memory = NULL;
		return r;
	}
	vq->kick_fd = setup->kick_fd;
	vq->avail_cached = vq->last_avail;
	vq->broken = false;
	vq->kicks_on = true;
	vq->idx_distance = vq->inflight->lag;
	vring_set_used_flags(&vq->ring, 0);
	if (vq->event_idx)
		vring_set_avail_event(&vq->ring, vq->last_avail);
	return 0;
}

uint16_t vq_close(struct virtqueue *vq, uint32_t generation)
{
	vq_inflight_close(vq, generation);
	guest_memory_put(vq->memory);
	vq->memory = NULL;
	vq->region = NULL;
	vq->ring = (struct vq_ring){ 0 };
	vq->kick_fd = -1;
	return vq->last_avail;
}

/* ---- The leader ---- */

static enum vq_pop_result break_queue(struct virtqueue *vq, const char *why)
{
	vq->broken = true;
	log_peer("Queue %u is not served any more until it is set up anew: %s", vq->index, why);
	vq_signal_err(vq);
	return VQ_POP_BROKEN;
}

/* Reads where the next chain begins. False when that is outside of the table. */
static bool peek(struct virtqueue *vq)
{
	vq->next_head = vring_avail_entry(&vq->ring, vq->last_avail);
	if (unlikely(vq->next_head >= vq->ring.size))
		return false;
	vq->next_first = vring_read_desc(vq->ring.desc, vq->next_head);
	vq->peeked = true;
	return true;
}

/* What a dead process had popped; it is marked. */
static enum vq_pop_result pop_again(struct virtqueue *vq, struct vq_chain *chain)
{
	uint16_t head = vq->again[vq->next_again++].head;

	if (vq->next_again == vq->n_again)
		free_ptr(&vq->again);
	chain->head = head;
	chain->inflight = &vq->inflight->record[head];
	chain->again = true;
	vq_read_chain(vq, vring_read_desc(vq->ring.desc, head), chain);
	return VQ_POP_CHAIN;
}

enum vq_pop_result vq_pop(struct virtqueue *vq, struct vq_chain *chain)
{
	struct vq_desc first;

	if (unlikely(vq->broken))
		return VQ_POP_EMPTY;
	if (vq->last_avail == vq->avail_cached) {
		uint16_t idx;

		/* Before all else: the index that was looked at last is that of the start. */
		if (unlikely(vq->again))
			return pop_again(vq, chain);
		idx = vring_avail_idx(&vq->ring);
		if (idx == vq->last_avail)
			return VQ_POP_EMPTY;
		if (unlikely((uint16_t)(idx - vq->last_avail) > vq->ring.size))
			return break_queue(vq, "the driver's index jumped");
		vq->avail_cached = idx;
	}
	if (unlikely(!vq->peeked && !peek(vq)))
		return break_queue(vq, "a chain begins outside the descriptor table");
	vq->peeked = false;
	chain->head = vq->next_head;
	first = vq->next_first;
	chain->inflight = &vq->inflight->record[chain->head];
	if (unlikely(!vq_inflight_mark(chain->inflight, ++vq->n_pops)))
		return break_queue(vq, "a chain is offered again before it was answered");
	chain->again = false;
	vq->last_avail++;
	if (vq->event_idx && vq->kicks_on)
		vring_set_avail_event(&vq->ring, vq->last_avail);
	if (vq->last_avail != vq->avail_cached && peek(vq))
		vq_prefetch(vq, vq->next_first);
	vq_read_chain(vq, first, chain);
	return VQ_POP_CHAIN;
}

void vq_notifications_off(struct virtqueue *vq)
{
	if (!vq->kicks_on)
		return;
	vq->kicks_on = false;
	/* With event index the stale event does it: the driver has passed it. */
	if (!vq->event_idx)
		vring_set_used_flags(&vq->ring, VRING_USED_F_NO_NOTIFY);
}

bool vq_notifications_on(struct virtqueue *vq)
{
	vq->kicks_on = true;
	if (vq->event_idx)
		vring_set_avail_event(&vq->ring, vq->last_avail);
	else
		vring_set_used_flags(&vq->ring, 0);
	/* Either the driver sees the wish when it has moved its index, or we see the index. */
	vring_full_barrier();
	return vq_has_work(vq);
}

bool vq_has_work(struct virtqueue *vq)
{
	return !vq->broken && (vring_avail_idx(&vq->ring) != vq->last_avail || vq->again);
}

bool vq_has_again(const struct virtqueue *vq)
{
	return vq->again;
}

int vq_kick_fd(const struct virtqueue *vq)
{
	return vq->kick_fd;
}

unsigned int vq_index(const struct virtqueue *vq)
{
	return vq->index;
}

/* ---- Anybody with a chain ---- */

/* Whether the driver wants to know that the used index went from `old` to `now`. */
static bool wants_call(const struct virtqueue *vq, uint16_t old, uint16_t now)
{
	/* Either the driver sees our index when it has changed its wish, or we see the wish. */
	vring_full_barrier();
	if (vq->event_idx)
		return vring_passed_event(vring_get_used_event(&vq->ring), now, old);
	return !(vring_avail_flags(&vq->ring) & VRING_AVAIL_F_NO_INTERRUPT);
}

/* True when the driver is to be told. The private index goes last: who reads it may push next. */
static bool put_used(struct virtqueue *vq, const struct vq_used *used, unsigned int n)
{
	struct vq_inflight *inflight = vq->inflight;
	uint16_t old = vq->used_idx, now = old;

	for (unsigned int i = 0; i < n; i++)
		vring_set_used_entry(&vq->ring, now++, used[i].head, used[i].n_written);
	vq_inflight_answered(inflight, old, now);
	for (unsigned int i = 0; i < n; i++)
		vq_inflight_clear(inflight, used[i].head);
	vring_publish_used_idx(&vq->ring, now);
	__atomic_store_n(&vq->used_idx, now, __ATOMIC_RELEASE);
	return wants_call(vq, old, now);
}

static bool put_used_locked(struct virtqueue *vq, const struct vq_used *used, unsigned int n)
{
	scoped_lock(&vq->push_lock);

	return put_used(vq, used, n);
}

void vq_push(struct virtqueue *vq, const struct vq_used *used, unsigned int n)
{
	if (put_used_locked(vq, used, n))
		vq_signal_call(vq);
}

void vq_push_leading(struct virtqueue *vq, const struct vq_used *used, unsigned int n)
{
	uint16_t used_idx = __atomic_load_n(&vq->used_idx, __ATOMIC_ACQUIRE);
	uint16_t n_out = (uint16_t)(vq->last_avail - used_idx - vq->idx_distance);
	bool tell = n_out == n ? put_used(vq, used, n) : put_used_locked(vq, used, n);

	if (tell)
		vq_signal_call(vq);
}

unsigned int vq_max_kept(const struct virtqueue *vq)
{
	/* A small request has a descriptor in the ring, or four of them without indirect tables. */
	return vq->ring.size / (vq->indirect ? 2 : 8);
}
