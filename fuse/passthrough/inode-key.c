/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of inodes without a descriptor.
 */
#include "fuse/passthrough/inode-key.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"

/* How a key begins in its cells; then the handle's bytes, the parent if named, the name. */
struct key_head {
	int32_t type;
	uint8_t handle_bytes;
	uint8_t name_bytes;
	uint8_t spare[2];
};

bool inode_handle_equal(const struct inode_handle *a, const struct inode_handle *b)
{
	return a->n_bytes && a->n_bytes == b->n_bytes && a->type == b->type &&
	       memcmp(a->bytes, b->bytes, a->n_bytes) == 0;
}

bool inode_name_set(struct inode_name *name, uint64_t parent, const char *text)
{
	size_t n = strnlen(text, INODE_NAME_MAX + 1);

	name->parent = 0;
	if (!n || n > INODE_NAME_MAX)
		return false;
	name->parent = parent;
	memcpy(name->text, text, n + 1);
	return true;
}

size_t key_store_section_bytes(uint32_t n_cells)
{
	return sizeof(struct slot_section) + (size_t)n_cells * sizeof(struct key_cell);
}

int key_store_init(struct key_store *store, void *section, uint32_t n_cells)
{
	store->cells = (struct key_cell *)((struct slot_section *)section + 1);
	return slot_pool_init(&store->pool, section, n_cells);
}

void key_store_deinit(struct key_store *store)
{
	slot_pool_deinit(&store->pool);
}

/* ---- A key as a row of bytes in cells ---- */

struct cell_cursor {
	struct key_cell *cells;
	struct key_cell *at;
	unsigned int used; /* bytes of *at behind the cursor */
};

static void next_cell(struct cell_cursor *cursor)
{
	if (cursor->used < KEY_CELL_BYTES)
		return;
	cursor->at = &cursor->cells[cursor->at->next - 1];
	cursor->used = 0;
}

static void write_bytes(struct cell_cursor *cursor, const void *bytes, size_t n)
{
	const unsigned char *from = bytes;

	while (n) {
		size_t part;

		next_cell(cursor);
		part = MIN(n, (size_t)(KEY_CELL_BYTES - cursor->used));
		memcpy(cursor->at->data + cursor->used, from, part);
		cursor->used += (unsigned int)part;
		from += part;
		n -= part;
	}
}

static void read_bytes(struct cell_cursor *cursor, void *bytes, size_t n)
{
	unsigned char *to = bytes;

	while (n) {
		size_t part;

		next_cell(cursor);
		part = MIN(n, (size_t)(KEY_CELL_BYTES - cursor->used));
		memcpy(to, cursor->at->data + cursor->used, part);
		cursor->used += (unsigned int)part;
		to += part;
		n -= part;
	}
}

static struct key_head head_of(const struct key_store *store, uint32_t number)
{
	struct key_head head;

	memcpy(&head, store->cells[number - 1].data, sizeof(head));
	return head;
}

static size_t key_bytes(const struct key_head *head)
{
	size_t n = sizeof(*head) + head->handle_bytes;

	return head->name_bytes ? n + sizeof(uint64_t) + head->name_bytes : n;
}

static size_t cells_of(const struct key_head *head)
{
	return (key_bytes(head) + KEY_CELL_BYTES - 1) / KEY_CELL_BYTES;
}

/* ---- Life ---- */

static uint32_t take_chain(struct key_store *store, size_t n)
{
	uint32_t number = KEY_NONE;

	while (n--) {
		uint32_t cell = slot_pool_take(&store->pool);

		if (cell == SLOT_NONE) {
			/* What was taken so far is a chain, too, if not yet a key. */
			while (number != KEY_NONE) {
				uint32_t next = store->cells[number - 1].next;

				slot_pool_give(&store->pool, number - 1);
				number = next;
			}
			return KEY_NONE;
		}
		store->cells[cell].next = number;
		number = cell + 1;
	}
	return number;
}

uint32_t key_store_put(struct key_store *store, const struct inode_key *key)
{
	struct key_head head = {
		.type = key->handle.type,
		.handle_bytes = key->handle.n_bytes,
	};
	struct cell_cursor cursor = { .cells = store->cells };
	uint32_t number;

	if (key->name.parent)
		head.name_bytes = (uint8_t)strnlen(key->name.text, INODE_NAME_MAX);
	number = take_chain(store, cells_of(&head));
	if (number == KEY_NONE)
		return KEY_NONE;
	cursor.at = &store->cells[number - 1];
	write_bytes(&cursor, &head, sizeof(head));
	write_bytes(&cursor, key->handle.bytes, head.handle_bytes);
	if (head.name_bytes) {
		write_bytes(&cursor, &key->name.parent, sizeof(key->name.parent));
		write_bytes(&cursor, key->name.text, head.name_bytes);
	}
	return number;
}

void key_store_get(const struct key_store *store, uint32_t number, struct inode_key *ret_key)
{
	struct cell_cursor cursor = { .cells = store->cells };
	struct key_head head;

	ret_key->handle.n_bytes = 0;
	ret_key->name.parent = 0;
	if (number == KEY_NONE)
		return;
	cursor.at = &store->cells[number - 1];
	read_bytes(&cursor, &head, sizeof(head));
	ret_key->handle.type = head.type;
	ret_key->handle.n_bytes = MIN(head.handle_bytes, (uint8_t)INODE_HANDLE_MAX);
	read_bytes(&cursor, ret_key->handle.bytes, ret_key->handle.n_bytes);
	if (!head.name_bytes)
		return;
	read_bytes(&cursor, &ret_key->name.parent, sizeof(ret_key->name.parent));
	read_bytes(&cursor, ret_key->name.text, head.name_bytes);
	ret_key->name.text[head.name_bytes] = '\0';
}

void key_store_drop(struct key_store *store, uint32_t number)
{
	while (number != KEY_NONE) {
		uint32_t next = store->cells[number - 1].next;

		slot_pool_give(&store->pool, number - 1);
		number = next;
	}
}

bool key_store_has_handle(const struct key_store *store, uint32_t number)
{
	return number != KEY_NONE && head_of(store, number).handle_bytes;
}

/* ---- Succession ---- */

uint32_t key_store_n_used(const struct key_store *store)
{
	return slot_pool_used(&store->pool);
}

bool key_store_claim(const struct key_store *store, uint32_t number, uint8_t *claims)
{
	uint32_t n_used = key_store_n_used(store);
	struct key_head head;
	size_t n;

	if (number == KEY_NONE || number > n_used)
		return false;
	head = head_of(store, number);
	n = cells_of(&head);
	for (uint32_t at = number; n; at = store->cells[at - 1].next, n--) {
		if (at == KEY_NONE || at > n_used || claims[at - 1])
			return false;
		claims[at - 1] = 1;
	}
	return true;
}

void key_store_free_unclaimed(struct key_store *store, const uint8_t *claims)
{
	for (uint32_t i = 0; i < key_store_n_used(store); i++)
		if (!claims[i])
			slot_pool_give(&store->pool, i);
}
