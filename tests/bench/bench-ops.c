/* SPDX-License-Identifier: Apache-2.0 */
/* The operations that can be measured. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/lib/bounded.h"
#include "tests/lib/fuse-calls.h"

/* What Linux before 6.15 asks for at a time. */
#define LISTING_BYTES 4096

static void set_args(struct fuse_slot *slot, const void *args, uint32_t n_bytes)
{
	memcpy(slot->arg + slot->arg_len, args, n_bytes);
	slot->arg_len += n_bytes;
}

static void set_name(struct fuse_slot *slot, const char *name)
{
	set_args(slot, name, (uint32_t)strlen(name) + 1);
}

/* A request that needs no system call: both known daemons answer BMAP by ENOSYS. */
static void fill_noop(struct bench *bench, struct fuse_slot *slot, unsigned int step)
{
	struct fuse_bmap_in in = { .blocksize = 4096 };

	(void)bench;
	(void)step;
	fuse_slot_prepare(slot, FUSE_BMAP, FUSE_ROOT_ID);
	set_args(slot, &in, sizeof(in));
	slot->reply_room = sizeof(struct fuse_bmap_out);
}

static void fill_lookup(struct bench *bench, struct fuse_slot *slot, unsigned int step)
{
	char name[BENCH_NAME_BYTES];

	(void)step;
	fuse_slot_prepare(slot, FUSE_LOOKUP, bench->dir);
	bench_file_name(name, bench_item(bench, slot)->number);
	set_name(slot, name);
	slot->reply_room = sizeof(struct fuse_entry_out);
}

static void fill_lookup_new(struct bench *bench, struct fuse_slot *slot, unsigned int step)
{
	char name[BENCH_NAME_BYTES];

	(void)step;
	fuse_slot_prepare(slot, FUSE_LOOKUP, bench->dir);
	bench_many_name(name, bench_item(bench, slot)->number);
	set_name(slot, name);
	slot->reply_room = sizeof(struct fuse_entry_out);
}

static bool reply_lookup_new(struct bench *bench, struct fuse_slot *slot, unsigned int step)
{
	const struct fuse_entry_out *entry = (const void *)slot->reply;

	(void)step;
	bench->made_node[bench_item(bench, slot)->number % BENCH_BATCH] = entry->nodeid;
	bench->result.n_units++;
	return true;
}

static void forget_made(struct bench *bench, unsigned int n)
{
	struct fuse_forget_one items[BENCH_BATCH];

	for (unsigned int i = 0; i < n; i++) {
		uint64_t number = bench->next_number - 1 - i;

		items[i].nodeid = bench->made_node[number % BENCH_BATCH];
		items[i].nlookup = 1;
	}
	fuse_batch_forget(&bench->client, items, n);
}

static void fill_getattr(struct bench *bench, struct fuse_slot *slot, unsigned int step)
{
	struct fuse_getattr_in in = { 0 };

	(void)step;
	fuse_slot_prepare(slot, FUSE_GETATTR,
			  bench->nodes[bench_item(bench, slot)->number % BENCH_FILES]);
	set_args(slot, &in, sizeof(in));
	slot->reply_room = sizeof(struct fuse_attr_out);
}

static void fill_open(struct bench *bench, struct fuse_slot *slot, unsigned int step)
{
	struct bench_item *item = bench_item(bench, slot);
	uint64_t node = bench->nodes[item->number % BENCH_FILES];
	struct fuse_open_in open = { .flags = O_RDONLY };
	struct fuse_release_in release = { .fh = item->fh, .flags = O_RDONLY };

	fuse_slot_prepare(slot, step ? FUSE_RELEASE : FUSE_OPEN, node);
	if (step) {
		set_args(slot, &release, sizeof(release));
	} else {
		set_args(slot, &open, sizeof(open));
		slot->reply_room = sizeof(struct fuse_open_out);
	}
}

static bool reply_open(struct bench *bench, struct fuse_slot *slot, unsigned int step)
{
	const struct fuse_open_out *open = (const void *)slot->reply;

	if (!step) {
		bench_item(bench, slot)->fh = open->fh;
		return false;
	}
	bench->result.n_units++;
	return true;
}

static void created_name(char name[BENCH_NAME_BYTES], uint64_t number)
{
	snprintf(name, BENCH_NAME_BYTES, "created-%03u", (unsigned int)(number % BENCH_BATCH));
}

static void fill_create(struct bench *bench, struct fuse_slot *slot, unsigned int step)
{
	struct fuse_create_in in = { .flags = O_RDWR | O_CREAT | O_EXCL, .mode = S_IFREG | 0644 };
	char name[BENCH_NAME_BYTES];

	(void)step;
	fuse_slot_prepare(slot, FUSE_CREATE, bench->dir);
	set_args(slot, &in, sizeof(in));
	created_name(name, bench_item(bench, slot)->number);
	set_name(slot, name);
	slot->reply_room = sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out);
}

static bool reply_create(struct bench *bench, struct fuse_slot *slot, unsigned int step)
{
	const struct fuse_entry_out *entry = (const void *)slot->reply;
	const struct fuse_open_out *open = (const void *)(slot->reply + sizeof(*entry));
	uint64_t place = bench_item(bench, slot)->number % BENCH_BATCH;

	(void)step;
	bench->made_node[place] = entry->nodeid;
	bench->made_fh[place] = open->fh;
	bench->result.n_units++;
	return true;
}

static void undo_create(struct bench *bench, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		uint64_t number = bench->next_number - 1 - i;
		uint64_t place = number % BENCH_BATCH;
		char name[BENCH_NAME_BYTES];

		created_name(name, number);
		if (fuse_release(&bench->client, bench->made_node[place], bench->made_fh[place]) ||
		    fuse_unlink(&bench->client, bench->dir, name))
			test_die("remove %s", name);
	}
	forget_made(bench, n);
}

/* Scattered over the file, each block once before any comes again. */
static uint64_t data_offset(const struct bench *bench, uint64_t number)
{
	uint64_t n_blocks = BENCH_DATA_BYTES / bench->op->data_bytes;

	return number * 37 % n_blocks * bench->op->data_bytes;
}

static void fill_read(struct bench *bench, struct fuse_slot *slot, unsigned int step)
{
	struct fuse_read_in in = {
		.fh = bench->data_fh,
		.offset = data_offset(bench, bench_item(bench, slot)->number),
		.size = bench->op->data_bytes,
	};

	(void)step;
	fuse_slot_prepare(slot, FUSE_READ, bench->data_node);
	set_args(slot, &in, sizeof(in));
	slot->data_in = in.size;
}

static void fill_write(struct bench *bench, struct fuse_slot *slot, unsigned int step)
{
	struct fuse_write_in in = {
		.fh = bench->data_fh,
		.offset = data_offset(bench, bench_item(bench, slot)->number),
		.size = bench->op->data_bytes,
	};

	(void)step;
	fuse_slot_prepare(slot, FUSE_WRITE, bench->data_node);
	set_args(slot, &in, sizeof(in));
	slot->data_out = in.size;
	slot->reply_room = sizeof(struct fuse_write_out);
}

static bool reply_write(struct bench *bench, struct fuse_slot *slot, unsigned int step)
{
	const struct fuse_write_out *out = (const void *)slot->reply;

	(void)step;
	if (out->size != bench->op->data_bytes)
		test_die("%u bytes were written", out->size);
	bench->result.n_units++;
	return true;
}

/* Each slot lists through a handle of its own. */
static void setup_listing(struct bench *bench)
{
	struct fuse_open_out open;

	bench_make_many(bench);
	for (unsigned int i = 0; i < bench->depth; i++) {
		if (fuse_opendir(&bench->client, bench->dir, O_DIRECTORY, &open))
			test_die("the folder does not open");
		bench->items[i].fh = open.fh;
	}
}

static void fill_listing(struct bench *bench, struct fuse_slot *slot, unsigned int step)
{
	struct bench_item *item = bench_item(bench, slot);
	struct fuse_read_in in = { .fh = item->fh, .size = LISTING_BYTES };

	if (step)
		in.offset = item->offset;
	fuse_slot_prepare(slot, FUSE_READDIRPLUS, bench->dir);
	set_args(slot, &in, sizeof(in));
	slot->reply_room = in.size;
}

static bool reply_listing(struct bench *bench, struct fuse_slot *slot, unsigned int step)
{
	size_t n_bytes = slot->out->len - sizeof(*slot->out), place = 0;
	const struct fuse_direntplus *entry;

	(void)step;
	while ((entry = fuse_direntplus_next(slot->reply, n_bytes, &place))) {
		bench_item(bench, slot)->offset = entry->dirent.off;
		bench->result.n_units++;
	}
	return n_bytes == 0;
}

static bool reply_plain(struct bench *bench, struct fuse_slot *slot, unsigned int step)
{
	(void)slot;
	(void)step;
	bench->result.n_units++;
	return true;
}

/* name, unit, fill, reply, then what only some have */
#define OP(n, u, f, r, ...)                                              \
	{                                                                \
		.name = n, .unit = u, .fill = f, .reply = r, __VA_ARGS__ \
	}

const struct bench_op bench_ops[] = {
	OP("noop", "requests", fill_noop, reply_plain, .expected_error = -ENOSYS),
	OP("lookup", "requests", fill_lookup, reply_plain, .setup = bench_make_files),
	OP("lookup-new", "requests", fill_lookup_new, reply_lookup_new, .setup = bench_make_many,
	   .undo = forget_made),
	OP("getattr", "requests", fill_getattr, reply_plain, .setup = bench_make_files),
	OP("open", "pairs", fill_open, reply_open, .setup = bench_make_files),
	OP("create", "requests", fill_create, reply_create, .setup = bench_make_empty,
	   .undo = undo_create),
	OP("read-4k", "requests", fill_read, reply_plain, .setup = bench_make_data,
	   .data_bytes = 4096),
	OP("write-4k", "requests", fill_write, reply_write, .setup = bench_make_data,
	   .data_bytes = 4096),
	OP("read-1m", "requests", fill_read, reply_plain, .setup = bench_make_data,
	   .data_bytes = 1 << 20),
	OP("write-1m", "requests", fill_write, reply_write, .setup = bench_make_data,
	   .data_bytes = 1 << 20),
	OP("readdirplus", "entries", fill_listing, reply_listing, .setup = setup_listing,
	   .variable = true),
	{ 0 },
};
