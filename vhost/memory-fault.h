/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live mappings of guest memory, as the SIGBUS handler sees them.
 */
#ifndef VHOST_MEMORY_FAULT_H
#define VHOST_MEMORY_FAULT_H

#include <stddef.h>

/* Before the mapping is used. `granule` is its page size. Slot number or -ENOSPC. */
int memory_fault_watch(const void *base, size_t bytes, size_t granule);

/* Before the mapping goes away. */
void memory_fault_unwatch(int slot);

#endif
