/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages about guest memory.
 *
 * Running queues are stopped around a change, which drains them, and started again on the new
 * table as far as their rings are still mapped. A change that fails leaves the former table.
 */
#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"
#include "vhost/session-internal.h"

static void use_memory(struct vhost_session *session, struct guest_memory *memory)
{
	session_queues_pause(session);
	session->former_memory = session->memory;
	session->memory = memory;
}

static struct guest_region_desc region_desc(const struct vhost_user_region *wire)
{
	return (struct guest_region_desc){
		.gpa = wire->gpa,
		.size_bytes = wire->size,
		.uva = wire->uva,
		.mmap_offset = wire->mmap_offset,
	};
}

static void log_unshared(void)
{
	log_peer("Guest memory is not shared: add share=on to the memory backend "
		 "(memory-backend-memfd or memory-backend-file); in libvirt, "
		 "<memoryBacking> needs <access mode='shared'/>");
}

static void log_map_failure(const struct guest_region_desc *desc, int r)
{
	unsigned long long gpa = desc->gpa, size = desc->size_bytes;

	switch (r) {
	case -EINVAL:
		log_peer("Guest memory region %#llx+%#llx is empty, wraps, overlaps another or is "
			 "longer than its file",
			 gpa, size);
		break;
	case -EACCES:
	case -EPERM:
		log_peer("Guest memory region %#llx+%#llx cannot be written to by this process: "
			 "its file was opened read-only or is sealed; add share=on to the memory "
			 "backend",
			 gpa, size);
		break;
	case -ENODEV:
	case -EBADF:
		log_peer("Guest memory region %#llx+%#llx comes with a descriptor that cannot be "
			 "mapped; use memory-backend-memfd or memory-backend-file with share=on",
			 gpa, size);
		break;
	case -ENOMEM:
		log_peer("Not enough address space or memory to map guest memory region "
			 "%#llx+%#llx: raise the limits of this process, or the number of huge "
			 "pages",
			 gpa, size);
		break;
	case -ENOSPC:
		log_peer("Guest memory has more than %u regions", GUEST_MEMORY_MAX_REGIONS);
		break;
	default:
		log_peer("Cannot map guest memory region %#llx+%#llx: %s", gpa, size,
			 log_strerror(r));
		break;
	}
}

/* Takes the descriptor out of the message. */
static int add_region(struct guest_memory **memory, const struct vhost_user_region *wire, int *fd)
{
	struct guest_region_desc desc = region_desc(wire);
	struct guest_memory *next;
	int r = guest_memory_add(*memory, &desc, *fd, &next);

	if (r < 0) {
		log_map_failure(&desc, r);
		return r;
	}
	(void)take_fd(fd); /* the table has it */
	guest_memory_put(*memory);
	*memory = next;
	return 0;
}

static int check_table(const struct vhost_message *message)
{
	uint32_t n_regions = message->payload.table.n_regions;
	uint64_t bytes = 8 + (uint64_t)n_regions * sizeof(struct vhost_user_region);

	/* User-Mode Linux sends room for two regions with one; less than announced is wrong. */
	if (n_regions > VHOST_USER_TABLE_REGIONS || message->header.size < bytes) {
		log_peer("Refused vhost-user request SET_MEM_TABLE: its size is wrong");
		return -EINVAL;
	}
	if (message->n_fds < n_regions) {
		log_unshared();
		return -EINVAL;
	}
	if (message->n_fds > n_regions) {
		log_peer("Refused vhost-user request SET_MEM_TABLE: more descriptors than regions");
		return -EINVAL;
	}
	return 0;
}

int vhost_set_mem_table(struct vhost_session *session, struct vhost_message *message,
			struct vhost_reply *reply)
{
	const struct vhost_user_mem_table *table = &message->payload.table;
	struct guest_memory *memory;
	int r = check_table(message);

	if (r < 0)
		return r;
	memory = guest_memory_new();
	if (!memory)
		return -ENOMEM;
	for (uint32_t i = 0; i < table->n_regions; i++) {
		r = add_region(&memory, &table->regions[i], &message->fds[i]);
		if (r < 0) {
			guest_memory_put(memory);
			return r;
		}
	}
	log_debug("Guest memory has %u regions", table->n_regions);
	use_memory(session, memory);
	return 0;
}

int vhost_get_max_mem_slots(struct vhost_session *session, struct vhost_message *message,
			    struct vhost_reply *reply)
{
	reply->space.u64 = GUEST_MEMORY_MAX_REGIONS;
	reply->payload = &reply->space;
	reply->size = sizeof(reply->space.u64);
	return 0;
}

int vhost_add_mem_reg(struct vhost_session *session, struct vhost_message *message,
		      struct vhost_reply *reply)
{
	struct guest_memory *memory = guest_memory_get(session->memory);
	int r = add_region(&memory, &message->payload.region.region, &message->fds[0]);

	if (r < 0)
		guest_memory_put(memory);
	else
		use_memory(session, memory);
	return r;
}

int vhost_rem_mem_reg(struct vhost_session *session, struct vhost_message *message,
		      struct vhost_reply *reply)
{
	struct guest_region_desc desc = region_desc(&message->payload.region.region);
	struct guest_memory *memory;
	int r = guest_memory_remove(session->memory, &desc, &memory);

	if (r < 0) {
		log_peer("The front-end removes guest memory that is not there");
		return r;
	}
	use_memory(session, memory);
	return 0;
}
