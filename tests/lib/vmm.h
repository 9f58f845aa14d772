/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole pretended VMM: connection, guest memory, hiprio and request queues,
 * brought up in the order real ones use.
 */
#ifndef TESTS_LIB_VMM_H
#define TESTS_LIB_VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/frontend.h"
#include "tests/lib/guest-ram.h"
#include "tests/lib/ring.h"

#define VMM_MAX_QUEUES 65 /* hiprio + 64 */

struct vmm_config {
	unsigned int n_request_queues; /* 0 means 1 */
	unsigned int ring_size;	       /* 0 means 1024 */
	size_t memory_bytes;	       /* per region; 0 means 64 MiB */
	unsigned int n_regions;	       /* 0 means 1 */
	uint64_t mmap_offset;	       /* of every region inside its fd */
	bool no_event_idx;
	bool no_indirect;
	bool add_mem_reg; /* ADD_MEM_REG per region instead of one table */
	bool inband;	  /* ask for INBAND_NOTIFICATIONS and use them */
	bool no_reply_ack;
	enum ring_call_kind call;
	uint64_t extra_protocol; /* further protocol features to ask for */
};

struct vmm {
	struct frontend fe;
	struct guest_ram mem;
	struct ring queues[VMM_MAX_QUEUES]; /* 0 is hiprio */
	unsigned int n_queues;
	struct vmm_config config;
};

/*
 * Connects to @socket_path (or takes @fd when the path is NULL), shakes hands,
 * hands over memory and starts every ring. Dies on failure. Large: keep it
 * static or on the heap.
 */
void vmm_start(struct vmm *vmm, const char *socket_path, int fd, const struct vmm_config *config);
/* The handshake and memory of vmm_start() only: no ring is set up yet. */
void vmm_connect(struct vmm *vmm, const char *socket_path, int fd, const struct vmm_config *config);
/* Makes and starts the rings after vmm_connect(). */
void vmm_start_queues(struct vmm *vmm);
/* Hangs up and frees everything. */
void vmm_stop(struct vmm *vmm);

#endif
