/* SPDX-License-Identifier: Apache-2.0 */
/* Regions of pretended guest memory and a bump allocator over them. */
#include "tests/lib/guest-ram.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "tests/lib/bounded.h"

void guest_ram_init(struct guest_ram *ram)
{
	ram->n_regions = 0;
}

void guest_ram_remove(struct guest_ram *ram, unsigned int index)
{
	struct guest_region *region = &ram->regions[index];

	if (region->fd < 0)
		return;
	munmap(region->map, region->size);
	close(region->fd);
	region->fd = -1;
	region->map = NULL;
}

void guest_ram_deinit(struct guest_ram *ram)
{
	for (unsigned int i = 0; i < ram->n_regions; i++)
		guest_ram_remove(ram, i);
	ram->n_regions = 0;
}

unsigned int guest_ram_add(struct guest_ram *ram, uint64_t gpa, size_t size, uint64_t mmap_offset)
{
	struct guest_region *region = &ram->regions[ram->n_regions];
	const struct guest_region *last = ram->n_regions ? region - 1 : NULL;

	if (ram->n_regions == GUEST_MAX_REGIONS)
		test_die("too many guest memory regions");
	if (!gpa)
		gpa = last ? last->gpa + last->size : GUEST_BASE_GPA;
	*region = (struct guest_region){ .gpa = gpa, .size = size, .mmap_offset = mmap_offset };
	region->fd = memfd_create("guest-ram", MFD_CLOEXEC);
	if (region->fd < 0 || ftruncate(region->fd, (off_t)(mmap_offset + size)))
		test_die("guest memory: %s", strerror(errno));
	region->map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, region->fd,
			   (off_t)mmap_offset);
	if (region->map == MAP_FAILED)
		test_die("map guest memory: %s", strerror(errno));
	return ram->n_regions++;
}

static void *try_alloc(struct guest_region *region, size_t size, size_t align)
{
	size_t start = align_up(region->used, align);

	if (region->fd < 0 || !range_fits(start, size, region->size))
		return NULL;
	region->used = start + size;
	return region->map + start;
}

void *guest_alloc(struct guest_ram *ram, size_t size, size_t align)
{
	for (unsigned int i = 0; i < ram->n_regions; i++) {
		void *place = try_alloc(&ram->regions[i], size, align);

		if (place)
			return place;
	}
	test_die("guest memory is too small for %zu more bytes", size);
}

void *guest_alloc_in(struct guest_ram *ram, unsigned int region, size_t size, size_t align)
{
	void *place = try_alloc(&ram->regions[region], size, align);

	if (!place)
		test_die("guest region %u is too small for %zu more bytes", region, size);
	return place;
}

uint64_t guest_gpa(const struct guest_ram *ram, const void *pointer)
{
	for (unsigned int i = 0; i < ram->n_regions; i++) {
		const struct guest_region *region = &ram->regions[i];
		size_t offset = (size_t)((const uint8_t *)pointer - region->map);

		if (region->fd >= 0 && (const uint8_t *)pointer >= region->map &&
		    offset < region->size)
			return region->gpa + offset;
	}
	test_die("%p is not guest memory", pointer);
}
