/* SPDX-License-Identifier: Apache-2.0 */
/* The seeds of fuzz-message and fuzz-chain. */
#include <linux/virtio_ring.h>
#include <string.h>

#include "base/util.h"
#include "tests/fuzz/make-corpus.h"
#include "tests/fuzz/vhost-peer.h"
#include "tests/lib/vhost-user-wire.h"

/* ---- vhost-user messages ---- */

/* A piece of one whole message; kind -1: without a descriptor. */
static void message(GByteArray *to, uint32_t number, uint32_t flags, const void *payload,
		    size_t size, int kind)
{
	const struct fe_header head = { .request = number,
					.flags = FE_FLAG_VERSION | flags,
					.size = (uint32_t)size };

	corpus_add_u16(to, (uint16_t)(sizeof(head) + size));
	corpus_add_u8(to, kind >= 0);
	if (kind >= 0)
		corpus_add_u8(to, (uint8_t)kind);
	corpus_add(to, &head, sizeof(head));
	corpus_add(to, payload, size);
}

static void message_u64(GByteArray *to, uint32_t number, uint64_t value, int kind)
{
	message(to, number, 0, &value, sizeof(value), kind);
}

static void message_vring(GByteArray *to, uint32_t number, uint32_t index, uint32_t num)
{
	const struct fe_vring_state state = { index, num };

	message(to, number, FE_FLAG_NEED_REPLY, &state, sizeof(state), -1);
}

static void add_memory(GByteArray *to)
{
	const struct fe_mem_table table = {
		.n_regions = 1,
		.regions[0] = { .gpa = PEER_GPA, .size = PEER_BYTES, .uva = PEER_UVA },
	};

	message(to, FE_SET_MEM_TABLE, FE_FLAG_NEED_REPLY, &table, 8 + sizeof(table.regions[0]), 5);
}

static void add_queue(GByteArray *to, uint32_t index)
{
	const struct fe_vring_addr addr = {
		.index = index,
		.desc = PEER_UVA + PEER_DESC_AT,
		.avail = PEER_UVA + PEER_AVAIL_AT,
		.used = PEER_UVA + PEER_USED_AT,
	};

	message_vring(to, FE_SET_VRING_NUM, index, PEER_RING);
	message_vring(to, FE_SET_VRING_BASE, index, 0);
	message(to, FE_SET_VRING_ADDR, 0, &addr, sizeof(addr), -1);
	message_u64(to, FE_SET_VRING_CALL, index, 1);
	message_u64(to, FE_SET_VRING_ERR, index, 0);
	message_u64(to, FE_SET_VRING_KICK, index, 0);
	message_vring(to, FE_SET_VRING_ENABLE, index, 1);
}

static void add_opening(GByteArray *to, uint64_t protocol)
{
	message(to, FE_GET_FEATURES, 0, NULL, 0, -1);
	message(to, FE_GET_PROTOCOL_FEATURES, 0, NULL, 0, -1);
	message_u64(to, FE_SET_PROTOCOL_FEATURES, protocol, -1);
	message(to, FE_GET_QUEUE_NUM, 0, NULL, 0, -1);
	message(to, FE_SET_OWNER, 0, NULL, 0, -1);
	message_u64(to, FE_SET_FEATURES,
		    FE_F_VERSION_1 | FE_F_PROTOCOL_FEATURES | FE_F_EVENT_IDX | FE_F_INDIRECT_DESC,
		    -1);
}

static void save_bring_up(void)
{
	GByteArray *to = g_byte_array_new();

	corpus_add_u8(to, 0);
	add_opening(to, FE_P_MQ | FE_P_REPLY_ACK | FE_P_RESET_DEVICE | FE_P_STATUS);
	add_memory(to);
	add_queue(to, 0);
	add_queue(to, 1);
	message_vring(to, FE_SET_VRING_ENABLE, 1, 0);
	message_vring(to, FE_GET_VRING_BASE, 0, 0);
	message_u64(to, FE_SET_STATUS, 0, -1);
	message(to, FE_GET_STATUS, 0, NULL, 0, -1);
	message(to, FE_RESET_DEVICE, 0, NULL, 0, -1);
	corpus_save("message", "bring-up", to);
}

static void save_slots(void)
{
	GByteArray *to = g_byte_array_new();
	const struct fe_mem_single slot = {
		.region = { .gpa = PEER_GPA, .size = PEER_BYTES, .uva = PEER_UVA }
	};
	const struct fe_config_space config = { .size = 44 };

	corpus_add_u8(to, 1);
	add_opening(to, FE_P_REPLY_ACK | FE_P_CONFIGURE_MEM_SLOTS | FE_P_CONFIG | FE_P_BACKEND_REQ |
				FE_P_INBAND_NOTIFICATIONS | FE_P_INFLIGHT_SHMFD |
				FE_P_DEVICE_STATE);
	message(to, FE_GET_MAX_MEM_SLOTS, 0, NULL, 0, -1);
	message(to, FE_SET_BACKEND_REQ_FD, 0, NULL, 0, 2);
	message(to, FE_ADD_MEM_REG, FE_FLAG_NEED_REPLY, &slot, sizeof(slot), 5);
	message(to, FE_GET_CONFIG, 0, &config, 12 + 44, -1);
	add_queue(to, 0);
	message_vring(to, FE_VRING_KICK, 0, 0);
	message(to, FE_REM_MEM_REG, FE_FLAG_NEED_REPLY, &slot, sizeof(slot), -1);
	corpus_save("message", "slots", to);
}

static void save_every_number(void)
{
	GByteArray *to = g_byte_array_new();
	const uint64_t words[4] = { 1, 2, 3, 4 };

	corpus_add_u8(to, 1);
	add_opening(to, UINT64_MAX);
	for (uint32_t number = 0; number <= FE_REQUEST_MAX; number++)
		message(to, number, FE_FLAG_NEED_REPLY, words, (number % 5) * 8,
			number % 2 ? (int)(number % 6) : -1);
	corpus_save("message", "every-number", to);
}

/* A message in three pieces, and one that never ends. */
static void save_cut(void)
{
	GByteArray *to = g_byte_array_new();
	const struct fe_header head = { FE_SET_FEATURES, FE_FLAG_VERSION, 8 };
	const uint8_t *bytes = (const void *)&head;

	corpus_add_u8(to, 0);
	corpus_add_u16(to, 5);
	corpus_add_u8(to, 0);
	corpus_add(to, bytes, 5);
	corpus_add_u16(to, sizeof(head) - 5);
	corpus_add_u8(to, 2);
	corpus_add_u16(to, 0x0502);
	corpus_add(to, bytes + 5, sizeof(head) - 5);
	corpus_add_u16(to, 3);
	corpus_add_u8(to, 0);
	corpus_add(to, "\0\0\0", 3);
	corpus_save("message", "cut", to);
}

/* ---- Rings ---- */

struct ring_image {
	struct vring_desc desc[PEER_RING];
	uint16_t flags, idx, ring[PEER_RING], used_event;
	struct vring_desc indirect[8];
};

static void save_ring(const char *name, uint8_t flags, const struct ring_image *image)
{
	GByteArray *to = g_byte_array_new();

	corpus_add_u8(to, flags);
	corpus_add(to, image->desc, sizeof(image->desc));
	corpus_add(to, &image->flags, 6 + sizeof(image->ring));
	corpus_add(to, image->indirect, sizeof(image->indirect));
	corpus_save("chain", name, to);
}

static void save_chains(void)
{
	const uint64_t data = PEER_GPA + 0x1000, table = PEER_GPA + PEER_DATA_AT;
	const struct ring_image direct = {
		.desc = { { data, 40, VRING_DESC_F_NEXT, 1 },
			  { data + 40, 16, VRING_DESC_F_NEXT, 2 },
			  { data + 4096, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 3 },
			  { data + 8192, 4096, VRING_DESC_F_WRITE, 0 },
			  { data, 48, 0, 0 } },
		.idx = 2,
		.ring = { 0, 4 },
	};
	const struct ring_image indirect = {
		.desc = { { table, 48, VRING_DESC_F_INDIRECT, 0 } },
		.idx = 1,
		.indirect = { { data, 56, VRING_DESC_F_NEXT, 1 },
			      { data + 256, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2 },
			      { data + 512, 104, VRING_DESC_F_WRITE, 0 } },
	};
	const struct ring_image loops = {
		.desc = { { data, 1, VRING_DESC_F_NEXT, 1 },
			  { data, 1, VRING_DESC_F_NEXT, 0 },
			  { table, 128, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 0 },
			  { table, 16, VRING_DESC_F_INDIRECT, 0 } },
		.idx = 3,
		.ring = { 0, 2, 3 },
		.indirect = { { table, 128, VRING_DESC_F_INDIRECT, 0 } },
	};
	const struct ring_image edges = {
		.desc = { { PEER_GPA + PEER_BYTES - 8, 16, 0, 0 },
			  { 0, 16, VRING_DESC_F_WRITE, 0 },
			  { UINT64_MAX - 4, 16, 0, 0 },
			  { data, UINT32_MAX, VRING_DESC_F_WRITE, 0 },
			  { data, 8, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 5 },
			  { data, 8, 0, 0 } },
		.idx = 6,
		.ring = { 0, 1, 2, 3, 4, 999 },
	};

	save_ring("direct", 1, &direct);
	save_ring("indirect", 3, &indirect);
	save_ring("loops", 2, &loops);
	save_ring("edges", 0, &edges);
}

void corpus_save_vhost(void)
{
	save_bring_up();
	save_slots();
	save_every_number();
	save_cut();
	save_chains();
}
