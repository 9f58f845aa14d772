/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's side of one split virtqueue, down to single descriptors.
 *
 * Two layers use it: hostile tests write descriptors and ring entries as they
 * like; the FUSE client goes through offer, publish, kick and pop. Publishing
 * is separate from offering, so a batch costs one index store and at most one
 * kick. Both directions of notification suppression are honoured (EVENT_IDX or
 * the flag words); a ring is used by one thread at a time.
 */
#ifndef TESTS_LIB_RING_H
#define TESTS_LIB_RING_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/frontend.h"
#include "tests/lib/guest-ram.h"

enum ring_call_kind {
	RING_CALL_EVENTFD,
	RING_CALL_PIPE, /* like User-Mode Linux */
	RING_CALL_NONE, /* no fd: polled by the driver, or in-band */
};

struct ring_config {
	unsigned int index;
	unsigned int size; /* power of two, up to 32768 */
	enum ring_call_kind call;
	bool event_idx;
	bool inband; /* VRING_KICK and VRING_CALL messages instead of fds */
};

struct ring {
	struct frontend *fe;   /* borrowed: in-band messages, hang-up detection */
	struct guest_ram *mem; /* borrowed */
	struct ring_config config;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t *used_event;  /* in the avail ring, ours to write */
	uint16_t *avail_event; /* in the used ring, the device's */
	uint16_t next_avail;   /* offered so far */
	uint16_t published;    /* last avail index made visible */
	uint16_t kicked;       /* avail index at the last kick decision */
	uint16_t used_seen;
	int kick_fd;	  /* owned; -1 with in-band */
	int call_fd;	  /* owned: our end, or -1 */
	int call_peer_fd; /* owned: what the back-end gets; equals call_fd for an eventfd */
	int err_fd;	  /* owned */
	unsigned long n_kicks;
	unsigned long n_kicks_saved; /* not needed by EVENT_IDX or NO_NOTIFY */
	unsigned long n_wakeups;     /* notifications consumed */
};

/* Allocates the ring in guest memory and its fds; dies on failure. */
void ring_init(struct ring *ring, struct frontend *fe, struct guest_ram *mem,
	       const struct ring_config *config);
void ring_deinit(struct ring *ring);

/* Sends NUM, BASE, ADDR, CALL, ERR, KICK and ENABLE 1, starting at @base; 0 or -errno. */
int ring_start(struct ring *ring, uint16_t base);
/* GET_VRING_BASE; 0 or -errno. The ring may be started again at *ret_base. */
int ring_stop(struct ring *ring, uint32_t *ret_base);
int ring_enable(struct ring *ring, bool on);

static inline void ring_set_desc(struct ring *ring, unsigned int i, uint64_t gpa, uint32_t len,
				 uint16_t flags, uint16_t next)
{
	ring->desc[i] =
		(struct vring_desc){ .addr = gpa, .len = len, .flags = flags, .next = next };
}

/* Puts a chain head into the available ring, not yet visible to the device. */
static inline void ring_offer(struct ring *ring, uint16_t head)
{
	ring->avail->ring[ring->next_avail & (ring->config.size - 1)] = head;
	ring->next_avail++;
}

/* Makes all offered chains visible. */
void ring_publish(struct ring *ring);
/* Whether the device wants to hear of what was published since the last kick. */
bool ring_kick_needed(struct ring *ring);
/* Kicks without asking; 0 or -errno (-EAGAIN never: an eventfd overflow counts as kicked). */
int ring_kick(struct ring *ring);
/* publish, and kick if needed. */
int ring_flush(struct ring *ring);

/* Takes the next used entry; false when there is none. */
bool ring_pop(struct ring *ring, uint32_t *ret_id, uint32_t *ret_len);
static inline bool ring_has_used(const struct ring *ring)
{
	return __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) != ring->used_seen;
}

/*
 * Waits until a used entry is there: spins up to spin_ns with notifications off,
 * then asks for one and sleeps. 0, -ETIMEDOUT at the deadline, or -ECONNRESET
 * when the back-end hung up.
 */
int ring_wait(struct ring *ring, int64_t spin_ns, int64_t deadline);

/*
 * Tells the device not to notify (driver will look by itself). Notifications
 * come back when ring_wait() sleeps.
 */
void ring_disable_calls(struct ring *ring);

#endif
