/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A split virtqueue as the device's threads see it: pop checked chains, push used ones, notify.
 *
 * Threads: vq_pop(), vq_push_leading(), vq_notifications_off/on() and vq_has_work() belong to the
 * queue's current leader, one thread at a time (hand-over needs a lock or barrier of the caller's). vq_push() may be
 * called by any thread.
 */
#ifndef VHOST_VIRTQUEUE_H
#define VHOST_VIRTQUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct inflight;
struct virtqueue;

/*
 * Most segments of one chain: 256 pages of data, headers, and splits at region edges; adjacent
 * buffers make one segment. A chain that needs more is damaged. preadv(2) takes 1024 iovecs at most.
 */
#define VQ_MAX_SEGMENTS 1024u

/*
 * One popped request. Owned by the caller, reused for each pop; ~16 KiB. The memory it points to
 * stays mapped until the queue is stopped, which waits for whoever has popped or kept a chain.
 */
struct vq_chain {
	uint16_t head;
	/*
	 * Some descriptor had no valid address or the chain was malformed; the iovecs describe
	 * the valid beginning of each part only. It must still be pushed.
	 */
	bool damaged;
	/* Popped before by a process that died: the driver may have got half an answer. */
	bool again;
	struct inflight *inflight; /* what is known of it; the caller's until it is pushed */
	unsigned int n_readable;   /* iov[0 .. n_readable) */
	unsigned int n_writable;   /* iov[n_readable .. n_readable + n_writable) */
	size_t n_bytes;		   /* in all segments together */
	struct iovec iov[VQ_MAX_SEGMENTS];
};

enum vq_pop_result {
	VQ_POP_CHAIN, /* *chain is filled and must be pushed */
	VQ_POP_EMPTY,
	VQ_POP_BROKEN, /* the ring itself is nonsense (index jump): the queue stops until reset */
};

enum vq_pop_result vq_pop(struct virtqueue *vq, struct vq_chain *chain);

/* A popped chain that has been answered. */
struct vq_used {
	uint16_t head;
	uint32_t n_written;
};

/*
 * Returns `n` > 0 chains to the driver, in this order, and tells it if it wants to know. All were
 * popped and not pushed yet.
 */
void vq_push(struct virtqueue *vq, const struct vq_used *used, unsigned int n);
/* The same by the leader, for which it is cheaper. */
void vq_push_leading(struct virtqueue *vq, const struct vq_used *used, unsigned int n);

/*
 * How many chains may be kept for long: as many as leave half of the ring to the driver, which could
 * otherwise not even send what lets them go on. Constant while the queue is started.
 */
unsigned int vq_max_kept(const struct virtqueue *vq);

/*
 * Kicks: off while the leader looks at the ring anyway. vq_notifications_on() returns true when
 * work arrived meanwhile, so that the caller must not sleep.
 */
void vq_notifications_off(struct virtqueue *vq);
bool vq_notifications_on(struct virtqueue *vq);

/* Whether there is something to pop; one load from guest memory. */
bool vq_has_work(struct virtqueue *vq);

/*
 * Whether chains of a process that died are still to be popped. They are popped first, in their
 * former order; a queue is not stopped before.
 */
bool vq_has_again(const struct virtqueue *vq);

/*
 * Becomes readable at each kick. To be watched edge-triggered: nobody reads it (it is an eventfd
 * or anonymous inode, checked when it was set). Borrowed while the queue is started.
 */
int vq_kick_fd(const struct virtqueue *vq);

/* Number in the device, for names and log lines. */
unsigned int vq_index(const struct virtqueue *vq);

#endif
