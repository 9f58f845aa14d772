/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory, for this folder only.
 */
#ifndef VHOST_MEMORY_INTERNAL_H
#define VHOST_MEMORY_INTERNAL_H

#include <stdbool.h>

#include "vhost/memory.h"

/*
 * A table of its own with the same mappings: each queue counts chains on its own copy, so that
 * queues do not fight for one cache line. NULL when out of memory.
 */
struct guest_memory *guest_memory_clone(const struct guest_memory *base);

bool guest_memory_is_empty(const struct guest_memory *memory);

unsigned int guest_memory_n_regions(const struct guest_memory *memory);

/* A region as it was added. Returns the descriptor it is mapped from; borrowed. */
int guest_memory_describe(const struct guest_memory *memory, unsigned int i,
			  struct guest_region_desc *ret_desc);

#endif
