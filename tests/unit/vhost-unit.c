/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory and rings for the unit tests of vhost/: the driver's side, in this process.
 */
#include "tests/unit/vhost-unit.h"

#include <glib.h>
#include <sys/mman.h>
#include <unistd.h>

void unit_ram_init(struct unit_ram *ram)
{
	ram->fd = memfd_create("guest", MFD_CLOEXEC);
	g_assert_cmpint(ram->fd, >=, 0);
	g_assert_cmpint(ftruncate(ram->fd, UNIT_RAM_SIZE), ==, 0);
	ram->map = mmap(NULL, UNIT_RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ram->fd, 0);
	g_assert_true(ram->map != MAP_FAILED);
}

void unit_ram_deinit(struct unit_ram *ram)
{
	munmap(ram->map, UNIT_RAM_SIZE);
	close(ram->fd);
}

struct guest_region_desc unit_region(unsigned int page, unsigned int n_pages)
{
	uint64_t offset = (uint64_t)page * UNIT_PAGE;

	return (struct guest_region_desc){
		.gpa = unit_gpa(offset),
		.uva = unit_uva(offset),
		.size_bytes = (uint64_t)n_pages * UNIT_PAGE,
		.mmap_offset = offset,
	};
}

struct guest_memory *unit_memory(const struct unit_ram *ram)
{
	struct guest_region_desc desc = unit_region(0, UNIT_RAM_SIZE / UNIT_PAGE);
	struct guest_memory *empty = guest_memory_new(), *memory = NULL;

	g_assert_cmpint(guest_memory_add(empty, &desc, dup(ram->fd), &memory), ==, 0);
	guest_memory_put(empty);
	return memory;
}

void unit_ring_init(struct unit_ring *ring, const struct unit_ram *ram)
{
	*ring = (struct unit_ring){
		.desc = (struct vring_desc *)(ram->map + UNIT_DESC_OFFSET),
		.avail = (struct vring_avail *)(ram->map + UNIT_AVAIL_OFFSET),
		.used = (struct vring_used *)(ram->map + UNIT_USED_OFFSET),
	};
}

void unit_desc(struct unit_ring *ring, unsigned int i, uint64_t gpa, uint32_t len, uint16_t flags,
	       uint16_t next)
{
	ring->desc[i] =
		(struct vring_desc){ .addr = gpa, .len = len, .flags = flags, .next = next };
}

void unit_offer(struct unit_ring *ring, uint16_t head)
{
	ring->avail->ring[ring->next_avail % UNIT_RING_SIZE] = head;
	ring->next_avail++;
	__atomic_store_n(&ring->avail->idx, ring->next_avail, __ATOMIC_RELEASE);
}

void *unit_section_new(size_t bytes)
{
	void *section = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	g_assert_true(section != MAP_FAILED);
	return section;
}

void unit_section_free(void *section, size_t bytes)
{
	g_assert_cmpint(munmap(section, bytes), ==, 0);
}

unsigned int unit_count_fds(void)
{
	GDir *dir = g_dir_open("/proc/self/fd", 0, NULL);
	unsigned int n = 0;

	g_assert_nonnull(dir);
	while (g_dir_read_name(dir))
		n++;
	g_dir_close(dir);
	return n;
}
