/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is offered and agreed: virtio features, protocol features, status, configuration space.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"
#include "vhost/session-internal.h"

static int answer_u64(struct vhost_reply *reply, uint64_t value)
{
	reply->space.u64 = value;
	reply->payload = &reply->space;
	reply->size = sizeof(value);
	return 0;
}

uint64_t session_offered_features(const struct vhost_session *session)
{
	return VHOST_BIT(VHOST_F_VERSION_1) | VHOST_BIT(VHOST_F_RING_INDIRECT_DESC) |
	       VHOST_BIT(VHOST_F_RING_EVENT_IDX) | VHOST_BIT(VHOST_USER_F_PROTOCOL_FEATURES) |
	       session->device->features;
}

uint64_t session_offered_protocol_features(const struct vhost_session *session)
{
	uint64_t features = VHOST_BIT(VHOST_USER_PROTOCOL_F_MQ) |
			    VHOST_BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
			    VHOST_BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ) |
			    VHOST_BIT(VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD) |
			    VHOST_BIT(VHOST_USER_PROTOCOL_F_RESET_DEVICE) |
			    VHOST_BIT(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS) |
			    VHOST_BIT(VHOST_USER_PROTOCOL_F_STATUS);

	if (session->device->inband)
		features |= VHOST_BIT(VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS);
	if (session->device->config)
		features |= VHOST_BIT(VHOST_USER_PROTOCOL_F_CONFIG);
	return features;
}

int vhost_get_features(struct vhost_session *session, struct vhost_message *message,
		       struct vhost_reply *reply)
{
	return answer_u64(reply, session_offered_features(session));
}

int vhost_set_features(struct vhost_session *session, struct vhost_message *message,
		       struct vhost_reply *reply)
{
	uint64_t features = message->payload.u64;
	uint64_t extra = features & ~session_offered_features(session);

	if (extra) {
		log_peer("The front-end wants virtio features that were not offered: %#llx",
			 (unsigned long long)extra);
		return -EINVAL;
	}
	log_debug("Virtio features %#llx", (unsigned long long)features);
	/* Running queues keep the ring layout features that they were started with. */
	session->features = features;
	return 0;
}

int vhost_get_protocol_features(struct vhost_session *session, struct vhost_message *message,
				struct vhost_reply *reply)
{
	return answer_u64(reply, session_offered_protocol_features(session));
}

int vhost_set_protocol_features(struct vhost_session *session, struct vhost_message *message,
				struct vhost_reply *reply)
{
	uint64_t features = message->payload.u64;
	uint64_t extra = features & ~session_offered_protocol_features(session);

	if (extra) {
		log_peer("The front-end wants protocol features that were not offered: %#llx",
			 (unsigned long long)extra);
		return -EINVAL;
	}
	log_debug("Protocol features %#llx", (unsigned long long)features);
	session->protocol_features = features;
	return 0;
}

int vhost_set_owner(struct vhost_session *session, struct vhost_message *message,
		    struct vhost_reply *reply)
{
	return 0; /* a connection has one owner: whoever made it */
}

int vhost_reset(struct vhost_session *session, struct vhost_message *message,
		struct vhost_reply *reply)
{
	session_queues_reset(session);
	session->status = 0;
	session->device->ops->reset(session->device->opaque);
	return 0;
}

int vhost_get_queue_num(struct vhost_session *session, struct vhost_message *message,
			struct vhost_reply *reply)
{
	return answer_u64(reply, VHOST_MAX_QUEUES);
}

/*
 * The answer has the size of the question. Behind the end of the space are zeroes: a front-end
 * may know a later, longer layout of it.
 */
int vhost_get_config(struct vhost_session *session, struct vhost_message *message,
		     struct vhost_reply *reply)
{
	const struct vhost_user_config *ask = &message->payload.config;
	struct vhost_user_config *answer = &reply->space.config;
	uint32_t space_bytes = session->device->config_bytes;
	uint32_t offset = ask->offset, size = ask->size;

	if (message->header.size != VHOST_USER_CONFIG_HEADER_BYTES + size ||
	    !range_fits(offset, size, VHOST_USER_MAX_CONFIG_BYTES)) {
		log_peer("The front-end asks for an impossible part of the configuration space");
		return -EINVAL;
	}
	answer->offset = offset;
	answer->size = size;
	answer->flags = ask->flags;
	if (offset < space_bytes)
		memcpy(answer->bytes, (const char *)session->device->config + offset,
		       MIN(size, space_bytes - offset));
	reply->payload = answer;
	reply->size = VHOST_USER_CONFIG_HEADER_BYTES + size;
	return 0;
}

int vhost_set_config(struct vhost_session *session, struct vhost_message *message,
		     struct vhost_reply *reply)
{
	log_debug("The front-end writes to the configuration space, which is read-only");
	return -EPERM;
}

int vhost_get_status(struct vhost_session *session, struct vhost_message *message,
		     struct vhost_reply *reply)
{
	return answer_u64(reply, session->status);
}

/*
 * Zero is a reset for the driver, but QEMU also sends it when the virtual machine is merely paused
 * or about to migrate. The rings are stopped, as in both cases; what the device knows stays. A
 * driver that really starts afresh says so itself (FUSE_INIT), or RESET_DEVICE does.
 */
int vhost_set_status(struct vhost_session *session, struct vhost_message *message,
		     struct vhost_reply *reply)
{
	session->status = message->payload.u64;
	if (session->status == 0)
		session_queues_halt(session);
	return 0;
}

int vhost_set_backend_req_fd(struct vhost_session *session, struct vhost_message *message,
			     struct vhost_reply *reply)
{
	cleanup_fd int fd = vhost_message_steal_fd(message, 0);
	int r = vhost_backend_check_channel(fd);

	if (r < 0) {
		log_peer("The channel for requests of the back-end is no socket or pipe");
		return r;
	}
	session_retire_fd(session, &session->channel_fd);
	session->channel_fd = take_fd(&fd);
	/* Notifications are the only use for it. No queue uses the old one after this. */
	session_queues_set_channel(
		session, session_agreed(session, VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS)
				 ? session->channel_fd
				 : -1);
	return 0;
}
