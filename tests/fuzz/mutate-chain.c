/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of fuzz-chain's input: fields of descriptors, in the ring and in the indirect table that
 * follows it, and of the available ring, each with a value that may get far.
 */
#include <linux/virtio_ring.h>
#include <string.h>

#include "base/util.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/vhost-peer.h"

#define DESC_BYTES  (PEER_RING * 16)
#define AVAIL_AT    (1 + DESC_BYTES)
#define INDIRECT_AT (AVAIL_AT + 4 + 2 * PEER_RING + 2)

static void put(uint8_t *data, size_t size, size_t at, const void *bytes, size_t n)
{
	if (at + n <= size)
		memcpy(data + at, bytes, n);
}

static void change_desc(uint8_t *data, size_t size, size_t at, uint64_t *random)
{
	static const uint64_t gpas[] = { PEER_GPA,
					 PEER_GPA + 0x1000,
					 PEER_GPA + PEER_DATA_AT,
					 PEER_GPA + PEER_DATA_AT + 8,
					 PEER_GPA + PEER_BYTES - 16,
					 PEER_GPA + PEER_BYTES,
					 0,
					 UINT64_MAX - 7 };
	static const uint32_t lens[] = { 0, 1, 16, 17, 32, 48, 64, 4096, 65536, UINT32_MAX };
	static const uint16_t flags[] = { 0,
					  VRING_DESC_F_NEXT,
					  VRING_DESC_F_WRITE,
					  VRING_DESC_F_WRITE | VRING_DESC_F_NEXT,
					  VRING_DESC_F_INDIRECT,
					  VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT };
	uint16_t next = (uint16_t)fuzz_random(random, PEER_RING + 2);

	switch (fuzz_random(random, 4)) {
	case 0:
		put(data, size, at, &gpas[fuzz_random(random, ARRAY_SIZE(gpas))], 8);
		break;
	case 1:
		put(data, size, at + 8, &lens[fuzz_random(random, ARRAY_SIZE(lens))], 4);
		break;
	case 2:
		put(data, size, at + 12, &flags[fuzz_random(random, ARRAY_SIZE(flags))], 2);
		break;
	default:
		put(data, size, at + 14, &next, 2);
	}
}

size_t fuzz_mutate(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	uint64_t random = seed;
	uint16_t number = (uint16_t)fuzz_random(&random, PEER_RING + 3);

	(void)max;
	switch (fuzz_random(&random, 8)) {
	case 0 ... 3:
		change_desc(data, size, 1 + 16 * (size_t)fuzz_random(&random, PEER_RING), &random);
		break;
	case 4 ... 5:
		change_desc(data, size, INDIRECT_AT + 16 * (size_t)fuzz_random(&random, 8),
			    &random);
		break;
	case 6: /* the index, or an entry of the available ring */
		put(data, size, AVAIL_AT + 2 + 2 * (size_t)fuzz_random(&random, PEER_RING + 1),
		    &number, 2);
		break;
	default:
		if (size)
			data[0] = (uint8_t)fuzz_random(&random, 4);
	}
	return size;
}
