/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What outlives the process of a vhost-user connection, in the section ARENA_VHOST.
 *
 * Theory. After each message, the session writes down all that the front-end said so far, and the
 * numbers of the descriptors it came with, which outlive the process. There are two copies, and the
 * parity of `generation` tells which one holds: a process that dies in the middle of writing leaves
 * the former one. The generation moves when a message has been handled and before anything becomes
 * visible that follows from it:
 *
 *	1. the message is looked at, and stays in the socket;
 *	2. queues stop as far as it makes them stop, and the handler notes what it said;
 *	3. the session is saved, with the answer; the generation moves;
 *	4. queues start as far as they may; the message is taken out of the socket;
 *	5. the answer is sent and `answered` follows the generation.
 *
 * Who dies before 3 has done nothing that its successor could not do again: descriptors that the
 * former copy names are closed after 3 only. Who dies later has left a generation that is not
 * answered: the successor takes out of the socket what the kernel says is looked at and not taken
 * out (SO_PEEK_OFF), and answers. If death comes between the end of the system call that sends the
 * answer and the next store, the answer comes twice; no other window is left.
 *
 * A queue that may not run is stopped, and so drained, before 3. So a copy that holds never has
 * requests in flight in a queue that it does not run.
 */
#ifndef VHOST_SESSION_SAVE_H
#define VHOST_SESSION_SAVE_H

#include "vhost/device.h"
#include "vhost/memory.h"
#include "vhost/protocol.h"
#include "vhost/requests.h"
#include "vhost/virtqueue-internal.h"

struct vhost_session;

/* The answer to the last message. */
struct saved_answer {
	bool wanted;
	uint32_t request;
	uint32_t size;
	uint8_t payload[sizeof(struct vhost_user_config)];
};

struct saved_region {
	struct guest_region_desc desc;
	int fd;
};

struct saved_signal {
	enum vq_signal_kind kind;
	int fd; /* -1 without, as all descriptors here */
};

struct saved_queue {
	uint8_t enable; /* enum queue_enable */
	bool started;
	bool has_addr;
	bool addr_fresh;
	uint16_t next_avail; /* unless the queue was closed later; see virtqueue-inflight.h */
	int kick_fd;
	struct saved_signal call;
	struct saved_signal err;
	struct vq_ring_place place;
};

struct saved_session {
	int fd;
	int channel_fd;
	uint64_t features;
	uint64_t protocol_features;
	uint64_t status;
	bool inband; /* the channel carries notifications */
	struct saved_answer answer;
	struct saved_queue queues[VHOST_MAX_QUEUES];
	uint32_t n_regions;
	struct saved_region regions[GUEST_MEMORY_MAX_REGIONS];
};

struct vhost_section {
	uint32_t live;	     /* atomic; a session is served, or was when its process died */
	uint32_t generation; /* atomic; how often it was saved */
	uint32_t answered;   /* atomic; the generation whose message is done with */
	struct saved_session copies[2];
	struct vq_inflight inflight[VHOST_MAX_QUEUES];
};

#endif
