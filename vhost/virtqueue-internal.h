/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtqueue as the session sees it: where the ring is, how to notify, start and stop.
 *
 * Functions here belong to the control thread. Those for notification descriptors may be called
 * while the queue runs; the others only while it is stopped.
 */
#ifndef VHOST_VIRTQUEUE_INTERNAL_H
#define VHOST_VIRTQUEUE_INTERNAL_H

#include <pthread.h>

#include "vhost/backend-req.h"
#include "vhost/virtqueue-inflight.h"
#include "vhost/virtqueue.h"
#include "vhost/vring.h"

enum vq_signal_kind {
	VQ_SIGNAL_INBAND, /* no descriptor given: a message, if there is a channel */
	VQ_SIGNAL_NONE,	  /* the driver polls */
	VQ_SIGNAL_FD,
};

/* One way of telling the driver's side something. */
struct vq_signal {
	enum vq_signal_kind kind;
	int fd;		/* owned */
	bool may_block; /* somebody else's blocking eventfd: ask before each write */
	bool missed;	/* wanted to tell and could not */
};

struct virtqueue {
	unsigned int index;

	/* Constant while the queue runs. */
	struct vq_ring ring;
	struct guest_memory *memory; /* reference */
	int kick_fd;		     /* borrowed from the session */
	bool event_idx;
	bool indirect;
	uint16_t idx_distance;	      /* of last_avail from used_idx while no chain is out */
	struct vq_inflight *inflight; /* borrowed; records may be anybody's */

	/* The leader's. */
	uint16_t last_avail;   /* next to pop */
	uint16_t avail_cached; /* the driver's index when last looked at */
	bool kicks_on;
	bool broken;
	const struct guest_region *region; /* of `memory`: where the last buffer was */
	/* What the next pop begins with, read already when `peeked`. */
	bool peeked;
	uint16_t next_head;
	struct vq_desc next_first;
	uint64_t n_pops;
	struct vq_again
		*again; /* owned; what a dead process left, next_again .. n_again; or NULL */
	unsigned int n_again;
	unsigned int next_again;

	/* The pushers'. */
	pthread_mutex_t push_lock __attribute__((__aligned__(64))); /* the next one, used ring */
	uint16_t used_idx; /* read by the leader without the lock */

	/* Who is told. Never taken together with push_lock. */
	pthread_mutex_t signal_lock __attribute__((__aligned__(64))); /* the next three */
	struct vq_signal call;
	struct vq_signal err;
	int channel_fd; /* in-band; borrowed from the session, -1 without */
};

/* Where a ring is, in front-end addresses, as far as the front-end has told. */
struct vq_ring_place {
	uint32_t size;
	uint64_t desc_uva;
	uint64_t avail_uva;
	uint64_t used_uva;
};

struct vq_setup {
	struct vq_ring_place place;
	struct guest_memory *memory;
	uint16_t last_avail; /* unless `inflight` knows better */
	int kick_fd;
	bool event_idx;
	bool indirect;
	struct vq_inflight *inflight; /* borrowed until vq_close() */
};

void vq_init(struct virtqueue *vq, unsigned int index);
void vq_deinit(struct virtqueue *vq);

/* Alignment of the three parts (virtio 1.2, 2.7): 0 or -EINVAL. Needs no memory. */
int vq_check_alignment(const struct vq_ring_place *place);

/* Finds the ring in memory. 0, or -EFAULT when a part is not inside one region, or -EINVAL. */
int vq_map_ring(const struct vq_ring_place *place, const struct guest_memory *memory,
		struct vq_ring *ret_ring);

/*
 * Makes the queue ready to be popped; if it was open when a process died, from there on. 0, -EFAULT,
 * -EINVAL or -ENOMEM.
 */
int vq_open(struct virtqueue *vq, const struct vq_setup *setup);

/*
 * Forgets ring and memory. Nobody uses the queue any more and it has been drained. Returns the next
 * available index. `generation` is that of the session as it is saved now.
 */
uint16_t vq_close(struct virtqueue *vq, uint32_t generation);

/*
 * How used chains are announced. `fd` is taken; -EINVAL when it is nothing to write to. On success the
 * former descriptor, or -1, is the caller's, and no thread uses it.
 */
int vq_set_call(struct virtqueue *vq, enum vq_signal_kind kind, int fd, int *ret_former_fd);
/* How a broken ring is announced. */
int vq_set_err(struct virtqueue *vq, enum vq_signal_kind kind, int fd, int *ret_former_fd);
/* The in-band channel; -1 removes it. On return no thread uses the former one. */
void vq_set_channel(struct virtqueue *vq, int fd);

/* Makes the kick descriptor of a started queue readable, for kicks that came as messages. */
void vq_kick(struct virtqueue *vq);

/* virtqueue-notify.c, for virtqueue.c */
void vq_signals_init(struct virtqueue *vq);
void vq_signals_deinit(struct virtqueue *vq);
void vq_signal_call(struct virtqueue *vq);
void vq_signal_err(struct virtqueue *vq);

/* virtqueue-chain.c, for virtqueue.c: fills all but the head. `first` is a copy of what it names. */
void vq_read_chain(struct virtqueue *vq, struct vq_desc first, struct vq_chain *chain);
/* Has what `first` points to, a table as a rule, fetched before it is read. */
void vq_prefetch(const struct virtqueue *vq, struct vq_desc first);

#endif
