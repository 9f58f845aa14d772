/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory as the front-end described it: an immutable, counted table of mapped regions.
 *
 * A change (SET_MEM_TABLE, ADD_MEM_REG, REM_MEM_REG) makes a new table; chains in flight keep the
 * one they were popped with, and a region is unmapped when the last table that has it goes.
 * Mappings may be cut short under us by a front-end that truncates its file: a SIGBUS handler
 * puts zero pages in their place, so that only that guest's data suffers.
 */
#ifndef VHOST_MEMORY_H
#define VHOST_MEMORY_H

#include <stdint.h>
#include <sys/uio.h>

#define GUEST_MEMORY_MAX_REGIONS 509u

struct guest_memory;

struct guest_region_desc {
	uint64_t gpa; /* guest physical start */
	uint64_t size_bytes;
	uint64_t uva; /* front-end virtual start */
	uint64_t mmap_offset;
};

/* An empty table with one reference. NULL when out of memory. */
struct guest_memory *guest_memory_new(void);

/*
 * A new table: `base` plus one region, mapped from `fd`, which is taken on success. -EINVAL for zero size, wrap,
 * overlap or a file too short for the region; -ENOSPC at the limit; -errno of mmap(2).
 */
int guest_memory_add(struct guest_memory *base, const struct guest_region_desc *desc, int fd,
		     struct guest_memory **ret_memory);

/* A new table: `base` without the region that matches gpa, size and uva. -ENOENT if none does. */
int guest_memory_remove(struct guest_memory *base, const struct guest_region_desc *desc,
			struct guest_memory **ret_memory);

struct guest_memory *guest_memory_get(struct guest_memory *memory);
void guest_memory_put(struct guest_memory *memory);

/*
 * The longest directly mapped piece that starts at `gpa`, at most `len` bytes. NULL when `gpa` is
 * not in any region. *ret_len is at least 1 on success.
 */
void *guest_memory_from_gpa(const struct guest_memory *memory, uint64_t gpa, uint64_t len,
			    uint64_t *ret_len);

/* Same for a front-end virtual address; the whole range must lie in one region, else NULL. */
void *guest_memory_from_uva(const struct guest_memory *memory, uint64_t uva, uint64_t len);

/* Process-wide, before threads start: survive SIGBUS inside guest memory; others stay fatal. */
int guest_memory_install_sigbus_handler(void);

#endif
