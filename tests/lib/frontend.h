/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost-user socket of a VMM stand-in: any message, well-formed or not.
 *
 * Functions return 0 or -errno and never wait longer than test_timeout_ms():
 * -ETIMEDOUT when the back-end does not answer, -ECONNRESET when it hung up,
 * -EPROTO when an answer does not fit its question, -EREMOTEIO when a
 * REPLY_ACK said "failed". The _or_die variants end the test instead.
 */
#ifndef TESTS_LIB_FRONTEND_H
#define TESTS_LIB_FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/guest-ram.h"
#include "tests/lib/vhost-user-wire.h"

struct frontend {
	int fd;		    /* owned, -1 when closed */
	int backend_req_fd; /* owned: our end of the BACKEND_REQ channel, or -1 */
	uint64_t features;  /* acknowledged virtio features */
	uint64_t protocol;  /* acknowledged protocol features */
	unsigned long acks; /* acknowledgements received */
};

struct fe_reply {
	struct fe_header header;
	union {
		uint64_t u64;
		struct fe_vring_state state;
		struct fe_config_space config;
		uint8_t bytes[FE_MAX_PAYLOAD];
	};
	int fds[FE_MAX_FDS]; /* caller closes */
	unsigned int n_fds;
};

/* Connects to a listening UNIX socket, trying until the time limit; dies on failure. */
void frontend_connect(struct frontend *fe, const char *path);
/* Takes a connected socket. */
void frontend_init(struct frontend *fe, int fd);
/* Hangs up; harmless when done twice. */
void frontend_close(struct frontend *fe);

/* Any bytes with any fds (borrowed) as one sendmsg(). */
int fe_send_raw(struct frontend *fe, const void *bytes, size_t n_bytes, const int *fds,
		unsigned int n_fds);
/* Header with the version set plus @flags, then the payload. */
int fe_send(struct frontend *fe, uint32_t request, uint32_t flags, const void *payload,
	    uint32_t size, const int *fds, unsigned int n_fds);
/* One whole message from the back-end, whatever it is. */
int fe_recv(struct frontend *fe, struct fe_reply *ret_reply);
/* fe_recv() that also checks request number, version and the reply flag. */
int fe_recv_reply(struct frontend *fe, uint32_t request, struct fe_reply *ret_reply);
/* Waits until the back-end closes the connection; anything it sends is dropped. */
int fe_wait_hangup(struct frontend *fe);
/* True when the back-end has closed the connection by now. */
bool fe_hung_up(struct frontend *fe);

/*
 * A request without an answer of its own. With REPLY_ACK agreed it asks for the
 * acknowledgement and returns -EREMOTEIO if that is not zero.
 */
int fe_set(struct frontend *fe, uint32_t request, const void *payload, uint32_t size,
	   const int *fds, unsigned int n_fds);
int fe_set_u64(struct frontend *fe, uint32_t request, uint64_t value);
int fe_set_vring(struct frontend *fe, uint32_t request, uint32_t index, uint32_t num);
/* SET_VRING_KICK, _CALL or _ERR; fd -1 sends the no-fd flag. */
int fe_set_vring_fd(struct frontend *fe, uint32_t request, uint32_t index, int fd);
int fe_set_vring_addr(struct frontend *fe, const struct fe_vring_addr *addr);
/* A request answered by a u64. */
int fe_get_u64(struct frontend *fe, uint32_t request, uint64_t *ret_value);
int fe_get_vring_base(struct frontend *fe, uint32_t index, uint32_t *ret_base);
/* GET_CONFIG of size bytes at offset (size at most 256). */
int fe_get_config(struct frontend *fe, uint32_t offset, uint32_t size, void *ret_bytes);

/* All live regions (at most 8) as one table. */
int fe_set_mem_table(struct frontend *fe, const struct guest_ram *mem);
int fe_add_mem_reg(struct frontend *fe, const struct guest_ram *mem, unsigned int region);
int fe_rem_mem_reg(struct frontend *fe, const struct guest_ram *mem, unsigned int region);

/*
 * The fixed opening of every session: features, protocol features, owner. What
 * the back-end does not offer is dropped from the wish; fe->features and
 * fe->protocol tell what was agreed.
 */
int fe_handshake(struct frontend *fe, uint64_t features, uint64_t protocol);
/* Makes the BACKEND_REQ channel and keeps our end in fe->backend_req_fd. */
int fe_open_backend_channel(struct frontend *fe);
/* One request of the back-end from that channel, with its u64/state payload. */
int fe_recv_backend_request(struct frontend *fe, struct fe_reply *ret_request);

/* Dies with the text of the step unless @result is 0. */
void fe_or_die(int result, const char *step);

#endif
