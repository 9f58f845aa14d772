/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vhost-user session with a recording device, and the front-end's side of it in the same thread:
 * what is sent is handled at once.
 */
#ifndef TESTS_UNIT_SESSION_UNIT_H
#define TESTS_UNIT_SESSION_UNIT_H

#include "tests/unit/vhost-unit.h"
#include "vhost/protocol.h"
#include "vhost/session.h"
#include "vhost/virtqueue.h"

#define ACKED	    (VHOST_USER_VERSION | VHOST_USER_NEED_REPLY)
#define F_PROTOCOL  VHOST_BIT(30)
#define F_USUAL	    (VHOST_BIT(32) | F_PROTOCOL)
#define P_REPLY_ACK VHOST_BIT(3)
#define P_BACKEND   VHOST_BIT(5)
#define P_INBAND    VHOST_BIT(14)
#define P_ALL_BUT_CONFIG                                                                     \
	(VHOST_BIT(0) | P_REPLY_ACK | P_BACKEND | VHOST_BIT(10) | VHOST_BIT(13) | P_INBAND | \
	 VHOST_BIT(15) | VHOST_BIT(16))

/* The device: what it was told, and the queues that it has. */
struct fake_device {
	struct vhost_device vhost;
	struct virtqueue *queue[VHOST_MAX_QUEUES];
	unsigned int n_starts;
	unsigned int n_stops;
	unsigned int n_resets;
	int refuse; /* result of queue_start() */
	/* Popped from the queue that runs and given back when it stops. */
	uint16_t held[UNIT_RING_SIZE];
	unsigned int n_held;
};

struct fixture {
	struct fake_device device;
	void *section;
	struct vhost_session *session;
	int fd; /* the front-end's end */
	struct unit_ram ram;
	struct unit_ring ring;
	unsigned int fds_before;
};

struct fixture *fixture_new(void);
/* With queue 1 running. */
struct fixture *fixture_new_running(uint64_t protocol);
/* Checks, too, that queues stopped and no descriptor is left open. */
void fixture_free(struct fixture *f);

/* Without a session: only sends. */
enum vhost_session_result send_message(struct fixture *f, uint32_t request, uint32_t flags,
				       const void *payload, uint32_t size, const int *fds,
				       unsigned int n_fds);
/* The pending answer: its payload size, or -1 when there is none. */
int recv_answer(struct fixture *f, uint32_t request, void *payload, size_t room);
/* Sends with NEED_REPLY; whether it was acknowledged as done. So do those below. */
bool accepted(struct fixture *f, uint32_t request, const void *payload, uint32_t size, int fd);
bool set_u64(struct fixture *f, uint32_t request, uint64_t value);
bool set_state(struct fixture *f, uint32_t request, uint32_t index, uint32_t num);
bool set_addr_at(struct fixture *f, uint32_t index, uint64_t uva);
bool set_addr(struct fixture *f, uint32_t index);
bool set_fd(struct fixture *f, uint32_t request, uint32_t index, int fd);
bool set_kick(struct fixture *f, uint32_t index);
bool set_table(struct fixture *f, uint32_t n_regions);
bool change_region(struct fixture *f, uint32_t request, unsigned int page, unsigned int n_pages);

struct vhost_user_region wire_region(const struct guest_region_desc *desc);

uint64_t ask_u64(struct fixture *f, uint32_t request);
/* -1: not told. */
int get_base(struct fixture *f, uint32_t index);
void handshake(struct fixture *f, uint64_t protocol);
/* All that a queue needs except enabling. */
void prepare_queue(struct fixture *f, uint32_t index, uint32_t base);

bool runs(const struct fixture *f, unsigned int index);
/* Serves one empty request on queue 1. */
void serve_one(struct fixture *f);

#endif
