/* SPDX-License-Identifier: Apache-2.0 */
/* Brings a pretended VMM up and down. */
#include "tests/lib/vmm.h"

#include <string.h>

#include "tests/lib/bounded.h"

static void send_memory(struct vmm *vmm)
{
	if (!vmm->config.add_mem_reg) {
		fe_or_die(fe_set_mem_table(&vmm->fe, &vmm->mem), "SET_MEM_TABLE");
		return;
	}
	for (unsigned int i = 0; i < vmm->mem.n_regions; i++)
		fe_or_die(fe_add_mem_reg(&vmm->fe, &vmm->mem, i), "ADD_MEM_REG");
}

static void apply_defaults(struct vmm_config *config)
{
	if (!config->n_request_queues)
		config->n_request_queues = 1;
	if (!config->ring_size)
		config->ring_size = 1024;
	if (!config->memory_bytes)
		config->memory_bytes = 64 << 20;
	if (!config->n_regions)
		config->n_regions = 1;
	if (config->n_request_queues >= VMM_MAX_QUEUES)
		test_die("%u request queues", config->n_request_queues);
}

static uint64_t wanted_protocol(const struct vmm_config *config)
{
	uint64_t bits = FE_P_MQ | FE_P_RESET_DEVICE | config->extra_protocol;

	if (!config->no_reply_ack)
		bits |= FE_P_REPLY_ACK;
	if (config->add_mem_reg)
		bits |= FE_P_CONFIGURE_MEM_SLOTS;
	if (config->inband)
		bits |= FE_P_BACKEND_REQ | FE_P_INBAND_NOTIFICATIONS;
	return bits;
}

void vmm_connect(struct vmm *vmm, const char *socket_path, int fd, const struct vmm_config *config)
{
	uint64_t features = FE_F_VERSION_1;

	memset(vmm, 0, sizeof(*vmm));
	if (config)
		vmm->config = *config;
	apply_defaults(&vmm->config);
	if (!vmm->config.no_event_idx)
		features |= FE_F_EVENT_IDX;
	if (!vmm->config.no_indirect)
		features |= FE_F_INDIRECT_DESC;
	if (socket_path)
		frontend_connect(&vmm->fe, socket_path);
	else
		frontend_init(&vmm->fe, fd);
	fe_or_die(fe_handshake(&vmm->fe, features, wanted_protocol(&vmm->config)), "handshake");
	if (vmm->config.inband) {
		if (!(vmm->fe.protocol & FE_P_INBAND_NOTIFICATIONS))
			test_die("the back-end offers no in-band notifications");
		fe_or_die(fe_open_backend_channel(&vmm->fe), "SET_BACKEND_REQ_FD");
	}
	guest_ram_init(&vmm->mem);
	for (unsigned int i = 0; i < vmm->config.n_regions; i++)
		guest_ram_add(&vmm->mem, 0, vmm->config.memory_bytes, vmm->config.mmap_offset);
	send_memory(vmm);
}

void vmm_start_queues(struct vmm *vmm)
{
	struct ring_config config = {
		.size = vmm->config.ring_size,
		.call = vmm->config.call,
		.inband = vmm->config.inband,
		.event_idx = vmm->fe.features & FE_F_EVENT_IDX,
	};

	for (unsigned int i = 0; i <= vmm->config.n_request_queues; i++) {
		config.index = i;
		ring_init(&vmm->queues[i], &vmm->fe, &vmm->mem, &config);
		vmm->n_queues = i + 1;
		fe_or_die(ring_start(&vmm->queues[i], 0), "start a ring");
	}
}

void vmm_start(struct vmm *vmm, const char *socket_path, int fd, const struct vmm_config *config)
{
	vmm_connect(vmm, socket_path, fd, config);
	vmm_start_queues(vmm);
}

void vmm_stop(struct vmm *vmm)
{
	frontend_close(&vmm->fe);
	for (unsigned int i = 0; i < vmm->n_queues; i++)
		ring_deinit(&vmm->queues[i]);
	vmm->n_queues = 0;
	guest_ram_deinit(&vmm->mem);
}
