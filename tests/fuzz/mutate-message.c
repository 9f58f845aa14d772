/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of fuzz-message's input: messages more or less, with another request number, a queue that
 * exists, the size that the payload has, other descriptors.
 */
#include <string.h>

#include "base/util.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/vhost-peer.h"
#include "tests/lib/vhost-user-wire.h"

#define MAX_PIECES 200
#define MAX_FDS	   16u

struct piece {
	size_t at;    /* of its head: length and descriptors */
	size_t bytes; /* of its message */
	size_t end;
};

static size_t find_pieces(const uint8_t *data, size_t size, struct piece *pieces)
{
	size_t n = 0, at = 1;

	while (n < MAX_PIECES && at + 3 <= size) {
		size_t length = (size_t)(data[at] | data[at + 1] << 8);
		size_t bytes = at + 3 + MIN(data[at + 2], MAX_FDS);

		if (bytes + length > size)
			break;
		pieces[n++] = (struct piece){ at, bytes, bytes + length };
		at = bytes + length;
	}
	return n;
}

static void put(uint8_t *data, const struct piece *piece, size_t offset, const void *bytes,
		size_t n)
{
	if (piece->bytes + offset + n <= piece->end)
		memcpy(data + piece->bytes + offset, bytes, n);
}

static void put_u32(uint8_t *data, const struct piece *piece, size_t offset, uint32_t value)
{
	put(data, piece, offset, &value, sizeof(value));
}

static void change_payload(uint8_t *data, const struct piece *piece, uint64_t *random)
{
	static const uint64_t values[] = { 0,
					   1,
					   PEER_RING,
					   PEER_GPA,
					   PEER_UVA,
					   PEER_UVA + PEER_AVAIL_AT,
					   PEER_BYTES,
					   4096,
					   0x100,
					   FE_F_VERSION_1,
					   UINT64_MAX,
					   PEER_UVA + PEER_BYTES - 8,
					   FE_F_PROTOCOL_FEATURES };
	uint64_t value = values[fuzz_random(random, ARRAY_SIZE(values))];

	put(data, piece, sizeof(struct fe_header) + 8 * (size_t)fuzz_random(random, 6), &value,
	    sizeof(value));
}

static void change_message(uint8_t *data, const struct piece *piece, uint64_t *random)
{
	size_t n = piece->end - piece->bytes;

	switch (fuzz_random(random, 5)) {
	case 0:
		put_u32(data, piece, 0, fuzz_random(random, FE_REQUEST_MAX + 1));
		break;
	case 1:
		put_u32(data, piece, 4,
			FE_FLAG_VERSION | (fuzz_random(random, 2) ? FE_FLAG_NEED_REPLY : 0));
		break;
	case 2:
		if (n >= sizeof(struct fe_header))
			put_u32(data, piece, 8, (uint32_t)(n - sizeof(struct fe_header)));
		break;
	case 3: /* a queue, and mostly a small number with it */
		put_u32(data, piece, sizeof(struct fe_header), fuzz_random(random, 3));
		put_u32(data, piece, sizeof(struct fe_header) + 4, fuzz_random(random, 3));
		break;
	default:
		change_payload(data, piece, random);
	}
}

static size_t double_piece(uint8_t *data, size_t size, size_t max, const struct piece *piece,
			   size_t to)
{
	uint8_t copy[1024];
	size_t n = piece->end - piece->at, now;

	if (n > sizeof(copy))
		return size;
	memcpy(copy, data + piece->at, n);
	now = fuzz_open_gap(data, size, max, to, n);
	if (!now)
		return size;
	memcpy(data + to, copy, n);
	return now;
}

size_t fuzz_mutate(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	struct piece pieces[MAX_PIECES];
	uint64_t random = seed;
	size_t n = find_pieces(data, size, pieces);
	const struct piece *one = &pieces[fuzz_random(&random, (uint32_t)n)];
	const struct piece *other = &pieces[fuzz_random(&random, (uint32_t)n)];

	if (!n)
		return size;
	switch (fuzz_random(&random, 8)) {
	case 0:
		return double_piece(data, size, max, one, other->at);
	case 1:
		return double_piece(data, size, max, one, other->end);
	case 2:
		return fuzz_close_gap(data, size, one->at, one->end - one->at);
	case 3: /* another kind of descriptor */
		if (one->bytes > one->at + 3)
			data[one->at + 3] = (uint8_t)fuzz_random(&random, 6);
		return size;
	default:
		change_message(data, one, &random);
		return size;
	}
}
