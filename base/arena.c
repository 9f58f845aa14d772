/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state arena: a memfd mapped shared.
 */
#include "base/arena.h"

#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/util.h"

#define ARENA_MAGIC 0x616e657261736676ull /* "vfsarena" in memory order */
#define ARENA_PAGE  4096u

struct arena_header {
	uint64_t magic;
	uint32_t layout_version;
	uint32_t n_sections;
	struct {
		uint64_t offset;
		uint64_t size;
	} section[ARENA_N_SECTIONS];
};

static void write_header(struct arena *arena)
{
	struct arena_header *head = (struct arena_header *)arena->base;

	head->layout_version = ARENA_LAYOUT_VERSION;
	head->n_sections = ARENA_N_SECTIONS;
	for (int i = 0; i < ARENA_N_SECTIONS; i++) {
		head->section[i].offset = arena->offset[i];
		head->section[i].size = arena->size[i];
	}
	/* Last: a reader that sees the magic sees a complete header. */
	__atomic_store_n(&head->magic, ARENA_MAGIC, __ATOMIC_RELEASE);
}

int arena_init(struct arena *arena, const size_t sizes[ARENA_N_SECTIONS])
{
	cleanup_fd int fd = -1;
	size_t total = ARENA_PAGE;
	void *map;

	*arena = (struct arena)ARENA_NULL;
	for (int i = 0; i < ARENA_N_SECTIONS; i++) {
		arena->offset[i] = total;
		arena->size[i] = sizes[i];
		if (add_overflows(total, align_up(sizes[i], ARENA_PAGE), &total))
			return -EINVAL;
	}
	fd = memfd_create("virtiofsd-state", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)total) < 0)
		return -errno;
	map = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	arena->fd = take_fd(&fd);
	arena->base = map;
	arena->bytes = total;
	write_header(arena);
	return 0;
}

void arena_deinit(struct arena *arena)
{
	if (arena->base)
		munmap(arena->base, arena->bytes);
	arena->base = NULL;
	fd_close(&arena->fd);
}
