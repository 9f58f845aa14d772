/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory and rings for the unit tests of vhost/: the driver's side, in this process.
 */
#ifndef TESTS_UNIT_VHOST_UNIT_H
#define TESTS_UNIT_VHOST_UNIT_H

#include <linux/virtio_ring.h>
#include <stdint.h>

#include "vhost/memory.h"

#define UNIT_PAGE     4096u
#define UNIT_RAM_SIZE (64 * UNIT_PAGE)
#define UNIT_GPA      0x100000ull
#define UNIT_UVA      0x7f0000000000ull

/* One region of guest memory in a memfd, mapped for the driver, too. */
struct unit_ram {
	int fd;
	char *map;
};

void unit_ram_init(struct unit_ram *ram);
void unit_ram_deinit(struct unit_ram *ram);

/* A region of the memfd that begins at `page` in file, guest and front-end addresses alike. */
struct guest_region_desc unit_region(unsigned int page, unsigned int n_pages);

/* A table with the whole memfd as one region. */
struct guest_memory *unit_memory(const struct unit_ram *ram);

static inline uint64_t unit_gpa(uint64_t offset)
{
	return UNIT_GPA + offset;
}

static inline uint64_t unit_uva(uint64_t offset)
{
	return UNIT_UVA + offset;
}

/* The driver's view of a ring that lies at the start of the memory. */
#define UNIT_RING_SIZE	  16u
#define UNIT_DESC_OFFSET  0u
#define UNIT_AVAIL_OFFSET 1024u
#define UNIT_USED_OFFSET  2048u

struct unit_ring {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t next_avail;
};

void unit_ring_init(struct unit_ring *ring, const struct unit_ram *ram);
void unit_desc(struct unit_ring *ring, unsigned int i, uint64_t gpa, uint32_t len, uint16_t flags,
	       uint16_t next);
/* Makes a chain available and visible. */
void unit_offer(struct unit_ring *ring, uint16_t head);

/* What would be a section of the state arena: zeroes. */
void *unit_section_new(size_t bytes);
void unit_section_free(void *section, size_t bytes);

/* Number of open descriptors of this process. */
unsigned int unit_count_fds(void);

#endif
