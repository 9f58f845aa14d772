/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of vhost-user requests: what must hold before a handler sees one.
 */
#ifndef VHOST_REQUESTS_H
#define VHOST_REQUESTS_H

#include <stdbool.h>

#include "vhost/message.h"

struct vhost_session;

/* The body of an answer; points to static or session storage, or into `space`. */
struct vhost_reply {
	const void *payload;
	uint32_t size;
	union {
		uint64_t u64;
		struct vhost_user_vring_state state;
		struct vhost_user_config config;
	} space;
};

enum vhost_index_kind {
	VHOST_INDEX_NONE,
	VHOST_INDEX_STATE, /* 32 bits at the start of the payload */
	VHOST_INDEX_FD,	   /* 8 bits, beside the no-descriptor flag */
};

enum vhost_fds_kind {
	VHOST_FDS_NONE,
	VHOST_FDS_ONE,
	VHOST_FDS_ONE_OR_FLAG, /* one, or none with VHOST_USER_VRING_NOFD_MASK */
	VHOST_FDS_MAY_BE_ONE,
	VHOST_FDS_PER_REGION,
};

struct vhost_request {
	const char *name;
	uint16_t min_bytes;
	uint16_t max_bytes;
	enum vhost_fds_kind fds;
	enum vhost_index_kind index;
	uint64_t needs;	  /* protocol features that must be offered, as a mask */
	bool replies;	  /* has an answer of its own */
	bool stops_queue; /* the queue is stopped before; the device drains it */
	/*
	 * 0 or -errno, which becomes a failing acknowledgement. `reply` is filled by requests that
	 * have an answer of their own.
	 */
	int (*handle)(struct vhost_session *session, struct vhost_message *message,
		      struct vhost_reply *reply);
};

/* NULL for a request that is not known. */
const struct vhost_request *vhost_request_find(uint32_t code);

/* Checks size, descriptors, feature and index. NULL, or what is wrong. */
const char *vhost_request_fault(const struct vhost_request *request,
				const struct vhost_session *session,
				const struct vhost_message *message);

/* The queue that a checked message is about. */
unsigned int vhost_request_queue(const struct vhost_request *request,
				 const struct vhost_message *message);

/* session-features.c */
int vhost_get_features(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_set_features(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_get_protocol_features(struct vhost_session *, struct vhost_message *,
				struct vhost_reply *);
int vhost_set_protocol_features(struct vhost_session *, struct vhost_message *,
				struct vhost_reply *);
int vhost_set_owner(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_reset(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_get_queue_num(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_get_config(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_set_config(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_get_status(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_set_status(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_set_backend_req_fd(struct vhost_session *, struct vhost_message *, struct vhost_reply *);

/* session-memory.c */
int vhost_set_mem_table(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_get_max_mem_slots(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_add_mem_reg(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_rem_mem_reg(struct vhost_session *, struct vhost_message *, struct vhost_reply *);

/* session-queue.c */
int vhost_set_vring_num(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_set_vring_addr(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_set_vring_base(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_get_vring_base(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_set_vring_kick(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_set_vring_call(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_set_vring_err(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_set_vring_enable(struct vhost_session *, struct vhost_message *, struct vhost_reply *);
int vhost_vring_kick(struct vhost_session *, struct vhost_message *, struct vhost_reply *);

#endif
