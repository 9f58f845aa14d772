/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What outlives the process of a vhost-user connection: writing it down.
 */
#include "vhost/session-save.h"

#include "base/util.h"
#include "vhost/session-internal.h"

size_t vhost_session_section_bytes(void)
{
	return sizeof(struct vhost_section);
}

bool vhost_section_live(const void *section)
{
	const struct vhost_section *s = section;

	return __atomic_load_n(&s->live, __ATOMIC_ACQUIRE);
}

const struct saved_session *session_saved(const struct vhost_section *section)
{
	return &section->copies[__atomic_load_n(&section->generation, __ATOMIC_ACQUIRE) % 2];
}

/* ---- Writing ---- */

static struct saved_signal save_signal(const struct vq_signal *signal)
{
	return (struct saved_signal){ .kind = signal->kind, .fd = signal->fd };
}

static void save_queue(struct saved_queue *saved, const struct session_queue *q)
{
	*saved = (struct saved_queue){
		.enable = (uint8_t)q->enable,
		.started = q->started,
		.has_addr = q->has_addr,
		.addr_fresh = q->addr_fresh,
		.next_avail = q->next_avail,
		.kick_fd = q->kick_fd,
		.call = save_signal(&q->vq.call),
		.err = save_signal(&q->vq.err),
		.place = q->place,
	};
}

static void save_memory(struct saved_session *saved, const struct guest_memory *memory)
{
	saved->n_regions = guest_memory_n_regions(memory);
	for (unsigned int i = 0; i < saved->n_regions; i++)
		saved->regions[i].fd = guest_memory_describe(memory, i, &saved->regions[i].desc);
}

void session_save(struct vhost_session *session, const struct saved_answer *answer)
{
	struct vhost_section *section = session->section;
	uint32_t generation = section->generation + 1;
	struct saved_session *saved = &section->copies[generation % 2];

	saved->fd = session->fd;
	saved->channel_fd = session->channel_fd;
	saved->inband = session->queues[0].vq.channel_fd >= 0;
	saved->features = session->features;
	saved->protocol_features = session->protocol_features;
	saved->status = session->status;
	saved->answer = *answer;
	for (unsigned int i = 0; i < VHOST_MAX_QUEUES; i++)
		save_queue(&saved->queues[i], &session->queues[i]);
	save_memory(saved, session->memory);
	__atomic_store_n(&section->generation, generation, __ATOMIC_RELEASE);
}

void session_answered(struct vhost_session *session)
{
	struct vhost_section *section = session->section;

	__atomic_store_n(&section->answered, section->generation, __ATOMIC_RELEASE);
}

void session_begin_saving(struct vhost_session *session)
{
	struct vhost_section *section = session->section;

	__atomic_store_n(&section->live, 0, __ATOMIC_RELEASE);
	/* In a new arena that is so already, and looking would cost a page for each queue. */
	for (unsigned int i = 0; section->generation && i < VHOST_MAX_QUEUES; i++)
		vq_inflight_reset(&section->inflight[i]);
	session_save(session, &(const struct saved_answer){ 0 });
	session_answered(session);
	__atomic_store_n(&section->live, 1, __ATOMIC_RELEASE);
}

void session_end_saving(struct vhost_session *session)
{
	__atomic_store_n(&session->section->live, 0, __ATOMIC_RELEASE);
}

/* ---- Reading ---- */

void vhost_section_each_fd(const void *section, void (*fn)(void *arg, int fd), void *arg)
{
	const struct saved_session *saved = session_saved(section);

	fn(arg, saved->fd);
	if (saved->channel_fd >= 0)
		fn(arg, saved->channel_fd);
	for (unsigned int i = 0; i < VHOST_MAX_QUEUES; i++) {
		const struct saved_queue *q = &saved->queues[i];
		const int fds[] = { q->kick_fd, q->call.fd, q->err.fd };

		for (size_t k = 0; k < ARRAY_SIZE(fds); k++)
			if (fds[k] >= 0)
				fn(arg, fds[k]);
	}
	for (unsigned int i = 0; i < saved->n_regions; i++)
		fn(arg, saved->regions[i].fd);
}
