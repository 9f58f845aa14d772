/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One vhost-user message in or out, with the descriptors that travel with it.
 */
#ifndef VHOST_MESSAGE_H
#define VHOST_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "vhost/protocol.h"

struct vhost_message {
	struct vhost_user_header header; /* checked: version, no reply, size */
	unsigned int n_fds;
	bool fds_lost;		     /* more came than one message may carry */
	int fds[VHOST_USER_MAX_FDS]; /* owned */
	/* Untrusted. Zero behind the received bytes. */
	union {
		uint8_t bytes[VHOST_USER_MAX_PAYLOAD_BYTES];
		uint64_t u64;
		struct vhost_user_vring_state state;
		struct vhost_user_vring_addr addr;
		struct vhost_user_mem_table table;
		struct vhost_user_mem_region region;
		struct vhost_user_config config;
	} payload;
};

enum vhost_recv_result {
	VHOST_RECV_MESSAGE,
	VHOST_RECV_NOTHING, /* not readable after all */
	VHOST_RECV_CLOSED,  /* end of stream between two messages */
	VHOST_RECV_BROKEN,  /* logged */
};

/*
 * Looks at the first message in a stream socket without waiting for its beginning; its rest may
 * take `timeout_ms`. The message stays in the socket, where the same process or another can look at it
 * again, until vhost_message_take(). Descriptors of a message that is not returned are closed.
 */
enum vhost_recv_result vhost_message_peek(int fd, int timeout_ms, struct vhost_message *message);

/*
 * Takes out of the socket what vhost_message_peek() has looked at last, by whichever process, unless
 * it has been taken. Copies of the descriptors that it came with stay open. 0 or -errno.
 */
int vhost_message_take(int fd);

/* Closes the descriptors that are still in the message. */
void vhost_message_close_fds(struct vhost_message *message);

/* Takes the descriptor out of the message; -1 when it has none. */
int vhost_message_steal_fd(struct vhost_message *message, unsigned int i);

/* Answers `request`. 0, -ETIMEDOUT when the peer does not read, or -errno. */
int vhost_message_reply(int fd, int timeout_ms, uint32_t request, const void *payload,
			uint32_t size);

#endif
