/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device supplies to the vhost-user session, and what it is told.
 */
#ifndef VHOST_DEVICE_H
#define VHOST_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

struct virtqueue;

/* One high-priority queue and up to 64 request queues (virtio 1.2, 5.11.2). */
#define VHOST_MAX_QUEUES 65u

/*
 * Called on the control thread, one at a time. A queue is started when it is enabled, has
 * addresses, memory and a kick; queue_start() and queue_stop() alternate for each queue.
 */
struct vhost_device_ops {
	/*
	 * The queue may be popped from now on by the device's own threads. -errno refuses: the
	 * session ends with a clear message.
	 */
	int (*queue_start)(void *opaque, unsigned int index, struct virtqueue *vq);
	/*
	 * Returns when no thread touches the queue any more and every popped chain was pushed:
	 * GET_VRING_BASE, disabling, changed addresses and disconnect rely on it.
	 */
	void (*queue_stop)(void *opaque, unsigned int index, struct virtqueue *vq);
	/*
	 * RESET_DEVICE or RESET_OWNER: queues are stopped, forget the guest. Not at status 0, which
	 * QEMU also sends when it merely pauses the guest.
	 */
	void (*reset)(void *opaque);
};

struct vhost_device {
	const struct vhost_device_ops *ops;
	void *opaque;
	uint64_t features; /* device type features; transport features are the session's */
	/*
	 * Offer notifications as messages. A front-end that may choose (User-Mode Linux) takes
	 * them, and each then wakes the control thread first: only for those that need them.
	 */
	bool inband;
	/*
	 * Configuration space for GET_CONFIG, NULL when the front-end keeps it itself. Offered
	 * as VHOST_USER_PROTOCOL_F_CONFIG only when present: QEMU 7.1 to 8.0 crash on it.
	 */
	const void *config;
	uint32_t config_bytes;
};

#endif
