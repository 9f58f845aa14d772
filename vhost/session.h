/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One vhost-user connection: reads messages, keeps memory and ring state, starts and stops queues.
 */
#ifndef VHOST_SESSION_H
#define VHOST_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "vhost/device.h"

struct vhost_session;

/*
 * Bytes of the section ARENA_VHOST, where the session leaves what a successor of this process needs
 * (session-save.h); few of its pages are ever touched. Aligned to a page.
 */
size_t vhost_session_section_bytes(void);

/*
 * `socket_fd` is a connected stream socket and is taken, also on failure. `device` and `section` are
 * borrowed; what the section holds is forgotten.
 */
int vhost_session_new(int socket_fd, const struct vhost_device *device, void *section,
		      struct vhost_session **ret_session);

/* Whether a session was served when its process died: it can be adopted. */
bool vhost_section_live(const void *section);

/* Calls for each descriptor that vhost_session_adopt() needs; all others may be closed before. */
void vhost_section_each_fd(const void *section, void (*fn)(void *arg, int fd), void *arg);

/*
 * As vhost_session_new(), from what a dead process left in a live section and in the descriptors: goes
 * on where it stood. Queues run again when this returns, chains in flight are popped first (with
 * `again`), and drivers are told of whatever was used meanwhile. On failure the connection is
 * closed and the section is not live.
 */
int vhost_session_adopt(const struct vhost_device *device, void *section,
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
