/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ends of a vhost-user connection in one thread: everything is written before the session
 * reads it, so the session never waits.
 */
#ifndef TESTS_FUZZ_VHOST_PEER_H
#define TESTS_FUZZ_VHOST_PEER_H

#include <stddef.h>
#include <stdint.h>

#include "vhost/session.h"
#include "vhost/virtqueue.h"

/* Where the memory of peer_memory_fd() is for descriptors and for messages. */
#define PEER_GPA      UINT64_C(0x10000)
#define PEER_UVA      UINT64_C(0x700000000000)
#define PEER_BYTES    0x10000u
/* A ring of that size in it. */
#define PEER_RING     16u
#define PEER_DESC_AT  0x0u
#define PEER_AVAIL_AT 0x200u
#define PEER_USED_AT  0x400u
#define PEER_DATA_AT  0x600u

struct peer {
	int fd;	       /* the front-end's end */
	void *section; /* what would outlive the process */
	struct vhost_session *session;
	struct vhost_device device;
	struct virtqueue *queues[VHOST_MAX_QUEUES]; /* those that run */
	struct vq_chain chain;
};

/* Dies on failure. */
void peer_init(struct peer *peer, const void *config, uint32_t config_bytes);
void peer_deinit(struct peer *peer);

/* Writes bytes with up to 16 descriptors, which are closed; what does not fit is dropped. */
void peer_send(struct peer *peer, const void *bytes, size_t n_bytes, const int *fds,
	       unsigned int n_fds);
/* No more will be sent: a message that is cut ends instead of being waited for. */
void peer_send_end(struct peer *peer);
/* One message; drains what the session answered. */
enum vhost_session_result peer_handle(struct peer *peer);

/* Guest memory of PEER_BYTES as a memfd; dies on failure. */
int peer_memory_fd(void);

/*
 * Pops up to @max chains of a queue, checks that they lie in guest memory, touches every byte,
 * and gives them back.
 */
void peer_run_queue(struct peer *peer, unsigned int index, unsigned int max);

#endif
