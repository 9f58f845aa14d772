/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages about rings, and when a queue runs (see session.c).
 */
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"
#include "vhost/session-internal.h"

void session_queues_init(struct vhost_session *session)
{
	for (unsigned int i = 0; i < VHOST_MAX_QUEUES; i++) {
		vq_init(&session->queues[i].vq, i);
		session->queues[i].kick_fd = -1;
	}
}

void session_queues_deinit(struct vhost_session *session)
{
	for (unsigned int i = 0; i < VHOST_MAX_QUEUES; i++) {
		vq_deinit(&session->queues[i].vq);
		fd_close(&session->queues[i].kick_fd);
	}
}

/* ---- Running and stopping ---- */

void session_queue_pause(struct vhost_session *session, struct session_queue *q)
{
	const struct vhost_device *device = session->device;

	if (!q->running)
		return;
	device->ops->queue_stop(device->opaque, q->vq.index, &q->vq);
	q->next_avail = vq_close(&q->vq, session->section->generation);
	q->running = false;
}

void session_queues_pause(struct vhost_session *session)
{
	for (unsigned int i = 0; i < VHOST_MAX_QUEUES; i++)
		session_queue_pause(session, &session->queues[i]);
}

static bool is_enabled(const struct vhost_session *session, const struct session_queue *q)
{
	if (q->enable != QUEUE_ENABLE_UNSAID)
		return q->enable == QUEUE_ENABLE_ON;
	return !(session->features & VHOST_BIT(VHOST_USER_F_PROTOCOL_FEATURES));
}

static void queue_start(struct vhost_session *session, struct session_queue *q)
{
	const struct vhost_device *device = session->device;
	struct vq_setup setup = {
		.place = q->place,
		.memory = session->memory,
		.last_avail = q->next_avail,
		.kick_fd = q->kick_fd,
		.event_idx = session->features & VHOST_BIT(VHOST_F_RING_EVENT_IDX),
		.indirect = session->features & VHOST_BIT(VHOST_F_RING_INDIRECT_DESC),
		.inflight = &session->section->inflight[q->vq.index],
	};
	int r = vq_open(&q->vq, &setup);

	if (r == -EFAULT || r == -EINVAL) {
		/* The next message about memory may map it. */
		log_debug("Queue %u: the ring is not in guest memory now", q->vq.index);
		return;
	}
	if (r == 0) {
		r = device->ops->queue_start(device->opaque, q->vq.index, &q->vq);
		if (r < 0)
			vq_close(&q->vq, session->section->generation);
	}
	if (r < 0) {
		log_error("Queue %u cannot be started, ending the session: %s", q->vq.index,
			  log_strerror(r));
		session->dead = true;
		return;
	}
	q->running = true;
}

static bool is_startable(const struct vhost_session *session, const struct session_queue *q)
{
	return is_enabled(session, q) && q->started && q->has_addr && q->place.size &&
	       !guest_memory_is_empty(session->memory);
}

void session_queues_stop_unfit(struct vhost_session *session)
{
	for (unsigned int i = 0; i < VHOST_MAX_QUEUES; i++)
		if (!is_startable(session, &session->queues[i]))
			session_queue_pause(session, &session->queues[i]);
}

void session_queues_start_fit(struct vhost_session *session)
{
	for (unsigned int i = 0; i < VHOST_MAX_QUEUES && !session->dead; i++) {
		struct session_queue *q = &session->queues[i];

		if (!q->running && is_startable(session, q))
			queue_start(session, q);
	}
}

/* Stops a ring until the front-end starts it again. */
static void queue_halt(struct vhost_session *session, struct session_queue *q)
{
	session_queue_pause(session, q);
	q->started = false;
	q->addr_fresh = false;
	session_retire_fd(session, &q->kick_fd);
}

void session_queues_halt(struct vhost_session *session)
{
	for (unsigned int i = 0; i < VHOST_MAX_QUEUES; i++)
		queue_halt(session, &session->queues[i]);
}

void session_queues_reset(struct vhost_session *session)
{
	for (unsigned int i = 0; i < VHOST_MAX_QUEUES; i++) {
		struct session_queue *q = &session->queues[i];

		queue_halt(session, q);
		q->enable = QUEUE_ENABLE_UNSAID;
		q->has_addr = false;
		q->next_avail = 0;
		q->place = (struct vq_ring_place){ 0 };
	}
}

void session_queues_set_channel(struct vhost_session *session, int fd)
{
	for (unsigned int i = 0; i < VHOST_MAX_QUEUES; i++)
		vq_set_channel(&session->queues[i].vq, fd);
}

/* ---- The ring ---- */

int vhost_set_vring_num(struct vhost_session *session, struct vhost_message *message,
			struct vhost_reply *reply)
{
	const struct vhost_user_vring_state *state = &message->payload.state;
	uint32_t size = state->num;

	if (!is_power_of_two(size) || size > VHOST_MAX_RING_SIZE) {
		log_peer("Queue %u: a ring of %u entries is not possible", state->index, size);
		return -EINVAL;
	}
	session->queues[state->index].place.size = size;
	return 0;
}

int vhost_set_vring_addr(struct vhost_session *session, struct vhost_message *message,
			 struct vhost_reply *reply)
{
	const struct vhost_user_vring_addr *addr = &message->payload.addr;
	struct session_queue *q = &session->queues[addr->index];
	struct vq_ring_place place = {
		.size = q->place.size,
		.desc_uva = addr->desc_uva,
		.avail_uva = addr->avail_uva,
		.used_uva = addr->used_uva,
	};
	struct vq_ring ring;
	int r = vq_check_alignment(&place);

	/* Without size or memory yet, the check waits until the queue is to start. */
	if (r == 0 && place.size && !guest_memory_is_empty(session->memory))
		r = vq_map_ring(&place, session->memory, &ring);
	if (r < 0) {
		log_peer("Queue %u: the ring is %s", addr->index,
			 r == -EFAULT ? "not in guest memory" : "not aligned");
		return r;
	}
	q->place = place;
	q->has_addr = true;
	q->addr_fresh = true;
	return 0;
}

int vhost_set_vring_base(struct vhost_session *session, struct vhost_message *message,
			 struct vhost_reply *reply)
{
	const struct vhost_user_vring_state *state = &message->payload.state;

	if (state->num > UINT16_MAX) {
		log_peer("Queue %u: ring position %u is not possible", state->index, state->num);
		return -EINVAL;
	}
	session->queues[state->index].next_avail = (uint16_t)state->num;
	return 0;
}

int vhost_get_vring_base(struct vhost_session *session, struct vhost_message *message,
			 struct vhost_reply *reply)
{
	struct session_queue *q = &session->queues[message->payload.state.index];

	queue_halt(session, q);
	reply->space.state = (struct vhost_user_vring_state){
		.index = q->vq.index,
		.num = q->next_avail,
	};
	reply->payload = &reply->space;
	reply->size = sizeof(reply->space.state);
	return 0;
}

/* A ring without kick descriptor, where kicks come as messages. */
static void start_inband(struct vhost_session *session, struct session_queue *q)
{
	if (q->started || !q->addr_fresh ||
	    !session_agreed(session, VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS))
		return;
	q->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->kick_fd < 0) {
		log_error("Queue %u: cannot make an eventfd, ending the session: %s", q->vq.index,
			  log_strerror(errno));
		session->dead = true;
		return;
	}
	q->started = true;
}

int vhost_set_vring_enable(struct vhost_session *session, struct vhost_message *message,
			   struct vhost_reply *reply)
{
	const struct vhost_user_vring_state *state = &message->payload.state;
	struct session_queue *q = &session->queues[state->index];

	if (state->num > 1) {
		log_peer("Queue %u: neither enabled nor disabled", state->index);
		return -EINVAL;
	}
	q->enable = state->num ? QUEUE_ENABLE_ON : QUEUE_ENABLE_OFF;
	if (state->num)
		start_inband(session, q);
	return 0;
}

/* ---- Notifications ---- */

/* The queue's threads wait on it with epoll and never read it: only such descriptors will do. */
static int check_kick_fd(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_mode & S_IFMT ? -EINVAL : 0;
}

int vhost_set_vring_kick(struct vhost_session *session, struct vhost_message *message,
			 struct vhost_reply *reply)
{
	unsigned int index = message->payload.u64 & VHOST_USER_VRING_INDEX_MASK;
	struct session_queue *q = &session->queues[index];
	cleanup_fd int fd = vhost_message_steal_fd(message, 0);

	if (fd < 0) {
		if (!session_agreed(session, VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS)) {
			log_peer("Queue %u: a ring without kick descriptor, to be polled, is not "
				 "supported",
				 index);
			return -EOPNOTSUPP;
		}
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (fd < 0)
			return -errno;
	}
	if (check_kick_fd(fd) < 0) {
		log_peer("Queue %u: the kick descriptor must be an eventfd", index);
		return -EINVAL;
	}
	session_retire_fd(session, &q->kick_fd);
	q->kick_fd = take_fd(&fd);
	q->started = true;
	return 0;
}

/* How a descriptor message of that kind wants the driver to be told. */
static enum vq_signal_kind signal_kind(const struct vhost_session *session, int fd)
{
	if (fd >= 0)
		return VQ_SIGNAL_FD;
	return session_agreed(session, VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS)
		       ? VQ_SIGNAL_INBAND
		       : VQ_SIGNAL_NONE;
}

int vhost_set_vring_call(struct vhost_session *session, struct vhost_message *message,
			 struct vhost_reply *reply)
{
	unsigned int index = message->payload.u64 & VHOST_USER_VRING_INDEX_MASK;
	int fd = vhost_message_steal_fd(message, 0);
	int former = -1;
	int r = vq_set_call(&session->queues[index].vq, signal_kind(session, fd), fd, &former);

	session_retire_fd(session, &former);
	if (r < 0)
		log_peer("Queue %u: the call descriptor must be an eventfd, pipe or socket", index);
	return r;
}

int vhost_set_vring_err(struct vhost_session *session, struct vhost_message *message,
			struct vhost_reply *reply)
{
	unsigned int index = message->payload.u64 & VHOST_USER_VRING_INDEX_MASK;
	int fd = vhost_message_steal_fd(message, 0);
	int former = -1;
	int r = vq_set_err(&session->queues[index].vq, signal_kind(session, fd), fd, &former);

	session_retire_fd(session, &former);
	if (r < 0)
		log_peer("Queue %u: the error descriptor must be an eventfd, pipe or socket",
			 index);
	return r;
}

int vhost_vring_kick(struct vhost_session *session, struct vhost_message *message,
		     struct vhost_reply *reply)
{
	unsigned int index = message->payload.state.index;
	struct session_queue *q = &session->queues[index];

	if (!session_agreed(session, VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS))
		return -EINVAL;
	start_inband(session, q);
	/* One that is about to start looks at its ring anyway. */
	if (q->running)
		vq_kick(&q->vq);
	return 0;
}
