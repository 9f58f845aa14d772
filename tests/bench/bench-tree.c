/* SPDX-License-Identifier: Apache-2.0 */
/* The files that the operations work on, made through FUSE where they are missing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench.h"
#include "tests/lib/bounded.h"
#include "tests/lib/fuse-calls.h"

#define SMALL_BYTES 4096
#define COLD_BYTES  (32u << 20)

static void expect_ok(int result, const char *what)
{
	if (result < 0)
		test_die("%s: %s", what, strerror(-result));
}

void bench_file_name(char name[BENCH_NAME_BYTES], unsigned int lane, uint64_t number)
{
	snprintf(name, BENCH_NAME_BYTES, "file-%u-%02u", lane,
		 (unsigned int)(number % BENCH_FILES));
}

void bench_many_name(char name[BENCH_NAME_BYTES], uint64_t number)
{
	snprintf(name, BENCH_NAME_BYTES, "entry-number-%04u", (unsigned int)(number % BENCH_MANY));
}

void bench_new_name(char name[BENCH_NAME_BYTES], unsigned int lane, uint64_t number)
{
	snprintf(name, BENCH_NAME_BYTES, "new-%u-%03u", lane, (unsigned int)(number % BENCH_BATCH));
}

void bench_moved_name(char name[BENCH_NAME_BYTES], unsigned int lane, unsigned int slot, bool moved)
{
	snprintf(name, BENCH_NAME_BYTES, "%s-%u-%03u", moved ? "there" : "here", lane, slot);
}

void bench_known_name(char name[BENCH_NAME_BYTES], uint64_t number)
{
	snprintf(name, BENCH_NAME_BYTES, "known-%08u", (unsigned int)number);
}

/* A daemon may answer a missing name by ENOENT or by an entry without an inode. */
static bool find(struct bench_lane *lane, uint64_t parent, const char *name,
		 struct fuse_entry_out *ret_entry)
{
	int result = fuse_lookup(&lane->client, parent, name, ret_entry);

	if (result && result != -ENOENT)
		test_die("look up %s: %s", name, strerror(-result));
	return !result && ret_entry->nodeid;
}

static uint64_t make_folder(struct bench_lane *lane, const char *name)
{
	struct fuse_entry_out entry;

	if (!find(lane, FUSE_ROOT_ID, name, &entry))
		expect_ok(fuse_mkdir(&lane->client, FUSE_ROOT_ID, name, 0755, &entry), "mkdir");
	return entry.nodeid;
}

static uint64_t make_file(struct bench_lane *lane, uint64_t parent, const char *name,
			  uint64_t *ret_size)
{
	struct fuse_entry_out entry;

	if (!find(lane, parent, name, &entry))
		expect_ok(fuse_mknod(&lane->client, parent, name, S_IFREG | 0644, 0, &entry),
			  "mknod");
	if (ret_size)
		*ret_size = entry.attr.size;
	return entry.nodeid;
}

/* Fills a file up to @size in pieces of @chunk; the handle stays with the lane. */
static void fill_file(struct bench_lane *lane, uint64_t node, uint64_t size, uint32_t chunk)
{
	g_autofree uint8_t *bytes = g_malloc(chunk);

	memset(bytes, 0x5a, chunk);
	for (uint64_t offset = 0; offset < size; offset += chunk)
		expect_ok(fuse_write(&lane->client, node, lane->data_fh, offset, chunk, bytes, 0),
			  "write");
}

static void open_data(struct bench_lane *lane, uint64_t node)
{
	struct fuse_open_out open;

	expect_ok(fuse_open(&lane->client, node, O_RDWR, &open), "open");
	lane->data_fh = open.fh;
}

void bench_make_files(struct bench_lane *lane)
{
	char name[BENCH_NAME_BYTES];

	lane->dir = make_folder(lane, "files");
	for (unsigned int i = 0; i < BENCH_FILES; i++) {
		bench_file_name(name, lane->index, i);
		lane->nodes[i] = make_file(lane, lane->dir, name, NULL);
	}
}

void bench_make_many(struct bench_lane *lane)
{
	struct fuse_entry_out entry;
	char name[BENCH_NAME_BYTES];

	lane->dir = make_folder(lane, "many");
	bench_many_name(name, BENCH_MANY - 1);
	if (find(lane, lane->dir, name, &entry)) {
		fuse_forget(&lane->client, entry.nodeid, 1);
		return;
	}
	for (unsigned int i = 0; i < BENCH_MANY; i++) {
		struct fuse_forget_one item = { .nlookup = 1 };

		bench_many_name(name, i);
		item.nodeid = make_file(lane, lane->dir, name, NULL);
		fuse_batch_forget(&lane->client, &item, 1);
	}
}

void bench_make_empty(struct bench_lane *lane)
{
	lane->dir = make_folder(lane, "new");
}

void bench_make_links(struct bench_lane *lane)
{
	char name[BENCH_NAME_BYTES];

	lane->dir = make_folder(lane, "links");
	for (unsigned int i = 0; i < BENCH_FILES; i++) {
		struct fuse_entry_out entry;

		bench_file_name(name, lane->index, i);
		if (!find(lane, lane->dir, name, &entry))
			expect_ok(fuse_symlink(&lane->client, lane->dir, name, BENCH_LINK_TARGET,
					       &entry),
				  "symlink");
		lane->nodes[i] = entry.nodeid;
	}
}

/* A file for each slot, which may have either of its names. */
void bench_make_moved(struct bench_lane *lane)
{
	lane->dir = make_folder(lane, "moved");
	for (unsigned int i = 0; i < lane->bench->config.depth; i++) {
		struct fuse_entry_out entry;
		char name[BENCH_NAME_BYTES];

		bench_moved_name(name, lane->index, i, true);
		lane->items[i].offset = find(lane, lane->dir, name, &entry);
		if (lane->items[i].offset)
			continue;
		bench_moved_name(name, lane->index, i, false);
		make_file(lane, lane->dir, name, NULL);
	}
}

void bench_make_data(struct bench_lane *lane)
{
	g_autofree char *name = g_strdup_printf("data-%u", lane->index);
	uint64_t size;

	lane->data_node = make_file(lane, FUSE_ROOT_ID, name, &size);
	open_data(lane, lane->data_node);
	if (size < BENCH_DATA_BYTES)
		fill_file(lane, lane->data_node, BENCH_DATA_BYTES, lane->op->data_bytes);
}

void bench_make_small(struct bench_lane *lane)
{
	lane->dir = make_folder(lane, "small");
	for (unsigned int i = 0; i < BENCH_FILES; i++) {
		char name[BENCH_NAME_BYTES];
		uint64_t size, node;

		bench_file_name(name, lane->index, i);
		node = make_file(lane, lane->dir, name, &size);
		if (size)
			continue;
		open_data(lane, node);
		fill_file(lane, node, SMALL_BYTES, SMALL_BYTES);
		expect_ok(fuse_release(&lane->client, node, lane->data_fh), "release");
	}
}

static const char *share_dir(const struct bench_lane *lane)
{
	if (!lane->bench->config.share_dir)
		test_die("%s needs the share's path on the host", lane->op->name);
	return lane->bench->config.share_dir;
}

/* Also opened on the host's side, to drop it from the page cache. */
void bench_make_cold(struct bench_lane *lane)
{
	g_autofree char *name = g_strdup_printf("cold-%u", lane->index);
	g_autofree char *path = g_build_filename(share_dir(lane), name, NULL);
	uint64_t size;

	bench_make_files(lane);
	lane->data_node = make_file(lane, FUSE_ROOT_ID, name, &size);
	open_data(lane, lane->data_node);
	if (size < COLD_BYTES)
		fill_file(lane, lane->data_node, COLD_BYTES, lane->op->data_bytes);
	lane->host_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (lane->host_fd < 0 || fsync(lane->host_fd) ||
	    posix_fadvise(lane->host_fd, 0, 0, POSIX_FADV_DONTNEED))
		test_die("%s: %m", path);
}

/* The first lane makes them, on the host's side: there may be a million. */
void bench_make_known(struct bench_lane *lane)
{
	uint64_t n = lane->bench->config.n_known;
	g_autofree char *path = g_build_filename(share_dir(lane), "known", NULL);
	cleanup_fd int dir = -1;
	char name[BENCH_NAME_BYTES];

	if (mkdir(path, 0755) && errno != EEXIST)
		test_die("%s: %m", path);
	dir = open(path, O_DIRECTORY | O_CLOEXEC);
	for (uint64_t i = 0; i < n; i++) {
		bench_known_name(name, i);
		if (mknodat(dir, name, S_IFREG | 0644, 0) && errno != EEXIST)
			test_die("%s/%s: %m", path, name);
	}
	lane->dir = make_folder(lane, "known");
}
