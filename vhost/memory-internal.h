/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory, for this folder only.
 */
#ifndef VHOST_MEMORY_INTERNAL_H
#define VHOST_MEMORY_INTERNAL_H

#include <stdbool.h>

#include "base/util.h"
#include "vhost/memory.h"

struct guest_mapping;

struct guest_region {
	uint64_t gpa;
	uint64_t size_bytes;
	uint64_t uva;
	char *hva;
	struct guest_mapping *mapping; /* counted */
};

struct guest_memory {
	unsigned int refs; /* atomic */
	unsigned int n_regions;
	struct guest_region regions[]; /* sorted by gpa, disjoint */
};

/*
 * Where [gpa, gpa + len) is mapped if all of it lies in this region, else NULL. Most of what a guest
 * names lies in one region, and in the same one: who translates much keeps it at hand.
 */
static inline void *guest_region_at(const struct guest_region *region, uint64_t gpa, uint64_t len)
{
	uint64_t offset = gpa - region->gpa; /* huge for what lies below */

	return range_fits(offset, len, region->size_bytes) ? region->hva + offset : NULL;
}

/* The region that has this address, or NULL. */
const struct guest_region *guest_memory_region(const struct guest_memory *memory, uint64_t gpa);

bool guest_memory_is_empty(const struct guest_memory *memory);

unsigned int guest_memory_n_regions(const struct guest_memory *memory);

/* A region as it was added. Returns the descriptor it is mapped from; borrowed. */
int guest_memory_describe(const struct guest_memory *memory, unsigned int i,
			  struct guest_region_desc *ret_desc);

#endif
