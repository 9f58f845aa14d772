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

#endif
