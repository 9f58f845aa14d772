/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory as the front-end described it: an immutable, counted table of mapped regions.
 *
 * The front-end supplies addresses, sizes and files: any of them may wrap, overlap or lie. After
 * this file a region is non-empty, does not wrap in guest or front-end addresses, overlaps no
 * other in guest addresses, and is mapped for its whole length.
 *
 * Tables are sorted by guest address and never change; only their count does. A mapping is shared
 * by all tables that have its region and goes with the last of them.
 */
#include "vhost/memory.h"

#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"
#include "vhost/memory-fault.h"
#include "vhost/memory-internal.h"

struct guest_mapping {
	unsigned int refs; /* atomic; one per table */
	int watch;	   /* slot of the SIGBUS handler */
	int fd;		   /* owned; to be mapped again by a successor of this process */
	void *base;	   /* owned mapping */
	size_t bytes;
	uint64_t offset; /* in the file */
};

/* ---- Mappings ---- */

/* Page size of the file: mappings of huge pages begin and end at multiples of it. */
static int file_granule(int fd, uint64_t *ret_granule)
{
	struct statfs fs;

	*ret_granule = (uint64_t)sysconf(_SC_PAGESIZE);
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type == HUGETLBFS_MAGIC && is_power_of_two((uint64_t)fs.f_bsize))
		*ret_granule = (uint64_t)fs.f_bsize;
	return 0;
}

/* What a device file holds is the device's business; mmap(2) checks that. */
static int check_file_length(int fd, uint64_t end)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < end)
		return -EINVAL;
	return 0;
}

static void mapping_put(struct guest_mapping *mapping)
{
	if (__atomic_sub_fetch(&mapping->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	memory_fault_unwatch(mapping->watch);
	if (munmap(mapping->base, mapping->bytes) < 0)
		log_error("Cannot unmap guest memory: %s", log_strerror(errno));
	fd_close(&mapping->fd);
	free(mapping);
}

static int mapping_new(int fd, uint64_t offset, size_t bytes, size_t granule,
		       struct guest_mapping **ret_mapping)
{
	struct guest_mapping *mapping = malloc(sizeof(*mapping));
	int r;

	if (!mapping)
		return -ENOMEM;
	*mapping = (struct guest_mapping){
		.refs = 1,
		.fd = fd,
		.bytes = bytes,
		.offset = offset,
	};
	mapping->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
			     (off_t)offset);
	if (mapping->base == MAP_FAILED) {
		r = -errno;
		free(mapping);
		return r;
	}
	/* A core of this process is no place for the memory of a guest. */
	(void)madvise(mapping->base, bytes, MADV_DONTDUMP);
	mapping->watch = memory_fault_watch(mapping->base, bytes, granule);
	if (mapping->watch < 0) {
		r = mapping->watch;
		munmap(mapping->base, bytes);
		free(mapping);
		return r;
	}
	*ret_mapping = mapping;
	return 0;
}

static int region_map(struct guest_region *region, const struct guest_region_desc *desc, int fd)
{
	uint64_t file_end, granule, start, bytes;
	int r;

	if (add_overflows(desc->mmap_offset, desc->size_bytes, &file_end) || file_end > INT64_MAX)
		return -EINVAL;
	r = check_file_length(fd, file_end);
	if (r < 0)
		return r;
	r = file_granule(fd, &granule);
	if (r < 0)
		return r;
	start = desc->mmap_offset & ~(granule - 1);
	bytes = align_up(file_end - start, granule);
	r = mapping_new(fd, start, bytes, granule, &region->mapping);
	if (r < 0)
		return r;
	region->gpa = desc->gpa;
	region->size_bytes = desc->size_bytes;
	region->uva = desc->uva;
	/* The analyzer takes mmap(2) to fail with errno 0 and go on to here. */
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	region->hva = (char *)region->mapping->base + (desc->mmap_offset - start);
	return 0;
}

/* ---- Tables ---- */

static struct guest_memory *table_alloc(unsigned int n_regions)
{
	struct guest_memory *memory =
		malloc(sizeof(*memory) + n_regions * sizeof(memory->regions[0]));

	if (memory) {
		memory->refs = 1;
		memory->n_regions = 0;
	}
	return memory;
}

/* Appends regions of another table and counts their mappings. */
static void table_append(struct guest_memory *memory, const struct guest_region *regions,
			 unsigned int n_regions)
{
	for (unsigned int i = 0; i < n_regions; i++) {
		__atomic_add_fetch(&regions[i].mapping->refs, 1, __ATOMIC_RELAXED);
		memory->regions[memory->n_regions++] = regions[i];
	}
}

struct guest_memory *guest_memory_new(void)
{
	return table_alloc(0);
}

bool guest_memory_is_empty(const struct guest_memory *memory)
{
	return memory->n_regions == 0;
}

/* How many regions begin at or below `gpa`. */
static unsigned int regions_upto(const struct guest_memory *memory, uint64_t gpa)
{
	unsigned int low = 0, high = memory->n_regions;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (memory->regions[middle].gpa <= gpa)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int check_new_region(const struct guest_memory *base, const struct guest_region_desc *desc,
			    unsigned int *ret_place)
{
	unsigned int place;
	uint64_t end;

	if (desc->size_bytes == 0 || add_overflows(desc->gpa, desc->size_bytes - 1, &end) ||
	    add_overflows(desc->uva, desc->size_bytes - 1, &end))
		return -EINVAL;
	if (base->n_regions >= GUEST_MEMORY_MAX_REGIONS)
		return -ENOSPC;
	place = regions_upto(base, desc->gpa);
	if (place > 0) {
		const struct guest_region *below = &base->regions[place - 1];

		if (desc->gpa - below->gpa < below->size_bytes)
			return -EINVAL;
	}
	if (place < base->n_regions && base->regions[place].gpa - desc->gpa < desc->size_bytes)
		return -EINVAL;
	*ret_place = place;
	return 0;
}

int guest_memory_add(struct guest_memory *base, const struct guest_region_desc *desc, int fd,
		     struct guest_memory **ret_memory)
{
	struct guest_memory *memory;
	struct guest_region region;
	unsigned int place;
	int r = check_new_region(base, desc, &place);

	if (r < 0)
		return r;
	memory = table_alloc(base->n_regions + 1);
	if (!memory)
		return -ENOMEM;
	r = region_map(&region, desc, fd);
	if (r < 0) {
		free(memory);
		return r;
	}
	table_append(memory, base->regions, place);
	memory->regions[memory->n_regions++] = region;
	table_append(memory, base->regions + place, base->n_regions - place);
	*ret_memory = memory;
	return 0;
}

int guest_memory_remove(struct guest_memory *base, const struct guest_region_desc *desc,
			struct guest_memory **ret_memory)
{
	unsigned int place = regions_upto(base, desc->gpa);
	const struct guest_region *region;
	struct guest_memory *memory;

	if (place == 0)
		return -ENOENT;
	region = &base->regions[--place];
	if (region->gpa != desc->gpa || region->size_bytes != desc->size_bytes ||
	    region->uva != desc->uva)
		return -ENOENT;
	memory = table_alloc(base->n_regions - 1);
	if (!memory)
		return -ENOMEM;
	table_append(memory, base->regions, place);
	table_append(memory, base->regions + place + 1, base->n_regions - place - 1);
	*ret_memory = memory;
	return 0;
}

unsigned int guest_memory_n_regions(const struct guest_memory *memory)
{
	return memory->n_regions;
}

int guest_memory_describe(const struct guest_memory *memory, unsigned int i,
			  struct guest_region_desc *ret_desc)
{
	const struct guest_region *region = &memory->regions[i];
	const struct guest_mapping *mapping = region->mapping;

	*ret_desc = (struct guest_region_desc){
		.gpa = region->gpa,
		.size_bytes = region->size_bytes,
		.uva = region->uva,
		.mmap_offset = mapping->offset + (uint64_t)(region->hva - (char *)mapping->base),
	};
	return mapping->fd;
}

struct guest_memory *guest_memory_get(struct guest_memory *memory)
{
	__atomic_add_fetch(&memory->refs, 1, __ATOMIC_RELAXED);
	return memory;
}

void guest_memory_put(struct guest_memory *memory)
{
	if (!memory || __atomic_sub_fetch(&memory->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (unsigned int i = 0; i < memory->n_regions; i++)
		mapping_put(memory->regions[i].mapping);
	free(memory);
}

/* ---- Translation ---- */

const struct guest_region *guest_memory_region(const struct guest_memory *memory, uint64_t gpa)
{
	unsigned int place = regions_upto(memory, gpa);
	const struct guest_region *region;

	if (place == 0)
		return NULL;
	region = &memory->regions[place - 1];
	return gpa - region->gpa < region->size_bytes ? region : NULL;
}

void *guest_memory_from_gpa(const struct guest_memory *memory, uint64_t gpa, uint64_t len,
			    uint64_t *ret_len)
{
	const struct guest_region *region = guest_memory_region(memory, gpa);
	uint64_t offset;

	if (!region || len == 0)
		return NULL;
	offset = gpa - region->gpa;
	*ret_len = MIN(len, region->size_bytes - offset);
	return region->hva + offset;
}

void *guest_memory_from_uva(const struct guest_memory *memory, uint64_t uva, uint64_t len)
{
	for (unsigned int i = 0; i < memory->n_regions; i++) {
		const struct guest_region *region = &memory->regions[i];

		/* Regions may share front-end addresses; the first that has them all serves. */
		if (uva >= region->uva && range_fits(uva - region->uva, len, region->size_bytes))
			return region->hva + (uva - region->uva);
	}
	return NULL;
}
