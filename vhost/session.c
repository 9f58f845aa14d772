/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One vhost-user connection: reads messages, keeps memory and ring state, starts and stops queues.
 *
 * Theory. The front-end describes memory, rings and features in any order and may change its mind
 * at any time. Handlers only write down what it said; one function, session_queue_update(), looks
 * at all that was said about a queue and makes the device's view follow: a queue runs when it is
 * enabled, started, has a size and addresses, and the ring is mapped. What would change under a
 * running queue stops it first. Stopping means draining: the device gives every popped chain back
 * before queue_stop() returns, so neither memory nor positions change under a request.
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

#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"
#include "vhost/session-internal.h"

#define PEER_TIMEOUT_MS 5000

int vhost_session_new(int socket_fd, const struct vhost_device *device, void *section,
		      struct vhost_session **ret_session)
{
	cleanup_fd int fd = socket_fd;
	struct vhost_session *session = calloc(1, sizeof(*session));

	if (!session)
		return -ENOMEM;
	session->memory = guest_memory_new();
	if (!session->memory) {
		free(session);
		return -ENOMEM;
	}
	session->fd = take_fd(&fd);
	session->channel_fd = -1;
	session->device = device;
	session->section = section;
	session_queues_init(session);
	*ret_session = session;
	return 0;
}

void vhost_session_free(struct vhost_session *session)
{
	if (!session)
		return;
	session_queues_pause(session);
	session_queues_deinit(session);
	guest_memory_put(session->memory);
	fd_close(&session->channel_fd);
	fd_close(&session->fd);
	free(session);
}

int vhost_session_fd(const struct vhost_session *session)
{
	return session->fd;
}

static int send_reply(struct vhost_session *session, const void *payload, uint32_t size)
{
	int r = vhost_message_reply(session->fd, PEER_TIMEOUT_MS, session->message.header.request,
				    payload, size);

	/* A front-end that hung up meanwhile is noticed with the next read. */
	if (r == -EPIPE || r == -ECONNRESET)
		return 0;
	if (r < 0) {
		log_peer("Cannot answer the front-end: %s", log_strerror(r));
		session->dead = true;
	}
	return r;
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

static void acknowledge(struct vhost_session *session, int result)
{
	uint64_t status = result < 0;

	if (ack_wanted(session))
		send_reply(session, &status, sizeof(status));
}

static int run_request(struct vhost_session *session, const struct vhost_request *request,
		       struct vhost_reply *reply)
{
	struct vhost_message *message = &session->message;
	const char *fault = vhost_request_fault(request, session, message);
	unsigned int index = 0;
	int r;

	if (fault) {
		log_peer("Refused vhost-user request %s: %s", request->name, fault);
		return -EINVAL;
	}
	log_trace("vhost-user request %s", request->name);
	if (request->index != VHOST_INDEX_NONE)
		index = vhost_request_queue(request, message);
	if (request->stops_queue)
		session_queue_pause(session, &session->queues[index]);
	r = request->handle(session, message, reply);
	if (request->stops_queue)
		session_queue_update(session, index);
	return r;
}

static void dispatch(struct vhost_session *session)
{
	const struct vhost_request *request = vhost_request_find(session->message.header.request);
	struct vhost_reply reply = { 0 };
	int r;

	if (!request) {
		log_debug("Unknown vhost-user request %u", session->message.header.request);
		acknowledge(session, -EOPNOTSUPP);
		return;
	}
	r = run_request(session, request, &reply);
	if (session->dead)
		return;
	if (!request->replies)
		acknowledge(session, r);
	else if (r < 0)
		send_reply(session, NULL, 0);
	else
		send_reply(session, reply.payload, reply.size);
}

enum vhost_session_result vhost_session_handle(struct vhost_session *session)
{
	if (session->dead)
		return VHOST_SESSION_BROKEN;
	switch (vhost_message_recv(session->fd, PEER_TIMEOUT_MS, &session->message)) {
	case VHOST_RECV_NOTHING:
		return VHOST_SESSION_GOES_ON;
	case VHOST_RECV_CLOSED:
		return VHOST_SESSION_CLOSED;
	case VHOST_RECV_BROKEN:
		return VHOST_SESSION_BROKEN;
	case VHOST_RECV_MESSAGE:
		break;
	}
	dispatch(session);
	vhost_message_close_fds(&session->message);
	return session->dead ? VHOST_SESSION_BROKEN : VHOST_SESSION_GOES_ON;
}
