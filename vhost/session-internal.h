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
	/* Replaced by the message in hand, and to be let go when that is saved. Owned. */
	struct guest_memory *former_memory;
	int former_fds[VHOST_MAX_QUEUES + 1];
	unsigned int n_former_fds;
	bool dead;		      /* cannot go on; logged */
	struct vhost_message message; /* the one being handled */
	struct session_queue queues[VHOST_MAX_QUEUES];
};

static inline bool session_agreed(const struct vhost_session *session,
				  enum vhost_user_protocol_feature bit)
{
	return session->protocol_features & VHOST_BIT(bit);
}

/* session.c */
/* Closes a descriptor, but not before a saved session that does not have it holds. Leaves -1. */
void session_retire_fd(struct vhost_session *session, int *fd);
/* Lets go what was replaced. */
void session_drop_former(struct vhost_session *session);
/* A session without connection and with nothing known of the front-end. NULL: out of memory. */
struct vhost_session *session_alloc(const struct vhost_device *device, void *section);

/* Takes the message that has been handled out of the socket, and answers it. */
void session_finish_message(struct vhost_session *session, const struct saved_answer *answer);

/* session-save.c */
/* From here on, until the end, a successor can adopt the session. */
void session_begin_saving(struct vhost_session *session);
void session_end_saving(struct vhost_session *session);
/* Writes down all that is known, and the answer to the message in hand. */
void session_save(struct vhost_session *session, const struct saved_answer *answer);
/* The message with which the session was saved last is done with. */
void session_answered(struct vhost_session *session);
/* The copy that holds. */
const struct saved_session *session_saved(const struct vhost_section *section);

/* session-features.c */
uint64_t session_offered_features(const struct vhost_session *session);
uint64_t session_offered_protocol_features(const struct vhost_session *session);

/* session-queue.c */
void session_queues_init(struct vhost_session *session);
void session_queues_deinit(struct vhost_session *session);
/* Stops all that may not run any more. */
void session_queues_stop_unfit(struct vhost_session *session);
/* Starts all that may run. */
void session_queues_start_fit(struct vhost_session *session);
/* Stops the queue if it runs, keeping its position; session_queues_start_fit() starts it again. */
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
