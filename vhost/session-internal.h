/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State of a vhost-user session, for the files that make it up.
 */
#ifndef VHOST_SESSION_INTERNAL_H
#define VHOST_SESSION_INTERNAL_H

#include "vhost/memory-internal.h"
#include "vhost/message.h"
#include "vhost/requests.h"
#include "vhost/session-save.h"
#include "vhost/session.h"
#include "vhost/virtqueue-internal.h"

/* What the front-end said about a ring's enabling. */
enum queue_enable {
	QUEUE_ENABLE_UNSAID, /* on, unless protocol features are agreed */
	QUEUE_ENABLE_ON,
	QUEUE_ENABLE_OFF,
};

struct session_queue {
	struct virtqueue vq;
	enum queue_enable enable;
	bool started; /* between SET_VRING_KICK (or what stands for it) and GET_VRING_BASE */
	bool has_addr;
	bool addr_fresh;     /* told since the ring was last stopped */
	bool running;	     /* the device has it */
	uint16_t next_avail; /* while not running */
	int kick_fd;	     /* owned */
	struct vq_ring_place place;
};

struct vhost_session {
	int fd;				   /* owned; the front-end */
	int channel_fd;			   /* owned; our own requests, -1 without */
	const struct vhost_device *device; /* borrowed */
	struct vhost_section *section;	   /* borrowed */
	uint64_t features;		   /* acknowledged */
	uint64_t protocol_features;	   /* acknowledged */
	uint64_t status;		   /* as the driver set it; kept for GET_STATUS only */
	struct guest_memory *memory;	   /* reference; never NULL */
	bool dead;			   /* cannot go on; logged */
	struct vhost_message message;	   /* the one being handled */
	struct session_queue queues[VHOST_MAX_QUEUES];
};

static inline bool session_agreed(const struct vhost_session *session,
				  enum vhost_user_protocol_feature bit)
{
	return session->protocol_features & VHOST_BIT(bit);
}

/* session-features.c */
uint64_t session_offered_features(const struct vhost_session *session);
uint64_t session_offered_protocol_features(const struct vhost_session *session);

/* session-queue.c */
void session_queues_init(struct vhost_session *session);
void session_queues_deinit(struct vhost_session *session);
/* Starts the queue if it has become startable, stops it if it may not run any more. */
void session_queue_update(struct vhost_session *session, unsigned int index);
void session_queues_update(struct vhost_session *session);
/* Stops the queue if it runs, keeping its position; session_queue_update() starts it again. */
void session_queue_pause(struct vhost_session *session, struct session_queue *q);
/* Stops all that run, keeping their positions. */
void session_queues_pause(struct vhost_session *session);
/* Stops all until the front-end starts them again, as GET_VRING_BASE does for one. */
void session_queues_halt(struct vhost_session *session);
/* Stops and disables all; what is known of their rings is forgotten. */
void session_queues_reset(struct vhost_session *session);
/* Gives all queues the in-band channel, -1 for none. */
void session_queues_set_channel(struct vhost_session *session, int fd);

#endif
