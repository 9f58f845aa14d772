/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio-fs device: where the rings of vhost/ and the server of fuse/ meet.
 */
#ifndef DAEMON_DEVICE_H
#define DAEMON_DEVICE_H

#include "daemon/options.h"
#include "fuse/session.h"
#include "vhost/device.h"

struct fs_device;

/* `session` is borrowed. 0 or -errno. */
int fs_device_new(const struct options *options, struct fuse_session *session,
		  struct fs_device **ret_device);

/* No queue may be running. Accepts NULL. */
void fs_device_free(struct fs_device *device);

/* What to give to vhost_session_new(); lives as long as the device. */
const struct vhost_device *fs_device_vhost(const struct fs_device *device);

#endif
