/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of requests that several operations share. */
#ifndef TESTS_BENCH_BENCH_FILL_H
#define TESTS_BENCH_BENCH_FILL_H

#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/lib/fuse-calls.h"

static inline void bench_set_args(struct fuse_slot *slot, const void *args, uint32_t n_bytes)
{
	memcpy(slot->arg + slot->arg_len, args, n_bytes);
	slot->arg_len += n_bytes;
}

static inline void bench_set_name(struct fuse_slot *slot, const char *name)
{
	bench_set_args(slot, name, (uint32_t)strlen(name) + 1);
}

/* Of one of the lane's nodes, without a handle. */
static inline void bench_fill_getattr(struct bench_lane *lane, struct fuse_slot *slot)
{
	struct fuse_getattr_in in = { 0 };

	fuse_slot_prepare(slot, FUSE_GETATTR,
			  lane->nodes[bench_item(lane, slot)->number % BENCH_FILES]);
	bench_set_args(slot, &in, sizeof(in));
	slot->reply_room = sizeof(struct fuse_attr_out);
}

static inline void bench_fill_open(struct fuse_slot *slot, uint64_t node)
{
	struct fuse_open_in in = { .flags = O_RDONLY };

	fuse_slot_prepare(slot, FUSE_OPEN, node);
	bench_set_args(slot, &in, sizeof(in));
	slot->reply_room = sizeof(struct fuse_open_out);
}

static inline void bench_fill_release(struct fuse_slot *slot, uint64_t node, uint64_t fh)
{
	struct fuse_release_in in = { .fh = fh, .flags = O_RDONLY };

	fuse_slot_prepare(slot, FUSE_RELEASE, node);
	bench_set_args(slot, &in, sizeof(in));
}

static inline void bench_fill_read(struct fuse_slot *slot, uint64_t node, uint64_t fh,
				   uint64_t offset, uint32_t size)
{
	struct fuse_read_in in = { .fh = fh, .offset = offset, .size = size };

	fuse_slot_prepare(slot, FUSE_READ, node);
	bench_set_args(slot, &in, sizeof(in));
	slot->data_in = size;
}

static inline void bench_fill_write(struct fuse_slot *slot, uint64_t node, uint64_t fh,
				    uint64_t offset, uint32_t size)
{
	struct fuse_write_in in = { .fh = fh, .offset = offset, .size = size };

	fuse_slot_prepare(slot, FUSE_WRITE, node);
	bench_set_args(slot, &in, sizeof(in));
	slot->data_out = size;
	slot->reply_room = sizeof(struct fuse_write_out);
}

#endif
