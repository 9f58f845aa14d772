/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an inode without a descriptor is found again by: its file handle, or the name and
 * directory it was last seen under, or both; and the compact store of these keys.
 *
 * Keys lie in the arena, cut into chained cells, because most are short and some are long. A key
 * belongs to one slot; the table that owns the slot sees to it that nobody reads a key while it
 * is replaced. Putting and dropping take no lock.
 */
#ifndef FUSE_PASSTHROUGH_INODE_KEY_H
#define FUSE_PASSTHROUGH_INODE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuse/passthrough/slot.h"

#define INODE_HANDLE_MAX 128u /* MAX_HANDLE_SZ of the kernel */
#define INODE_NAME_MAX	 255u

struct inode_handle {
	int32_t type;
	uint8_t n_bytes; /* 0: none */
	unsigned char bytes[INODE_HANDLE_MAX];
};

struct inode_name {
	uint64_t parent; /* nodeid; 0: none */
	char text[INODE_NAME_MAX + 1];
};

struct inode_key {
	struct inode_handle handle;
	struct inode_name name;
};

bool inode_handle_equal(const struct inode_handle *a, const struct inode_handle *b);

/* False when it does not fit. */
bool inode_name_set(struct inode_name *name, uint64_t parent, const char *text);

#define KEY_NONE       0u

/* One cell is a handle of up to 20 bytes or a name of up to 12. */
#define KEY_CELL_BYTES 28u

struct key_cell {
	uint32_t next; /* cell + 1, 0 at the end */
	unsigned char data[KEY_CELL_BYTES];
};

_Static_assert(sizeof(struct key_cell) == 32, "two cells per cache line");

struct key_store {
	struct key_cell *cells; /* borrowed, in the arena */
	struct slot_pool pool;
};

size_t key_store_section_bytes(uint32_t n_cells);

/* `section` is borrowed; what is in it stays. */
int key_store_init(struct key_store *store, void *section, uint32_t n_cells);
void key_store_deinit(struct key_store *store);

/*
 * After key_store_init() on a section that was in use: each key that is referred to is claimed in
 * `claims`, of key_store_n_used() zeroes; false when it is broken. Then the rest becomes free.
 */
uint32_t key_store_n_used(const struct key_store *store);
bool key_store_claim(const struct key_store *store, uint32_t number, uint8_t *claims);
void key_store_free_unclaimed(struct key_store *store, const uint8_t *claims);

/* The new key's number, or KEY_NONE when the store is full. */
uint32_t key_store_put(struct key_store *store, const struct inode_key *key);
void key_store_get(const struct key_store *store, uint32_t number, struct inode_key *ret_key);
/* KEY_NONE is accepted. */
void key_store_drop(struct key_store *store, uint32_t number);

/* Whether the key has a handle; KEY_NONE has none. */
bool key_store_has_handle(const struct key_store *store, uint32_t number);

#endif
