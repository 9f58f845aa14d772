/* SPDX-License-Identifier: Apache-2.0 */
/* The operations on names and attributes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "tests/bench/bench-fill.h"
#include "tests/lib/bounded.h"

/* No protocol version has it, so nobody does more than decode the header. */
#define UNKNOWN_OPCODE 1234

/* What Linux before 6.15 asks for at a time. */
#define LISTING_BYTES  4096

static void fill_noop(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	fuse_slot_prepare(slot, UNKNOWN_OPCODE, FUSE_ROOT_ID);
}

/* ---- Looking ---- */

static void lookup(struct bench_lane *lane, struct fuse_slot *slot, const char *name)
{
	fuse_slot_prepare(slot, FUSE_LOOKUP, lane->dir);
	bench_set_name(slot, name);
	slot->reply_room = sizeof(struct fuse_entry_out);
}

static void fill_lookup_hit(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	char name[BENCH_NAME_BYTES];

	bench_file_name(name, lane->index, bench_item(lane, slot)->number);
	lookup(lane, slot, name);
}

/* No file has its name as a new one. */
static void fill_lookup_miss(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	char name[BENCH_NAME_BYTES];

	bench_new_name(name, lane->index, bench_item(lane, slot)->number);
	lookup(lane, slot, name);
}

static void fill_lookup_cold(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	char name[BENCH_NAME_BYTES];

	bench_many_name(name, bench_item(lane, slot)->number);
	lookup(lane, slot, name);
}

static void fill_lookup_known(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	uint64_t number = bench_item(lane, slot)->number;
	char name[BENCH_NAME_BYTES];

	bench_known_name(name, bench_scatter(number, lane->bench->config.n_known));
	lookup(lane, slot, name);
}

/* The node of an item, for what comes after its batch. */
static bool reply_made(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	const struct fuse_entry_out *entry = (const void *)slot->reply;

	lane->made_node[bench_item(lane, slot)->number % BENCH_BATCH] = entry->nodeid;
	lane->result.n_units++;
	return true;
}

static void fill_getattr(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	bench_fill_getattr(lane, slot);
}

static void fill_readlink(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	fuse_slot_prepare(slot, FUSE_READLINK,
			  lane->nodes[bench_item(lane, slot)->number % BENCH_FILES]);
	slot->reply_room = 4096;
}

/* ---- Opening ---- */

static void fill_open(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	struct bench_item *item = bench_item(lane, slot);
	uint64_t node = lane->nodes[item->number % BENCH_FILES];

	if (step)
		bench_fill_release(slot, node, item->fh);
	else
		bench_fill_open(slot, node);
}

static bool reply_open(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	const struct fuse_open_out *open = (const void *)slot->reply;

	if (!step) {
		bench_item(lane, slot)->fh = open->fh;
		return false;
	}
	lane->result.n_units++;
	return true;
}

/* ---- Making and removing ---- */

static void set_new_name(struct bench_lane *lane, struct fuse_slot *slot)
{
	char name[BENCH_NAME_BYTES];

	bench_new_name(name, lane->index, bench_item(lane, slot)->number);
	bench_set_name(slot, name);
}

static void fill_create(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	struct fuse_create_in in = { .flags = O_RDWR | O_CREAT | O_EXCL, .mode = S_IFREG | 0644 };

	fuse_slot_prepare(slot, FUSE_CREATE, lane->dir);
	bench_set_args(slot, &in, sizeof(in));
	set_new_name(lane, slot);
	slot->reply_room = sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out);
}

static bool reply_create(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	const struct fuse_open_out *open =
		(const void *)(slot->reply + sizeof(struct fuse_entry_out));

	lane->made_fh[bench_item(lane, slot)->number % BENCH_BATCH] = open->fh;
	return reply_made(lane, slot, step);
}

static void fill_mknod(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	struct fuse_mknod_in in = { .mode = S_IFREG | 0644 };

	fuse_slot_prepare(slot, FUSE_MKNOD, lane->dir);
	bench_set_args(slot, &in, sizeof(in));
	set_new_name(lane, slot);
	slot->reply_room = sizeof(struct fuse_entry_out);
}

static void fill_mkdir(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	struct fuse_mkdir_in in = { .mode = 0755 };

	fuse_slot_prepare(slot, FUSE_MKDIR, lane->dir);
	bench_set_args(slot, &in, sizeof(in));
	set_new_name(lane, slot);
	slot->reply_room = sizeof(struct fuse_entry_out);
}

static void fill_symlink(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	fuse_slot_prepare(slot, FUSE_SYMLINK, lane->dir);
	set_new_name(lane, slot);
	bench_set_name(slot, BENCH_LINK_TARGET);
	slot->reply_room = sizeof(struct fuse_entry_out);
}

/* UNLINK or RMDIR. */
static void fill_remove(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	fuse_slot_prepare(slot, lane->op->opcode, lane->dir);
	set_new_name(lane, slot);
}

static void fill_undo_create(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	uint64_t place = bench_item(lane, slot)->number % BENCH_BATCH;

	if (step)
		fill_remove(lane, slot, step);
	else
		bench_fill_release(slot, lane->made_node[place], lane->made_fh[place]);
}

static bool reply_undo_create(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	return step == 1;
}

/* Each slot moves a file of its own to and fro. */
static void fill_rename(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	struct fuse_rename_in in = { .newdir = lane->dir };
	struct bench_item *item = bench_item(lane, slot);
	unsigned int number = (unsigned int)(item - lane->items);
	char name[BENCH_NAME_BYTES];

	fuse_slot_prepare(slot, FUSE_RENAME, lane->dir);
	bench_set_args(slot, &in, sizeof(in));
	bench_moved_name(name, lane->index, number, item->offset);
	bench_set_name(slot, name);
	bench_moved_name(name, lane->index, number, !item->offset);
	bench_set_name(slot, name);
	item->offset = !item->offset;
}

/* ---- Listing ---- */

/* Each slot lists through a handle of its own. */
static void setup_listing(struct bench_lane *lane)
{
	struct fuse_open_out open;

	bench_make_many(lane);
	for (unsigned int i = 0; i < lane->bench->config.depth; i++) {
		if (fuse_opendir(&lane->client, lane->dir, O_DIRECTORY, &open))
			test_die("the folder does not open");
		lane->items[i].fh = open.fh;
	}
}

static void fill_listing(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	struct bench_item *item = bench_item(lane, slot);
	struct fuse_read_in in = { .fh = item->fh, .size = LISTING_BYTES };

	if (step)
		in.offset = item->offset;
	fuse_slot_prepare(slot, lane->op->opcode, lane->dir);
	bench_set_args(slot, &in, sizeof(in));
	slot->reply_room = in.size;
}

static bool reply_listing(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step)
{
	size_t n_bytes = slot->out->len - sizeof(*slot->out), place = 0;
	bool plus = lane->op->opcode == FUSE_READDIRPLUS;

	while (place < n_bytes) {
		const struct fuse_direntplus *entry = NULL;
		const struct fuse_dirent *dirent;

		if (plus)
			entry = fuse_direntplus_next(slot->reply, n_bytes, &place);
		dirent = plus ? (entry ? &entry->dirent : NULL)
			      : fuse_dirent_next(slot->reply, n_bytes, &place);
		if (!dirent)
			break;
		bench_item(lane, slot)->offset = dirent->off;
		lane->result.n_units++;
	}
	return n_bytes == 0;
}

/* ---- The table ---- */

static const struct bench_op op_unlink = { "unlink", .opcode = FUSE_UNLINK, .fill = fill_remove };
static const struct bench_op op_rmdir = { "rmdir", .opcode = FUSE_RMDIR, .fill = fill_remove };
static const struct bench_op op_mknod = { "mknod", .fill = fill_mknod, .reply = reply_made };
static const struct bench_op op_undo_create = {
	"undo create",
	.opcode = FUSE_UNLINK,
	.fill = fill_undo_create,
	.reply = reply_undo_create,
};

/* name, unit, fill, then what only some have */
#define OP(n, u, f, ...)                                     \
	{                                                    \
		.name = n, .unit = u, .fill = f, __VA_ARGS__ \
	}

const struct bench_op bench_ops[] = {
	OP("noop", "requests", fill_noop, .expected_error = -ENOSYS, .or_error = -ENOSYS),
	OP("lookup-hit", "requests", fill_lookup_hit, .setup = bench_make_files),
	OP("lookup-miss", "requests", fill_lookup_miss, .setup = bench_make_empty,
	   .or_error = -ENOENT),
	OP("lookup-cold", "requests", fill_lookup_cold, .reply = reply_made,
	   .setup = bench_make_many, .forgets = true),
	OP("getattr", "requests", fill_getattr, .setup = bench_make_files),
	OP("open", "pairs", fill_open, .reply = reply_open, .setup = bench_make_files),
	OP("create", "requests", fill_create, .reply = reply_create, .setup = bench_make_empty,
	   .after = &op_undo_create, .forgets = true),
	OP("unlink", "requests", fill_remove, .opcode = FUSE_UNLINK, .setup = bench_make_empty,
	   .before = &op_mknod, .forgets = true),
	OP("mkdir", "requests", fill_mkdir, .reply = reply_made, .setup = bench_make_empty,
	   .after = &op_rmdir, .forgets = true),
	OP("rename", "requests", fill_rename, .setup = bench_make_moved),
	OP("symlink", "requests", fill_symlink, .reply = reply_made, .setup = bench_make_empty,
	   .after = &op_unlink, .forgets = true),
	OP("readlink", "requests", fill_readlink, .setup = bench_make_links, .variable = true),
	OP("readdir", "entries", fill_listing, .reply = reply_listing, .setup = setup_listing,
	   .opcode = FUSE_READDIR, .variable = true),
	OP("readdirplus", "entries", fill_listing, .reply = reply_listing, .setup = setup_listing,
	   .opcode = FUSE_READDIRPLUS, .variable = true),
	OP("lookup-known", "requests", fill_lookup_known, .setup = bench_make_known, .extra = true),
	{ 0 },
};
