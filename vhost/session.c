/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One vhost-user connection: reads messages, keeps memory and ring state, starts and stops queues.
 *
 * Theory. The front-end describes memory, rings and features in any order and may change its mind
 * at any time. Handlers only write down what it said; then the queues are made to follow all that
 * was said: a queue runs when it is enabled, started, has a size and addresses, and the ring is
 * mapped. What would change under a running queue stops it first. Stopping means draining: the
 * device gives every popped chain back before queue_stop() returns, so neither memory nor positions
 * change under a request. Between stopping and starting, what was said is saved for a successor of
 * this process (session-save.h).
 *
 *	not started --SET_VRING_KICK--> started --GET_VRING_BASE--> not started
 *	disabled <--SET_VRING_ENABLE--> enabled		      (independent of the above)
 *
 * With in-band notifications there may be no SET_VRING_KICK at all (User-Mode Linux). Enabling or
 * kicking a ring starts it then, but only if its addresses were told since it was last stopped:
 * a front-end that agreed to everything and uses descriptors must not wake a stale ring.
 *
 * Every message passes the generic checks of requests.c, then its handler, then here the one place
 * that answers. A refused message leaves no trace. A request with an answer of its own that is
 * refused gets an empty one, which no front-end takes for success and none waits for in vain.
 */
#include "vhost/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"
#include "vhost/session-internal.h"

#define PEER_TIMEOUT_MS 5000

struct vhost_session *session_alloc(const struct vhost_device *device, void *section)
{
	struct vhost_session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->memory = guest_memory_new();
	if (!session->memory) {
		free(session);
		return NULL;
	}
	session->fd = -1;
	session->channel_fd = -1;
	session->device = device;
	session->section = section;
	session_queues_init(session);
	return session;
}

int vhost_session_new(int socket_fd, const struct vhost_device *device, void *section,
		      struct vhost_session **ret_session)
{
	cleanup_fd int fd = socket_fd;
	struct vhost_session *session = session_alloc(device, section);

	if (!session)
		return -ENOMEM;
	session->fd = take_fd(&fd);
	session_begin_saving(session);
	*ret_session = session;
	return 0;
}

void vhost_session_free(struct vhost_session *session)
{
	if (!session)
		return;
	session_queues_pause(session);
	session_end_saving(session);
	session_queues_deinit(session);
	session_drop_former(session);
	guest_memory_put(session->memory);
	fd_close(&session->channel_fd);
	fd_close(&session->fd);
	free(session);
}

/* ---- What a message replaces ---- */

void session_retire_fd(struct vhost_session *session, int *fd)
{
	if (*fd >= 0 && session->n_former_fds < ARRAY_SIZE(session->former_fds))
		session->former_fds[session->n_former_fds++] = take_fd(fd);
	fd_close(fd); /* more than one message can replace */
}

void session_drop_former(struct vhost_session *session)
{
	while (session->n_former_fds > 0)
		fd_close(&session->former_fds[--session->n_former_fds]);
	guest_memory_put(session->former_memory);
	session->former_memory = NULL;
}

/* ---- Messages ---- */

int vhost_session_fd(const struct vhost_session *session)
{
	return session->fd;
}

static void send_answer(struct vhost_session *session, const struct saved_answer *answer)
{
	int r;

	if (!answer->wanted)
		return;
	r = vhost_message_reply(session->fd, PEER_TIMEOUT_MS, answer->request, answer->payload,
				answer->size);
	/* A front-end that hung up meanwhile is noticed with the next read. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET) {
		log_peer("Cannot answer the front-end: %s", log_strerror(r));
		session->dead = true;
	}
}

void session_finish_message(struct vhost_session *session, const struct saved_answer *answer)
{
	int r = vhost_message_take(session->fd);

	if (r < 0) {
		log_peer("The vhost-user connection is unusable: %s", log_strerror(r));
		session->dead = true;
		return;
	}
	send_answer(session, answer);
	session_answered(session);
}

/*
 * SET_PROTOCOL_FEATURES may itself ask for the acknowledgement that it agrees on, and waits for it
 * also when it is refused.
 */
static bool ack_wanted(const struct vhost_session *session)
{
	const struct vhost_user_header *header = &session->message.header;

	return (header->flags & VHOST_USER_NEED_REPLY) &&
	       (session_agreed(session, VHOST_USER_PROTOCOL_F_REPLY_ACK) ||
		header->request == VHOST_USER_SET_PROTOCOL_FEATURES);
}

static void note_answer(struct saved_answer *answer, const void *payload, uint32_t size)
{
	answer->wanted = true;
	answer->size = MIN(size, (uint32_t)sizeof(answer->payload));
	if (answer->size)
		memcpy(answer->payload, payload, answer->size);
}

static void acknowledge(const struct vhost_session *session, struct saved_answer *answer,
			int result)
{
	uint64_t status = result < 0;

	if (ack_wanted(session))
		note_answer(answer, &status, sizeof(status));
}

static int run_request(struct vhost_session *session, const struct vhost_request *request,
		       struct vhost_reply *reply)
{
	struct vhost_message *message = &session->message;
	const char *fault = vhost_request_fault(request, session, message);
	unsigned int index = 0;

	if (fault) {
		log_peer("Refused vhost-user request %s: %s", request->name, fault);
		return -EINVAL;
	}
	log_trace("vhost-user request %s", request->name);
	if (request->index != VHOST_INDEX_NONE)
		index = vhost_request_queue(request, message);
	if (request->stops_queue)
		session_queue_pause(session, &session->queues[index]);
	return request->handle(session, message, reply);
}

/* Does what the message says; the answer is only noted. */
static void dispatch(struct vhost_session *session, struct saved_answer *answer)
{
	const struct vhost_request *request = vhost_request_find(session->message.header.request);
	struct vhost_reply reply = { 0 };
	int r;

	*answer = (struct saved_answer){ .request = session->message.header.request };
	if (!request) {
		log_debug("Unknown vhost-user request %u", answer->request);
		acknowledge(session, answer, -EOPNOTSUPP);
		return;
	}
	r = run_request(session, request, &reply);
	if (!request->replies)
		acknowledge(session, answer, r);
	else if (r < 0)
		note_answer(answer, NULL, 0);
	else
		note_answer(answer, reply.payload, reply.size);
}

/* Makes true what the message says. The order is explained in session-save.h. */
static void follow(struct vhost_session *session, const struct saved_answer *answer)
{
	session_queues_stop_unfit(session);
	session_save(session, answer);
	session_drop_former(session);
	session_queues_start_fit(session);
	if (!session->dead)
		session_finish_message(session, answer);
}

enum vhost_session_result vhost_session_handle(struct vhost_session *session)
{
	struct saved_answer answer;

	if (session->dead)
		return VHOST_SESSION_BROKEN;
	switch (vhost_message_peek(session->fd, PEER_TIMEOUT_MS, &session->message)) {
	case VHOST_RECV_NOTHING:
		return VHOST_SESSION_GOES_ON;
	case VHOST_RECV_CLOSED:
		return VHOST_SESSION_CLOSED;
	case VHOST_RECV_BROKEN:
		return VHOST_SESSION_BROKEN;
	case VHOST_RECV_MESSAGE:
		break;
	}
	dispatch(session, &answer);
	if (!session->dead)
		follow(session, &answer);
	vhost_message_close_fds(&session->message);
	return session->dead ? VHOST_SESSION_BROKEN : VHOST_SESSION_GOES_ON;
}
