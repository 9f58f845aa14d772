/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state arena: one memfd mapped shared that holds all state a guest has a key to.
 *
 * Everything inside is found by index, never by pointer, so that another process that maps the
 * same memfd (a successor of a dead worker, a newer binary) reads it as it stands. What can be
 * derived from it (hash chains, free lists) lives outside and is rebuilt by a scan.
 *
 * Address space is reserved for the largest size at once; pages cost memory only when touched.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

/* Bumped whenever a structure inside changes its layout. */
#define ARENA_LAYOUT_VERSION 3

enum arena_section {
	ARENA_SESSION, /* what INIT negotiated */
	ARENA_INODES,
	ARENA_KEYS, /* what inodes without a descriptor are found again by */
	ARENA_HANDLES,
	ARENA_VHOST, /* the connection, its queues and what is in flight */
	ARENA_LOCKS, /* who in the guest holds byte range locks */
	ARENA_FDS,   /* descriptors that belong to no single inode or handle */
	ARENA_N_SECTIONS,
};

struct arena {
	int fd;	    /* owned */
	char *base; /* owned mapping */
	size_t bytes;
	size_t offset[ARENA_N_SECTIONS];
	size_t size[ARENA_N_SECTIONS];
};

#define ARENA_NULL       \
	{                \
		.fd = -1 \
	}

/* Creates and maps the arena with sections of the given sizes in bytes. 0 or -errno. */
int arena_init(struct arena *arena, const size_t sizes[ARENA_N_SECTIONS]);

void arena_deinit(struct arena *arena);

/* Start of a section, zero-filled when new; lives as long as the arena. */
static inline void *arena_section(struct arena *arena, enum arena_section which)
{
	return arena->base + arena->offset[which];
}

#endif
