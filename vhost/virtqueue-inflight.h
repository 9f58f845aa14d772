/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What outlives the process of a virtqueue: which heads are in flight, and where the ring stands.
 *
 * Theory. A queue has one such structure in the state arena. A process may die between any two
 * instructions, all threads at once; what they had stored before is there for the successor, in the
 * order of each thread. Hence the order of stores is all there is to get right:
 *
 *	pop	the record of the head is made new, then marked with the count of pops;
 *	push	the used entries are written; `published` says which indexes they have; the marks of
 *		their heads are cleared; the driver is given the new index.
 *
 * Until `published` moves, a request counts as not answered and is served again. From then on it
 * counts as answered, and should the driver's index not have moved, the successor clears the marks
 * of the entries and moves it. As marks are cleared before the driver may know, whoever pops never
 * finds the mark of a head that the driver rightly offers again; and one that it does find tells of
 * a driver that lies.
 *
 * Each chain that was popped has either been answered or is marked. So the next one to pop, which
 * is not recorded, follows from the used index and the number of marks.
 *
 * The successor believes what is in the arena. Of the ring it reads the used index only to see
 * whether it has still to move it, and the used entries of the last push, which the driver may have
 * changed since: that can make requests of this driver come twice or never, and nothing else.
 *
 * A queue that is closed has been drained and has no marks; its position is kept with the number of
 * the saved session (session-save.h) after which it was closed, because a newer one may say otherwise.
 */
#ifndef VHOST_VIRTQUEUE_INFLIGHT_H
#define VHOST_VIRTQUEUE_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/inflight.h"
#include "base/util.h"
#include "vhost/protocol.h"

struct virtqueue;

/* Stored and read as one word. */
union vq_position {
	uint64_t word;
	struct {
		uint32_t generation; /* of the saved session when it was closed */
		uint16_t next_avail; /* when closed */
		uint16_t size;	     /* of the ring when open, 0 when closed */
	};
};

struct vq_inflight {
	uint64_t position;  /* atomic; union vq_position */
	uint32_t published; /* atomic; used index before the last push << 16 | after it */
	/* Constant while open. */
	uint16_t lag; /* available index less used index when nothing is in flight */
	bool event_idx;
	bool indirect;
	struct inflight record[VHOST_MAX_RING_SIZE];
};

/* A chain that waits to be handed out again. */
struct vq_again {
	uint64_t order;
	uint16_t head;
};

/*
 * Marks a popped head. False when it is marked already. The acquire pairs with the release that
 * cleared the mark: whoever had the record is done with it.
 */
static inline bool vq_inflight_mark(struct inflight *record, uint64_t order)
{
	if (unlikely(__atomic_load_n(&record->order, __ATOMIC_ACQUIRE)))
		return false;
	memset(&record->attempts, 0, offsetof(struct inflight, began_ns) - sizeof(record->order));
	__atomic_store_n(&record->order, order, __ATOMIC_RELEASE);
	return true;
}

/* The used entries [from, to) are written and will be published. */
static inline void vq_inflight_answered(struct vq_inflight *inflight, uint16_t from, uint16_t to)
{
	__atomic_store_n(&inflight->published, (uint32_t)from << 16 | to, __ATOMIC_RELEASE);
}

static inline void vq_inflight_clear(struct vq_inflight *inflight, uint16_t head)
{
	__atomic_store_n(&inflight->record[head].order, 0, __ATOMIC_RELEASE);
}

static inline union vq_position vq_inflight_position(const struct vq_inflight *inflight)
{
	return (union vq_position){ .word = __atomic_load_n(&inflight->position,
							    __ATOMIC_ACQUIRE) };
}

/*
 * For vq_open(), with the ring mapped: begins with the ring as it stands and nothing in flight, or
 * goes on where a process died (position open). -ENOMEM.
 */
int vq_inflight_open(struct virtqueue *vq, uint16_t next_avail);

/* For vq_close(): the queue has been drained. */
void vq_inflight_close(struct virtqueue *vq, uint32_t generation);

/* Forgets everything. */
void vq_inflight_reset(struct vq_inflight *inflight);

#endif
