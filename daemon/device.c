/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio-fs device: where the rings of vhost/ and the server of fuse/ meet.
 *
 * Queue 0 is the high-priority queue, the others are request queues (virtio 1.2, 5.11.2); every
 * queue is served alike, because guests differ in what they put where.
 */
#include "daemon/device.h"

#include <assert.h>
#include <linux/virtio_fs.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "daemon/workers.h"

struct fs_device {
	struct vhost_device vhost;
	struct virtio_fs_config config;
	struct fuse_session *session; /* borrowed */
	struct worker_budget budget;
	uint64_t poll_max_ns;
	struct queue_workers *workers[VHOST_MAX_QUEUES]; /* NULL while stopped */
};

static int device_queue_start(void *opaque, unsigned int index, struct virtqueue *vq)
{
	struct fs_device *device = opaque;
	const struct queue_workers_options options = {
		.session = device->session,
		.budget = &device->budget,
		.poll_max_ns = device->poll_max_ns,
	};
	int r;

	assert(!device->workers[index]);
	r = queue_workers_start(&options, vq, &device->workers[index]);
	if (r < 0)
		log_error("Cannot start a thread for queue %u: %s; raise the limit of tasks", index,
			  log_strerror(r));
	else
		log_debug("Queue %u started", index);
	return r;
}

static void device_queue_stop(void *opaque, unsigned int index, struct virtqueue *vq)
{
	struct fs_device *device = opaque;

	(void)vq; /* the workers know it */
	queue_workers_stop(device->workers[index]);
	device->workers[index] = NULL;
	log_debug("Queue %u stopped", index);
}

static void device_reset(void *opaque)
{
	struct fs_device *device = opaque;

	fuse_session_reset(device->session);
}

static const struct vhost_device_ops device_ops = {
	.queue_start = device_queue_start,
	.queue_stop = device_queue_stop,
	.reset = device_reset,
};

/*
 * A guest has at most one request queue per CPU; more CPUs than the host has gain nothing. Asked
 * by system call: sysconf(3) would read a path that lies in the shared directory by now.
 */
static uint32_t request_queues_offered(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1; /* more CPUs than cpu_set_t holds */
	return MIN(MAX((uint32_t)CPU_COUNT(&set), 1u), VHOST_MAX_QUEUES - 1);
}

static void set_config(struct fs_device *device, const char *tag)
{
	static_assert(OPTIONS_TAG_MAX == sizeof(device->config.tag), "tag fills its field");
	memcpy(device->config.tag, tag, strnlen(tag, sizeof(device->config.tag)));
	device->config.num_request_queues = request_queues_offered();
	device->vhost.config = &device->config;
	device->vhost.config_bytes = sizeof(device->config);
}

int fs_device_new(const struct options *options, struct fuse_session *session,
		  struct fs_device **ret_device)
{
	struct fs_device *device = calloc(1, sizeof(*device));

	if (!device)
		return -ENOMEM;
	device->session = session;
	device->budget.extra_max = options->thread_pool_size;
	device->poll_max_ns = options->poll_us * UINT64_C(1000);
	device->vhost.ops = &device_ops;
	device->vhost.opaque = device;
	device->vhost.inband = options->inband_notifications;
	if (options->tag)
		set_config(device, options->tag);
	*ret_device = device;
	return 0;
}

void fs_device_free(struct fs_device *device)
{
	free(device);
}

const struct vhost_device *fs_device_vhost(const struct fs_device *device)
{
	return &device->vhost;
}
