/* SPDX-License-Identifier: Apache-2.0 */
/* Single vhost-user requests with their answers or acknowledgements. */
#include <errno.h>
#include <string.h>

#include "tests/lib/frontend.h"

int fe_set(struct frontend *fe, uint32_t request, const void *payload, uint32_t size,
	   const int *fds, unsigned int n_fds)
{
	bool ack = fe->protocol & FE_P_REPLY_ACK;
	struct fe_reply reply;
	int result = fe_send(fe, request, ack ? FE_FLAG_NEED_REPLY : 0, payload, size, fds, n_fds);

	if (result || !ack)
		return result;
	result = fe_recv_reply(fe, request, &reply);
	if (result)
		return result;
	if (reply.header.size != sizeof(uint64_t))
		return -EPROTO;
	fe->acks++;
	return reply.u64 ? -EREMOTEIO : 0;
}

int fe_set_u64(struct frontend *fe, uint32_t request, uint64_t value)
{
	return fe_set(fe, request, &value, sizeof(value), NULL, 0);
}

int fe_set_vring(struct frontend *fe, uint32_t request, uint32_t index, uint32_t num)
{
	struct fe_vring_state state = { index, num };

	return fe_set(fe, request, &state, sizeof(state), NULL, 0);
}

int fe_set_vring_fd(struct frontend *fe, uint32_t request, uint32_t index, int fd)
{
	uint64_t value = index | (fd < 0 ? FE_VRING_NOFD : 0);

	return fe_set(fe, request, &value, sizeof(value), &fd, fd < 0 ? 0 : 1);
}

int fe_set_vring_addr(struct frontend *fe, const struct fe_vring_addr *addr)
{
	return fe_set(fe, FE_SET_VRING_ADDR, addr, sizeof(*addr), NULL, 0);
}

/* Sends a request and takes an answer of exactly @reply_size bytes. */
static int ask(struct frontend *fe, uint32_t request, const void *payload, uint32_t size,
	       uint32_t reply_size, struct fe_reply *reply)
{
	int result = fe_send(fe, request, 0, payload, size, NULL, 0);

	if (!result)
		result = fe_recv_reply(fe, request, reply);
	if (!result && reply->header.size != reply_size)
		result = -EPROTO;
	return result;
}

int fe_get_u64(struct frontend *fe, uint32_t request, uint64_t *ret_value)
{
	struct fe_reply reply;
	int result = ask(fe, request, NULL, 0, sizeof(uint64_t), &reply);

	if (!result)
		*ret_value = reply.u64;
	return result;
}

int fe_get_vring_base(struct frontend *fe, uint32_t index, uint32_t *ret_base)
{
	struct fe_vring_state state = { .index = index };
	struct fe_reply reply;
	int result = ask(fe, FE_GET_VRING_BASE, &state, sizeof(state), sizeof(state), &reply);

	if (result)
		return result;
	if (reply.state.index != index)
		return -EPROTO;
	*ret_base = reply.state.num;
	return 0;
}

int fe_get_config(struct frontend *fe, uint32_t offset, uint32_t size, void *ret_bytes)
{
	struct fe_config_space config = { .offset = offset, .size = size };
	uint32_t message_size = (uint32_t)offsetof(struct fe_config_space, bytes) + size;
	struct fe_reply reply;
	int result;

	if (size > sizeof(config.bytes))
		return -EMSGSIZE;
	result = fe_send(fe, FE_GET_CONFIG, 0, &config, message_size, NULL, 0);
	if (!result)
		result = fe_recv_reply(fe, FE_GET_CONFIG, &reply);
	if (result)
		return result;
	if (reply.header.size == 0)
		return -EREMOTEIO; /* how a back-end says that the range is invalid */
	if (reply.header.size != message_size || reply.config.size != size)
		return -EPROTO;
	memcpy(ret_bytes, reply.config.bytes, size);
	return 0;
}

static struct fe_mem_region wire_region(const struct guest_region *region)
{
	return (struct fe_mem_region){
		.gpa = region->gpa,
		.size = region->size,
		.uva = guest_uva(region->map),
		.mmap_offset = region->mmap_offset,
	};
}

int fe_set_mem_table(struct frontend *fe, const struct guest_ram *ram)
{
	struct fe_mem_table table = { 0 };
	int fds[FE_MAX_FDS];

	for (unsigned int i = 0; i < ram->n_regions; i++) {
		const struct guest_region *region = &ram->regions[i];

		if (region->fd < 0)
			continue;
		if (table.n_regions == FE_MAX_FDS)
			return -EMSGSIZE;
		fds[table.n_regions] = region->fd;
		table.regions[table.n_regions++] = wire_region(region);
	}
	return fe_set(fe, FE_SET_MEM_TABLE, &table,
		      (uint32_t)(offsetof(struct fe_mem_table, regions) +
				 table.n_regions * sizeof(table.regions[0])),
		      fds, table.n_regions);
}

int fe_add_mem_reg(struct frontend *fe, const struct guest_ram *ram, unsigned int region)
{
	struct fe_mem_single single = { .region = wire_region(&ram->regions[region]) };

	return fe_set(fe, FE_ADD_MEM_REG, &single, sizeof(single), &ram->regions[region].fd, 1);
}

int fe_rem_mem_reg(struct frontend *fe, const struct guest_ram *ram, unsigned int region)
{
	struct fe_mem_single single = { .region = wire_region(&ram->regions[region]) };

	return fe_set(fe, FE_REM_MEM_REG, &single, sizeof(single), NULL, 0);
}
