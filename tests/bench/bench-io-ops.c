/* SPDX-License-Identifier: Apache-2.0 */
/* The operations on file contents, small files as a whole, and reads under load. */
#include <fcntl.h>

#include "tests/bench/bench-fill.h"
#include "tests/lib/bounded.h"

#define COLD_BYTES (32u << 20)

static uint64_t data_offset(const struct bench_lane *lane, uint64_t number)
{
	uint32_t bytes = lane->op->data_bytes;

	return bench_scatter(number, BENCH_DATA_BYTES / bytes) * bytes;
}

static void fill_read(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	bench_fill_read(slot, lane->data_node, lane->data_fh,
			data_offset(lane, bench_item(lane, slot)->number), lane->op->data_bytes);
}

static void fill_write(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	bench_fill_write(slot, lane->data_node, lane->data_fh,
			 data_offset(lane, bench_item(lane, slot)->number), lane->op->data_bytes);
}

static bool reply_write(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	const struct fuse_write_out *out = (const void *)slot->reply;

	if (out->size != lane->op->data_bytes)
		test_die("%u bytes were written", out->size);
	lane->result.n_units++;
	return true;
}

/* ---- A small file, as "cat" reads it ---- */

enum small_step { SMALL_LOOKUP, SMALL_OPEN, SMALL_READ, SMALL_FLUSH, SMALL_RELEASE };

static void fill_small(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	struct bench_item *item = bench_item(lane, slot);
	struct fuse_flush_in flush = { .fh = item->fh };
	char name[BENCH_NAME_BYTES];

	switch ((enum small_step)step) {
	case SMALL_LOOKUP:
		fuse_slot_prepare(slot, FUSE_LOOKUP, lane->dir);
		bench_file_name(name, lane->index, item->number);
		bench_set_name(slot, name);
		slot->reply_room = sizeof(struct fuse_entry_out);
		break;
	case SMALL_OPEN:
		bench_fill_open(slot, item->nodeid);
		break;
	case SMALL_READ:
		bench_fill_read(slot, item->nodeid, item->fh, 0, lane->op->data_bytes);
		break;
	case SMALL_FLUSH:
		fuse_slot_prepare(slot, FUSE_FLUSH, item->nodeid);
		bench_set_args(slot, &flush, sizeof(flush));
		break;
	case SMALL_RELEASE:
		bench_fill_release(slot, item->nodeid, item->fh);
		break;
	}
}

static bool reply_small(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	struct bench_item *item = bench_item(lane, slot);

	if (step == SMALL_LOOKUP)
		item->nodeid = ((const struct fuse_entry_out *)(const void *)slot->reply)->nodeid;
	else if (step == SMALL_OPEN)
		item->fh = ((const struct fuse_open_out *)(const void *)slot->reply)->fh;
	if (step < SMALL_RELEASE)
		return false;
	lane->result.n_units++;
	return true;
}

/* ---- GETATTR while others on the same queue wait for a disk ---- */

enum { SLOT_GETATTR, SLOT_FSYNC, SLOT_COLD };

static unsigned int slot_role(struct bench_lane *lane, const struct fuse_slot *slot)
{
	return MIN((unsigned int)(bench_item(lane, slot) - lane->items), SLOT_COLD);
}

static uint64_t cold_offset(const struct bench_lane *lane, uint64_t number)
{
	uint32_t bytes = lane->op->data_bytes;

	return bench_scatter(number, COLD_BYTES / bytes) * bytes;
}

static void fill_loaded(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	struct bench_item *item = bench_item(lane, slot);
	uint64_t offset = cold_offset(lane, item->number);
	struct fuse_fsync_in fsync = { .fh = lane->data_fh };

	switch (slot_role(lane, slot)) {
	case SLOT_GETATTR:
		bench_fill_getattr(lane, slot);
		break;
	case SLOT_FSYNC:
		if (!step) {
			bench_fill_write(slot, lane->data_node, lane->data_fh, offset, 4096);
			break;
		}
		fuse_slot_prepare(slot, FUSE_FSYNC, lane->data_node);
		bench_set_args(slot, &fsync, sizeof(fsync));
		break;
	default:
		bench_fill_read(slot, lane->data_node, lane->data_fh, offset, lane->op->data_bytes);
	}
}

static bool reply_loaded(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	struct bench_item *item = bench_item(lane, slot);

	switch (slot_role(lane, slot)) {
	case SLOT_GETATTR:
		lane->result.n_units++;
		return true;
	case SLOT_FSYNC:
		return step == 1;
	default:
		/* So that the next round finds it cold again. */
		(void)posix_fadvise(lane->host_fd, (off_t)cold_offset(lane, item->number),
				    lane->op->data_bytes, POSIX_FADV_DONTNEED);
		return true;
	}
}

/* name, unit, fill, bytes, then what only some have */
#define IO(n, u, f, b, ...)                                                   \
	{                                                                     \
		.name = n, .unit = u, .fill = f, .data_bytes = b, __VA_ARGS__ \
	}

const struct bench_op bench_io_ops[] = {
	IO("small-file", "files", fill_small, 4096, .reply = reply_small,
	   .setup = bench_make_small),
	IO("read-4k", "requests", fill_read, 4096, .setup = bench_make_data),
	IO("read-64k", "requests", fill_read, 64 << 10, .setup = bench_make_data),
	IO("read-1m", "requests", fill_read, 1 << 20, .setup = bench_make_data),
	IO("write-4k", "requests", fill_write, 4096, .reply = reply_write,
	   .setup = bench_make_data),
	IO("write-64k", "requests", fill_write, 64 << 10, .reply = reply_write,
	   .setup = bench_make_data),
	IO("write-1m", "requests", fill_write, 1 << 20, .reply = reply_write,
	   .setup = bench_make_data),
	IO("getattr-loaded", "requests", fill_loaded, 64 << 10, .reply = reply_loaded,
	   .setup = bench_make_cold, .first_slot = true, .extra = true),
	{ 0 },
};
