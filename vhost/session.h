/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One vhost-user connection: reads messages, keeps memory and ring state, starts and stops queues.
 */
#ifndef VHOST_SESSION_H
#define VHOST_SESSION_H

#include "vhost/device.h"

struct vhost_session;

/* `socket_fd` is a connected stream socket and is taken, also on failure. `device` is borrowed. */
int vhost_session_new(int socket_fd, const struct vhost_device *device,
		      struct vhost_session **ret_session);

/* Stops all queues, unmaps guest memory, closes everything. Accepts NULL. */
void vhost_session_free(struct vhost_session *session);

/* To poll for input. Borrowed. */
int vhost_session_fd(const struct vhost_session *session);

enum vhost_session_result {
	VHOST_SESSION_GOES_ON,
	VHOST_SESSION_CLOSED, /* the front-end closed the connection in order */
	VHOST_SESSION_BROKEN, /* it broke the protocol; one log line has said how */
};

/*
 * Handles one message when the fd is readable. Control thread. A message that a front-end may
 * get wrong without losing the connection is answered with a failing ack (REPLY_ACK) or logged.
 * Never blocks for ever: a message that stops half-way is waited for some seconds only.
 */
enum vhost_session_result vhost_session_handle(struct vhost_session *session);

#endif
