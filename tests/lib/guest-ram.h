/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of the pretended guest: memfd regions with chosen guest physical
 * addresses, and a bump allocator over them.
 *
 * Three addresses name each byte and never coincide, so that a daemon which
 * mixes them up fails: the pointer here (also the "user address" of vhost-user
 * messages), the guest physical address in descriptors, the offset in the fd.
 */
#ifndef TESTS_LIB_GUEST_RAM_H
#define TESTS_LIB_GUEST_RAM_H

#include <stddef.h>
#include <stdint.h>

#define GUEST_MAX_REGIONS 512
/* The guest physical address that guest_ram_add() gives to its first region. */
#define GUEST_BASE_GPA	  UINT64_C(0x40000000)

struct guest_region {
	uint64_t gpa;
	size_t size;
	uint64_t mmap_offset;
	int fd; /* owned; -1 marks a removed region */
	uint8_t *map;
	size_t used; /* bytes given out by guest_alloc() */
};

struct guest_ram {
	struct guest_region regions[GUEST_MAX_REGIONS];
	unsigned int n_regions;
};

void guest_ram_init(struct guest_ram *mem);
void guest_ram_deinit(struct guest_ram *mem);

/*
 * Adds a shared memory region and returns its index; dies on failure. gpa 0
 * means "right behind the region before", which lets a buffer cross a region
 * edge. mmap_offset is the place of the region inside its fd (page multiple).
 */
unsigned int guest_ram_add(struct guest_ram *mem, uint64_t gpa, size_t size, uint64_t mmap_offset);

/* Unmaps and closes one region; its index stays taken. */
void guest_ram_remove(struct guest_ram *mem, unsigned int index);

/* Zeroed guest memory from the first region with room; dies when there is none. */
void *guest_alloc(struct guest_ram *mem, size_t size, size_t align);
void *guest_alloc_in(struct guest_ram *mem, unsigned int region, size_t size, size_t align);

/* Guest physical address of a pointer into a region; dies for any other pointer. */
uint64_t guest_gpa(const struct guest_ram *mem, const void *pointer);

/* The address of a pointer as vhost-user messages name it. */
static inline uint64_t guest_uva(const void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

#endif
