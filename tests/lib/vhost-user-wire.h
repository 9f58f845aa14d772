/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost-user numbers and structs, written from the protocol text for the tests
 * alone: a mistake in the product's own table must not hide in a shared header.
 */
#ifndef TESTS_LIB_VHOST_USER_WIRE_H
#define TESTS_LIB_VHOST_USER_WIRE_H

#include <stdint.h>

enum fe_request {
	FE_GET_FEATURES = 1,
	FE_SET_FEATURES = 2,
	FE_SET_OWNER = 3,
	FE_RESET_OWNER = 4,
	FE_SET_MEM_TABLE = 5,
	FE_SET_LOG_BASE = 6,
	FE_SET_LOG_FD = 7,
	FE_SET_VRING_NUM = 8,
	FE_SET_VRING_ADDR = 9,
	FE_SET_VRING_BASE = 10,
	FE_GET_VRING_BASE = 11,
	FE_SET_VRING_KICK = 12,
	FE_SET_VRING_CALL = 13,
	FE_SET_VRING_ERR = 14,
	FE_GET_PROTOCOL_FEATURES = 15,
	FE_SET_PROTOCOL_FEATURES = 16,
	FE_GET_QUEUE_NUM = 17,
	FE_SET_VRING_ENABLE = 18,
	FE_SET_BACKEND_REQ_FD = 21,
	FE_GET_CONFIG = 24,
	FE_SET_CONFIG = 25,
	FE_POSTCOPY_ADVISE = 28,
	FE_GET_INFLIGHT_FD = 31,
	FE_SET_INFLIGHT_FD = 32,
	FE_RESET_DEVICE = 34,
	FE_VRING_KICK = 35,
	FE_GET_MAX_MEM_SLOTS = 36,
	FE_ADD_MEM_REG = 37,
	FE_REM_MEM_REG = 38,
	FE_SET_STATUS = 39,
	FE_GET_STATUS = 40,
	FE_SET_DEVICE_STATE_FD = 42,
	FE_CHECK_DEVICE_STATE = 43,
	FE_REQUEST_MAX = 46,
};

/* Requests that the back-end sends on the channel of SET_BACKEND_REQ_FD. */
enum be_request {
	BE_CONFIG_CHANGE = 2,
	BE_VRING_CALL = 4,
	BE_VRING_ERR = 5,
};

#define FE_FLAG_VERSION		  0x1u
#define FE_FLAG_REPLY		  0x4u
#define FE_FLAG_NEED_REPLY	  0x8u

#define FE_BIT(n)		  (UINT64_C(1) << (n))

/* Virtio feature bits. */
#define FE_F_LOG_ALL		  FE_BIT(26)
#define FE_F_INDIRECT_DESC	  FE_BIT(28)
#define FE_F_EVENT_IDX		  FE_BIT(29)
#define FE_F_PROTOCOL_FEATURES	  FE_BIT(30)
#define FE_F_VERSION_1		  FE_BIT(32)

/* Protocol feature bits. */
#define FE_P_MQ			  FE_BIT(0)
#define FE_P_LOG_SHMFD		  FE_BIT(1)
#define FE_P_REPLY_ACK		  FE_BIT(3)
#define FE_P_BACKEND_REQ	  FE_BIT(5)
#define FE_P_CONFIG		  FE_BIT(9)
#define FE_P_BACKEND_SEND_FD	  FE_BIT(10)
#define FE_P_INFLIGHT_SHMFD	  FE_BIT(12)
#define FE_P_RESET_DEVICE	  FE_BIT(13)
#define FE_P_INBAND_NOTIFICATIONS FE_BIT(14)
#define FE_P_CONFIGURE_MEM_SLOTS  FE_BIT(15)
#define FE_P_STATUS		  FE_BIT(16)
#define FE_P_DEVICE_STATE	  FE_BIT(19)

#define FE_VRING_NOFD		  0x100u

#define FE_MAX_FDS		  8
#define FE_MAX_PAYLOAD		  4096

struct fe_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
};

struct fe_vring_state {
	uint32_t index;
	uint32_t num;
};

struct fe_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

struct fe_mem_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t uva;
	uint64_t mmap_offset;
};

struct fe_mem_table {
	uint32_t n_regions;
	uint32_t padding;
	struct fe_mem_region regions[FE_MAX_FDS];
};

struct fe_mem_single {
	uint64_t padding;
	struct fe_mem_region region;
};

struct fe_config_space {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t bytes[256];
};

/* The virtio-fs configuration space (virtio 1.2, 5.11.4), little-endian. */
struct fe_fs_config {
	char tag[36];
	uint32_t n_request_queues;
};

#endif
