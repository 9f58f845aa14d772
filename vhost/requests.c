/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of vhost-user requests: what must hold before a handler sees one.
 *
 * The front-end sends anything at any time. Sizes, descriptors, features and queue numbers are
 * checked here from the table, so that handlers deal with meaning only.
 */
#include "vhost/requests.h"

#include "base/util.h"
#include "vhost/session-internal.h"

#define EXACTLY(n)	   .min_bytes = (n), .max_bytes = (n)
#define BETWEEN(min, max)  .min_bytes = (min), .max_bytes = (max)
#define NEEDS(bit)	   .needs = VHOST_BIT(VHOST_USER_PROTOCOL_F_##bit)
#define FDS(kind)	   .fds = VHOST_FDS_##kind
#define INDEX(kind)	   .index = VHOST_INDEX_##kind
#define REPLIES		   .replies = true
#define STOPS_QUEUE	   .stops_queue = true
#define HANDLER(function)  .handle = (function)

#define U64		   EXACTLY(sizeof(uint64_t))
#define VRING_STATE	   EXACTLY(sizeof(struct vhost_user_vring_state)), INDEX(STATE)
#define VRING_ADDR	   EXACTLY(sizeof(struct vhost_user_vring_addr)), INDEX(STATE)
#define REGION		   EXACTLY(sizeof(struct vhost_user_mem_region))
#define TABLE		   BETWEEN(8, sizeof(struct vhost_user_mem_table)), FDS(PER_REGION)
#define CONFIG_SPACE	   BETWEEN(VHOST_USER_CONFIG_HEADER_BYTES, sizeof(struct vhost_user_config))
#define VRING_FD	   U64, FDS(ONE_OR_FLAG), INDEX(FD)

#define REQUEST(code, ...) [VHOST_USER_##code] = { .name = #code, __VA_ARGS__ }

/* What a row does not mention is "none" or "no": no payload, no descriptors, no queue. */
static const struct vhost_request requests[] = {
	REQUEST(GET_FEATURES, REPLIES, HANDLER(vhost_get_features)),
	REQUEST(SET_FEATURES, U64, HANDLER(vhost_set_features)),
	REQUEST(SET_OWNER, HANDLER(vhost_set_owner)),
	REQUEST(RESET_OWNER, HANDLER(vhost_reset)),
	REQUEST(SET_MEM_TABLE, TABLE, HANDLER(vhost_set_mem_table)),
	REQUEST(SET_VRING_NUM, VRING_STATE, STOPS_QUEUE, HANDLER(vhost_set_vring_num)),
	REQUEST(SET_VRING_ADDR, VRING_ADDR, STOPS_QUEUE, HANDLER(vhost_set_vring_addr)),
	REQUEST(SET_VRING_BASE, VRING_STATE, STOPS_QUEUE, HANDLER(vhost_set_vring_base)),
	REQUEST(GET_VRING_BASE, VRING_STATE, STOPS_QUEUE, REPLIES, HANDLER(vhost_get_vring_base)),
	REQUEST(SET_VRING_KICK, VRING_FD, STOPS_QUEUE, HANDLER(vhost_set_vring_kick)),
	REQUEST(SET_VRING_CALL, VRING_FD, HANDLER(vhost_set_vring_call)),
	REQUEST(SET_VRING_ERR, VRING_FD, HANDLER(vhost_set_vring_err)),
	REQUEST(GET_PROTOCOL_FEATURES, REPLIES, HANDLER(vhost_get_protocol_features)),
	REQUEST(SET_PROTOCOL_FEATURES, U64, HANDLER(vhost_set_protocol_features)),
	REQUEST(GET_QUEUE_NUM, NEEDS(MQ), REPLIES, HANDLER(vhost_get_queue_num)),
	REQUEST(SET_VRING_ENABLE, VRING_STATE, HANDLER(vhost_set_vring_enable)),
	REQUEST(SET_BACKEND_REQ_FD, BETWEEN(0, sizeof(uint64_t)), FDS(ONE), NEEDS(BACKEND_REQ),
		HANDLER(vhost_set_backend_req_fd)),
	REQUEST(GET_CONFIG, CONFIG_SPACE, NEEDS(CONFIG), REPLIES, HANDLER(vhost_get_config)),
	REQUEST(SET_CONFIG, CONFIG_SPACE, NEEDS(CONFIG), HANDLER(vhost_set_config)),
	REQUEST(RESET_DEVICE, NEEDS(RESET_DEVICE), HANDLER(vhost_reset)),
	REQUEST(VRING_KICK, VRING_STATE, NEEDS(INBAND_NOTIFICATIONS), HANDLER(vhost_vring_kick)),
	REQUEST(GET_MAX_MEM_SLOTS, NEEDS(CONFIGURE_MEM_SLOTS), REPLIES,
		HANDLER(vhost_get_max_mem_slots)),
	REQUEST(ADD_MEM_REG, REGION, FDS(ONE), NEEDS(CONFIGURE_MEM_SLOTS),
		HANDLER(vhost_add_mem_reg)),
	REQUEST(REM_MEM_REG, REGION, FDS(MAY_BE_ONE), NEEDS(CONFIGURE_MEM_SLOTS),
		HANDLER(vhost_rem_mem_reg)),
	REQUEST(SET_STATUS, U64, NEEDS(STATUS), HANDLER(vhost_set_status)),
	REQUEST(GET_STATUS, NEEDS(STATUS), REPLIES, HANDLER(vhost_get_status)),
};

const struct vhost_request *vhost_request_find(uint32_t code)
{
	if (code >= ARRAY_SIZE(requests) || !requests[code].name)
		return NULL;
	return &requests[code];
}

unsigned int vhost_request_queue(const struct vhost_request *request,
				 const struct vhost_message *message)
{
	if (request->index == VHOST_INDEX_FD)
		return (unsigned int)(message->payload.u64 & VHOST_USER_VRING_INDEX_MASK);
	return message->payload.state.index;
}

static bool fds_fit(const struct vhost_request *request, const struct vhost_message *message)
{
	bool no_fd = message->payload.u64 & VHOST_USER_VRING_NOFD_MASK;

	switch (request->fds) {
	case VHOST_FDS_NONE:
		return message->n_fds == 0;
	case VHOST_FDS_ONE:
		return message->n_fds == 1;
	case VHOST_FDS_ONE_OR_FLAG:
		return message->n_fds == (no_fd ? 0 : 1);
	case VHOST_FDS_MAY_BE_ONE:
		return message->n_fds <= 1;
	case VHOST_FDS_PER_REGION:
		return true; /* the handler knows what to advise */
	}
	return false;
}

const char *vhost_request_fault(const struct vhost_request *request,
				const struct vhost_session *session,
				const struct vhost_message *message)
{
	uint32_t size = message->header.size;

	if (size < request->min_bytes || size > request->max_bytes)
		return "its size is wrong";
	if (message->fds_lost)
		return "it carried more descriptors than a message or this process may have";
	if (!fds_fit(request, message))
		return "it carried the wrong number of descriptors";
	if (request->needs & ~session_offered_protocol_features(session))
		return "it needs a protocol feature that was not offered";
	if (request->index != VHOST_INDEX_NONE &&
	    vhost_request_queue(request, message) >= VHOST_MAX_QUEUES)
		return "there is no such queue";
	return NULL;
}
