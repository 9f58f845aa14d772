/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost-user wire format: request numbers, feature bits and payload layouts.
 *
 * References are to the sections of the vhost-user protocol document ("spec") and to virtio 1.2.
 * All integers are in the byte order of the host; both ends run on the same machine.
 */
#ifndef VHOST_PROTOCOL_H
#define VHOST_PROTOCOL_H

#include <assert.h>
#include <stdint.h>

/* Spec, "Front-end message types". */
enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_SET_BACKEND_REQ_FD = 21,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
	VHOST_USER_RESET_DEVICE = 34,
	VHOST_USER_VRING_KICK = 35,
	VHOST_USER_GET_MAX_MEM_SLOTS = 36,
	VHOST_USER_ADD_MEM_REG = 37,
	VHOST_USER_REM_MEM_REG = 38,
	VHOST_USER_SET_STATUS = 39,
	VHOST_USER_GET_STATUS = 40,
};

/* Spec, "Back-end message types". */
enum vhost_user_backend_request {
	VHOST_USER_BACKEND_VRING_CALL = 4,
	VHOST_USER_BACKEND_VRING_ERR = 5,
};

/* Spec, "Protocol features": bit numbers. */
enum vhost_user_protocol_feature {
	VHOST_USER_PROTOCOL_F_MQ = 0,
	VHOST_USER_PROTOCOL_F_REPLY_ACK = 3,
	VHOST_USER_PROTOCOL_F_BACKEND_REQ = 5,
	VHOST_USER_PROTOCOL_F_CONFIG = 9,
	VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD = 10,
	VHOST_USER_PROTOCOL_F_RESET_DEVICE = 13,
	VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS = 14,
	VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15,
	VHOST_USER_PROTOCOL_F_STATUS = 16,
};

/* Virtio 1.2, 6 "Reserved Feature Bits"; bit 30 is the protocol's own (spec, "Communication"). */
#define VHOST_USER_F_PROTOCOL_FEATURES 30
#define VHOST_F_RING_INDIRECT_DESC     28
#define VHOST_F_RING_EVENT_IDX	       29
#define VHOST_F_VERSION_1	       32

#define VHOST_BIT(n)		       (UINT64_C(1) << (n))

/* Header flags (spec, "Header"). */
#define VHOST_USER_VERSION	       0x1u
#define VHOST_USER_VERSION_MASK	       0x3u
#define VHOST_USER_REPLY	       0x4u
#define VHOST_USER_NEED_REPLY	       0x8u

/* Payload of SET_VRING_KICK, _CALL and _ERR. */
#define VHOST_USER_VRING_INDEX_MASK    0xffu
#define VHOST_USER_VRING_NOFD_MASK     0x100u

#define VHOST_USER_MAX_FDS	       8u /* descriptors in one message */
#define VHOST_USER_TABLE_REGIONS       8u /* regions in one SET_MEM_TABLE */
#define VHOST_USER_MAX_CONFIG_BYTES    256u
#define VHOST_USER_MAX_PAYLOAD_BYTES   4096u  /* more than any request defined so far needs */
#define VHOST_MAX_RING_SIZE	       32768u /* virtio 1.2, 2.7 */

struct vhost_user_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* bytes of payload */
} __attribute__((__packed__));

struct vhost_user_vring_state {
	uint32_t index;
	uint32_t num;
} __attribute__((__packed__));

struct vhost_user_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc_uva;
	uint64_t used_uva;
	uint64_t avail_uva;
	uint64_t log;
} __attribute__((__packed__));

struct vhost_user_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t uva;
	uint64_t mmap_offset;
} __attribute__((__packed__));

struct vhost_user_mem_table {
	uint32_t n_regions;
	uint32_t padding;
	struct vhost_user_region regions[VHOST_USER_TABLE_REGIONS];
} __attribute__((__packed__));

struct vhost_user_mem_region {
	uint64_t padding;
	struct vhost_user_region region;
} __attribute__((__packed__));

struct vhost_user_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t bytes[VHOST_USER_MAX_CONFIG_BYTES];
} __attribute__((__packed__));

#define VHOST_USER_CONFIG_HEADER_BYTES 12u

static_assert(sizeof(struct vhost_user_header) == 12, "wire size");
static_assert(sizeof(struct vhost_user_vring_state) == 8, "wire size");
static_assert(sizeof(struct vhost_user_vring_addr) == 40, "wire size");
static_assert(sizeof(struct vhost_user_region) == 32, "wire size");
static_assert(sizeof(struct vhost_user_mem_table) == 264, "wire size");
static_assert(sizeof(struct vhost_user_mem_region) == 40, "wire size");
static_assert(sizeof(struct vhost_user_config) == 268, "wire size");

#endif
