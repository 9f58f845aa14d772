/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going on with a vhost-user connection whose process died.
 *
 * What is saved is believed: it lies in memory that no peer reaches. Guest memory is mapped again
 * from the descriptors it came with, so that a file which was cut short since is refused.
 */
#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"
#include "vhost/session-internal.h"

/* Takes the descriptor. */
static int adopt_region(struct vhost_session *session, const struct saved_region *region)
{
	cleanup_fd int fd = region->fd;
	struct guest_memory *next;
	int r = guest_memory_add(session->memory, &region->desc, fd, &next);

	if (r < 0)
		return r;
	(void)take_fd(&fd); /* the table has it */
	guest_memory_put(session->memory);
	session->memory = next;
	return 0;
}

static int adopt_memory(struct vhost_session *session, const struct saved_session *saved)
{
	int result = 0;

	for (unsigned int i = 0; i < saved->n_regions; i++) {
		int r = adopt_region(session, &saved->regions[i]);

		if (r < 0)
			result = r;
	}
	return result;
}

/* Where a queue stands that does not run: as told, unless it was stopped since. */
static uint16_t closed_position(const struct vhost_section *section, unsigned int index)
{
	union vq_position position = vq_inflight_position(&section->inflight[index]);

	if (position.generation == section->generation)
		return position.next_avail;
	return session_saved(section)->queues[index].next_avail;
}

static int adopt_queue(struct vhost_session *session, unsigned int index)
{
	const struct saved_queue *saved = &session_saved(session->section)->queues[index];
	struct session_queue *q = &session->queues[index];
	int former, r;

	q->enable = (enum queue_enable)saved->enable;
	q->started = saved->started;
	q->has_addr = saved->has_addr;
	q->addr_fresh = saved->addr_fresh;
	q->next_avail = closed_position(session->section, index);
	q->kick_fd = saved->kick_fd;
	q->place = saved->place;
	r = vq_set_call(&q->vq, saved->call.kind, saved->call.fd, &former);
	if (r == 0)
		r = vq_set_err(&q->vq, saved->err.kind, saved->err.fd, &former);
	return r;
}

static int adopt_state(struct vhost_session *session)
{
	const struct saved_session *saved = session_saved(session->section);
	int r;

	session->fd = saved->fd;
	session->channel_fd = saved->channel_fd;
	session->features = saved->features;
	session->protocol_features = saved->protocol_features;
	session->status = saved->status;
	for (unsigned int i = 0; i < VHOST_MAX_QUEUES; i++) {
		r = adopt_queue(session, i);
		if (r < 0)
			return r;
	}
	if (saved->inband)
		session_queues_set_channel(session, session->channel_fd);
	return adopt_memory(session, saved);
}

/* Starts what ran, and tells drivers of what they may have missed. */
static int restart_queues(struct vhost_session *session)
{
	session_queues_start_fit(session);
	for (unsigned int i = 0; i < VHOST_MAX_QUEUES; i++) {
		struct session_queue *q = &session->queues[i];

		if (q->running)
			vq_signal_call(&q->vq);
		else if (vq_inflight_position(&session->section->inflight[i]).size)
			return -EIO; /* it ran and cannot: what is in flight would be lost */
	}
	return session->dead ? -EIO : 0;
}

int vhost_session_adopt(const struct vhost_device *device, void *section,
			struct vhost_session **ret_session)
{
	const struct vhost_section *saved = section;
	struct vhost_session *session = session_alloc(device, section);
	int r;

	if (!session)
		return -ENOMEM;
	r = adopt_state(session);
	if (r == 0)
		r = restart_queues(session);
	if (r == 0 && saved->answered != saved->generation)
		session_finish_message(session, &session_saved(saved)->answer);
	if (r == 0 && session->dead)
		r = -EIO;
	if (r < 0) {
		log_error("Cannot go on with the connection: %s", log_strerror(r));
		vhost_session_free(session);
		return r;
	}
	*ret_session = session;
	return 0;
}
