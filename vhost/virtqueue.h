/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A split virtqueue as the device's threads see it: pop checked chains, push used ones, notify.
 *
 * Threads: vq_pop(), vq_notifications_off/on() and vq_has_work() belong to the queue's current
 * leader, one thread at a time (hand-over needs a lock or barrier of the caller's). vq_push() and
 * vq_notify() may be called by any thread that holds a popped chain.
 */
#ifndef VHOST_VIRTQUEUE_H
#define VHOST_VIRTQUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct virtqueue;
struct guest_memory;

/*
 * Most segments of one chain: 256 pages of data, headers, and splits at region edges; adjacent
 * buffers make one segment. A chain that needs more is damaged. preadv(2) takes 1024 iovecs at most.
 */
#define VQ_MAX_SEGMENTS 1024u

/* One popped request. Owned by the caller, reused for each pop; ~16 KiB. */
struct vq_chain {
	struct guest_memory *memory; /* reference, given back by vq_push() */
	uint16_t head;
	/*
	 * Some descriptor had no valid address or the chain was malformed; the iovecs describe
	 * the valid beginning of each part only. It must still be pushed.
	 */
	bool damaged;
	unsigned int n_readable; /* iov[0 .. n_readable) */
	unsigned int n_writable; /* iov[n_readable .. n_readable + n_writable) */
	size_t n_bytes;		 /* in all segments together */
	struct iovec iov[VQ_MAX_SEGMENTS];
};

enum vq_pop_result {
	VQ_POP_CHAIN, /* *chain is filled and must be pushed */
	VQ_POP_EMPTY,
	VQ_POP_BROKEN, /* the ring itself is nonsense (index jump): the queue stops until reset */
};

enum vq_pop_result vq_pop(struct virtqueue *vq, struct vq_chain *chain);

/* Returns the chain with `written` bytes used and drops its memory reference. No notification. */
void vq_push(struct virtqueue *vq, struct vq_chain *chain, uint32_t written);

/* What is left of a popped chain whose answer comes later: its place in the ring. */
struct vq_claim {
	struct guest_memory *memory; /* reference, given back by vq_push_claim() */
	uint16_t head;
};

/* The chain needs no vq_push() any more; its writable memory stays valid as long as the claim. */
struct vq_claim vq_keep(struct vq_chain *chain);

/* As vq_push(), any thread. */
void vq_push_claim(struct virtqueue *vq, struct vq_claim *claim, uint32_t written);

/*
 * How many chains may be kept for long: as many as leave half of the ring to the driver, which could
 * otherwise not even send what lets them go on. Constant while the queue is started.
 */
unsigned int vq_max_kept(const struct virtqueue *vq);

/* Tells the driver about everything pushed since the last call, if it wants to know. */
void vq_notify(struct virtqueue *vq);

/*
 * Kicks: off while the leader looks at the ring anyway. vq_notifications_on() returns true when
 * work arrived meanwhile, so that the caller must not sleep.
 */
void vq_notifications_off(struct virtqueue *vq);
bool vq_notifications_on(struct virtqueue *vq);

/* Whether the driver has made a chain available; one load from guest memory. */
bool vq_has_work(struct virtqueue *vq);

/*
 * Becomes readable at each kick. To be watched edge-triggered: nobody reads it (it is an eventfd
 * or anonymous inode, checked when it was set). Borrowed while the queue is started.
 */
int vq_kick_fd(const struct virtqueue *vq);

/* Number in the device, for names and log lines. */
unsigned int vq_index(const struct virtqueue *vq);

#endif
