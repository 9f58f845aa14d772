/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of fuzz-request's input: requests more or less, in another order, of another operation,
 * about the node or the handle that another request brought, with other flags and values.
 */
#include <linux/fuse.h>
#include <stdbool.h>
#include <string.h>

#include "base/util.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/request-format.h"

#define PIECE_HEAD 5u /* flags, length, room */

struct piece {
	size_t at; /* of its head */
	size_t n;  /* with its head */
};

static size_t find_pieces(const uint8_t *data, size_t size, struct piece *pieces)
{
	size_t n = 0, at = 1;

	while (n < REQUEST_MAX && at + PIECE_HEAD <= size) {
		size_t length = (size_t)(data[at + 1] | data[at + 2] << 8) + PIECE_HEAD;

		pieces[n++] = (struct piece){ at, MIN(length, size - at) };
		at += length;
	}
	return n;
}

static void put(uint8_t *data, const struct piece *piece, size_t offset, const void *bytes,
		size_t n)
{
	if (PIECE_HEAD + offset + n <= piece->n)
		memcpy(data + piece->at + PIECE_HEAD + offset, bytes, n);
}

static size_t double_piece(uint8_t *data, size_t size, size_t max, const struct piece *piece,
			   size_t to)
{
	uint8_t copy[4096];
	size_t n = MIN(piece->n, sizeof(copy)), now;

	memcpy(copy, data + piece->at, n);
	now = n < piece->n ? 0 : fuzz_open_gap(data, size, max, to, n);
	if (!now)
		return size;
	memcpy(data + to, copy, n);
	return now;
}

/* Its unique number and its sender stay. */
static void change_operation(uint8_t *data, const struct piece *piece, uint64_t *random)
{
	uint32_t opcode = fuzz_random(random, 55);

	put(data, piece, offsetof(struct fuse_in_header, opcode), &opcode, sizeof(opcode));
}

static void change_node(uint8_t *data, const struct piece *piece, uint64_t *random)
{
	static const uint64_t fixed[] = { 0, FUSE_ROOT_ID, 2, UINT64_MAX };
	uint64_t node = fuzz_random(random, 4)
				? (uint64_t)REQUEST_MARK_NODE << 32 | fuzz_random(random, 16)
				: fixed[fuzz_random(random, ARRAY_SIZE(fixed))];

	put(data, piece, offsetof(struct fuse_in_header, nodeid), &node, sizeof(node));
}

/* Numbers of 8 bytes are most of what follows the header. */
static void change_word(uint8_t *data, const struct piece *piece, uint64_t *random)
{
	static const uint64_t values[] = { 0,	       1,	  2,	     3,
					   4096,       65536,	  1 << 20,   INT32_MAX,
					   UINT32_MAX, INT64_MAX, UINT64_MAX };
	size_t place = sizeof(struct fuse_in_header) + 8 * (size_t)fuzz_random(random, 8);
	uint64_t word;

	switch (fuzz_random(random, 4)) {
	case 0:
		word = (uint64_t)REQUEST_MARK_NODE << 32 | fuzz_random(random, 16);
		break;
	case 1:
		word = (uint64_t)REQUEST_MARK_HANDLE << 32 | fuzz_random(random, 16);
		break;
	case 2:
		word = values[fuzz_random(random, ARRAY_SIZE(values))];
		break;
	default: /* one bit, for flags */
		word = UINT64_C(1) << fuzz_random(random, 64);
	}
	put(data, piece, place, &word, sizeof(word));
}

static void change_sender(uint8_t *data, const struct piece *piece, uint64_t *random)
{
	static const uint32_t ids[] = { 0, 1, 1000, 65534, UINT32_MAX };
	uint32_t id = ids[fuzz_random(random, ARRAY_SIZE(ids))];
	bool group = fuzz_random(random, 2);

	put(data, piece,
	    group ? offsetof(struct fuse_in_header, gid) : offsetof(struct fuse_in_header, uid),
	    &id, sizeof(id));
}

/* Names that are there, that are not, and that lead out. */
static void change_name(uint8_t *data, const struct piece *piece, uint64_t *random)
{
	static const char *const names[] = { "file",
					     "dir",
					     "inner",
					     "link",
					     "fifo",
					     "new",
					     ".",
					     "..",
					     "",
					     "a/b",
					     "user.a",
					     "security.capability",
					     "system.posix_acl_access" };
	const char *name = names[fuzz_random(random, ARRAY_SIZE(names))];
	size_t offset = sizeof(struct fuse_in_header) + 8 * (size_t)fuzz_random(random, 6);

	put(data, piece, offset, name, strlen(name) + 1);
}

static void change_fields(uint8_t *data, const struct piece *piece, uint64_t *random)
{
	uint32_t length = (uint32_t)(piece->n - PIECE_HEAD);

	switch (fuzz_random(random, 7)) {
	case 0:
		change_operation(data, piece, random);
		break;
	case 1:
		change_node(data, piece, random);
		break;
	case 2 ... 3:
		change_word(data, piece, random);
		break;
	case 4:
		change_sender(data, piece, random);
		break;
	case 5:
		change_name(data, piece, random);
		break;
	default: /* the header tells the truth again */
		put(data, piece, offsetof(struct fuse_in_header, len), &length, sizeof(length));
	}
}

size_t fuzz_mutate(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	struct piece pieces[REQUEST_MAX];
	uint64_t random = seed;
	size_t n = find_pieces(data, size, pieces);
	const struct piece *one = &pieces[fuzz_random(&random, (uint32_t)n)];
	const struct piece *other = &pieces[fuzz_random(&random, (uint32_t)n)];

	if (!n) {
		if (size && max)
			data[0] = (uint8_t)fuzz_random(&random, 256);
		return size;
	}
	switch (fuzz_random(&random, 10)) {
	case 0:
		return double_piece(data, size, max, one, other->at);
	case 1:
		return double_piece(data, size, max, one, size);
	case 2:
		return fuzz_close_gap(data, size, one->at, one->n);
	case 3: /* other session flags */
		data[0] ^= (uint8_t)(1u << fuzz_random(&random, 8));
		return size;
	case 4: /* other room for the reply, other pieces */
		data[one->at] ^= (uint8_t)(1u << fuzz_random(&random, 3));
		data[one->at + 3] = (uint8_t)fuzz_random(&random, 256);
		data[one->at + 4] = (uint8_t)fuzz_random(&random, 32);
		return size;
	default:
		change_fields(data, one, &random);
		return size;
	}
}
