/* SPDX-License-Identifier: Apache-2.0 */
/* The files that the operations work on, made through FUSE where they are missing. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/lib/bounded.h"
#include "tests/lib/fuse-calls.h"

static void expect_ok(int result, const char *what)
{
	if (result < 0)
		test_die("%s: %s", what, strerror(-result));
}

void bench_file_name(char name[BENCH_NAME_BYTES], uint64_t number)
{
	snprintf(name, BENCH_NAME_BYTES, "file-%02u", (unsigned int)(number % BENCH_FILES));
}

void bench_many_name(char name[BENCH_NAME_BYTES], uint64_t number)
{
	snprintf(name, BENCH_NAME_BYTES, "entry-number-%04u", (unsigned int)(number % BENCH_MANY));
}

/* A daemon may answer a missing name by ENOENT or by an entry without an inode. */
static bool find(struct bench *bench, uint64_t parent, const char *name,
		 struct fuse_entry_out *ret_entry)
{
	int result = fuse_lookup(&bench->client, parent, name, ret_entry);

	if (result && result != -ENOENT)
		test_die("look up %s: %s", name, strerror(-result));
	return !result && ret_entry->nodeid;
}

static uint64_t make_folder(struct bench *bench, const char *name)
{
	struct fuse_entry_out entry;

	if (!find(bench, FUSE_ROOT_ID, name, &entry))
		expect_ok(fuse_mkdir(&bench->client, FUSE_ROOT_ID, name, 0755, &entry), "mkdir");
	return entry.nodeid;
}

static uint64_t make_file(struct bench *bench, uint64_t parent, const char *name,
			  uint64_t *ret_size)
{
	struct fuse_entry_out entry;

	if (!find(bench, parent, name, &entry))
		expect_ok(fuse_mknod(&bench->client, parent, name, S_IFREG | 0644, 0, &entry),
			  "mknod");
	if (ret_size)
		*ret_size = entry.attr.size;
	return entry.nodeid;
}

void bench_make_files(struct bench *bench)
{
	char name[BENCH_NAME_BYTES];

	bench->dir = make_folder(bench, "files");
	for (unsigned int i = 0; i < BENCH_FILES; i++) {
		bench_file_name(name, i);
		bench->nodes[i] = make_file(bench, bench->dir, name, NULL);
	}
}

void bench_make_many(struct bench *bench)
{
	struct fuse_entry_out entry;
	char name[BENCH_NAME_BYTES];

	bench->dir = make_folder(bench, "many");
	bench_many_name(name, BENCH_MANY - 1);
	if (find(bench, bench->dir, name, &entry)) {
		fuse_forget(&bench->client, entry.nodeid, 1);
		return;
	}
	for (unsigned int i = 0; i < BENCH_MANY; i++) {
		struct fuse_forget_one item = { .nlookup = 1 };

		bench_many_name(name, i);
		item.nodeid = make_file(bench, bench->dir, name, NULL);
		fuse_batch_forget(&bench->client, &item, 1);
	}
}

void bench_make_empty(struct bench *bench)
{
	bench->dir = make_folder(bench, "new");
}

void bench_make_data(struct bench *bench)
{
	uint32_t chunk = bench->op->data_bytes;
	struct fuse_open_out open;
	uint64_t size;

	bench->data_node = make_file(bench, FUSE_ROOT_ID, "data", &size);
	expect_ok(fuse_open(&bench->client, bench->data_node, O_RDWR, &open), "open");
	bench->data_fh = open.fh;
	if (size < BENCH_DATA_BYTES) {
		g_autofree uint8_t *bytes = g_malloc(chunk);

		memset(bytes, 0x5a, chunk);
		for (uint64_t offset = 0; offset < BENCH_DATA_BYTES; offset += chunk)
			expect_ok(fuse_write(&bench->client, bench->data_node, bench->data_fh,
					     offset, chunk, bytes, 0),
				  "write");
	}
}
