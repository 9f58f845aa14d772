/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys, counts, offsets and opcodes that a guest makes up: each is refused or
 * does what it says, and the daemon goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <string.h>

#include "tests/component/hostile-share.h"
#include "tests/lib/bounded.h"

/* A nodeid that was good once. */
static uint64_t stale_node(struct target *target)
{
	struct fuse_client *client = &target->f->client;
	struct fuse_entry_out entry;

	g_assert_cmpint(fuse_mkdir(client, FUSE_ROOT_ID, "gone", 0755, &entry), ==, 0);
	g_assert_cmpint(fuse_rmdir(client, FUSE_ROOT_ID, "gone"), ==, 0);
	fuse_forget(client, entry.nodeid, 1);
	return entry.nodeid;
}

static void try_node(struct target *target, uint64_t nodeid)
{
	static const uint32_t opcodes[] = {
		FUSE_GETATTR, FUSE_SETATTR,  FUSE_READLINK, FUSE_OPEN,	 FUSE_OPENDIR,
		FUSE_LOOKUP,  FUSE_UNLINK,   FUSE_RMDIR,    FUSE_MKDIR,	 FUSE_MKNOD,
		FUSE_CREATE,  FUSE_SYMLINK,  FUSE_LINK,	    FUSE_RENAME, FUSE_RENAME2,
		FUSE_SYNCFS,  FUSE_GETXATTR, FUSE_SETXATTR, FUSE_ACCESS,
	};
	struct fuse_client *client = &target->f->client;
	/* Zeroed structs with room for names: most opcodes get as far as the nodeid. */
	uint8_t arg[256];
	struct fuse_entry_out entry;

	for (size_t i = 0; i < G_N_ELEMENTS(opcodes); i++) {
		memset(arg, 0, sizeof(arg));
		memcpy(arg + 40, "name", 5);
		g_assert_cmpint(target_request(target, opcodes[i], nodeid, arg, 64), <, 0);
	}
	g_assert_cmpint(fuse_lookup(client, nodeid, "file", &entry), <, 0);
	g_assert_cmpint(fuse_mkdir(client, nodeid, "made", 0755, &entry), <, 0);
	g_assert_cmpint(fuse_link(client, nodeid, target->dir, "made", &entry), <, 0);
	g_assert_cmpint(fuse_rename(client, target->dir, "file", nodeid, "moved"), <, 0);
	g_assert_cmpint(fuse_rename2(client, nodeid, "x", target->dir, "file", 0), <, 0);
}

static void test_unknown_nodes(void)
{
	struct target target;

	target_start(&target);
	{
		const uint64_t nodes[] = {
			0,
			12345,
			UINT64_MAX,
			INT64_MAX,
			UINT32_MAX,
			target.file + 999,
			target.dir ^ 1ULL << 32,
			target.file ^ 1ULL << 63,
			stale_node(&target),
		};

		for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++) {
			g_test_message("nodeid 0x%" G_GINT64_MODIFIER "x", nodes[i]);
			try_node(&target, nodes[i]);
		}
	}
	target_stop(&target);
}

static void test_stale_nodes_are_estale(void)
{
	struct fuse_attr_out attr;
	struct target target;

	target_start(&target);
	g_assert_cmpint(fuse_getattr(&target.f->client, stale_node(&target), UINT64_MAX, &attr), ==,
			-ESTALE);
	target_stop(&target);
}

static void try_handle(struct target *target, uint64_t fh, bool as_file, bool as_dir)
{
	struct fuse_client *client = &target->f->client;
	struct fuse_copy_file_range_in copy = {
		.fh_in = fh, .nodeid_out = target->file, .fh_out = target->file_fh, .len = 4
	};
	uint64_t node = as_file ? target->file : target->dir;
	struct fuse_attr_out attr;
	uint8_t bytes[512];
	uint64_t offset;

	if (as_file) {
		g_assert_cmpint(fuse_read(client, node, fh, 0, 8, bytes), <, 0);
		g_assert_cmpint(fuse_write(client, node, fh, 0, 8, "intruder", 0), <, 0);
		g_assert_cmpint(fuse_flush_fh(client, node, fh, 1), <, 0);
		g_assert_cmpint(fuse_fsync(client, node, fh, false), <, 0);
		g_assert_cmpint(fuse_fallocate(client, node, fh, 0, 4096, 0), <, 0);
		g_assert_cmpint(fuse_lseek(client, node, fh, 0, 3, &offset), <, 0);
		g_assert_cmpint(fuse_copy_file_range(client, &copy, node), <, 0);
		copy.fh_out = fh;
		copy.fh_in = target->file_fh;
		g_assert_cmpint(fuse_copy_file_range(client, &copy, node), <, 0);
		g_assert_cmpint(fuse_release(client, node, fh), <, 0);
	}
	if (as_dir) {
		g_assert_cmpint(fuse_readdir(client, node, fh, 0, 512, bytes, false), <, 0);
		g_assert_cmpint(fuse_readdir(client, node, fh, 0, 512, bytes, true), <, 0);
		g_assert_cmpint(fuse_fsyncdir(client, node, fh, false), <, 0);
		g_assert_cmpint(fuse_releasedir(client, node, fh), <, 0);
	}
	/* GETATTR may fall back on the node, but must not show another file. */
	if (fuse_getattr(client, node, fh, &attr) == 0)
		g_assert_cmpuint(
			attr.attr.ino, ==,
			share_lstat(&target->f->share, as_file ? "dir/file" : "dir").st_ino);
}

static void test_unknown_handles(void)
{
	struct target target;
	struct fuse_open_out closed;

	target_start(&target);
	g_assert_cmpint(fuse_open(&target.f->client, target.file, O_RDWR, &closed), ==, 0);
	g_assert_cmpint(fuse_release(&target.f->client, target.file, closed.fh), ==, 0);
	{
		const uint64_t handles[] = {
			12345,
			UINT64_MAX,
			INT64_MAX,
			UINT32_MAX,
			target.file_fh + 999,
			target.file_fh ^ 1ULL << 32,
			1ULL << 63,
			target.dir_fh ^ 1ULL << 40,
			closed.fh,
		};

		for (size_t i = 0; i < G_N_ELEMENTS(handles); i++) {
			g_test_message("fh 0x%" G_GINT64_MODIFIER "x", handles[i]);
			try_handle(&target, handles[i], true, false);
			try_handle(&target, handles[i], false, true);
		}
	}
	target_stop(&target);
}

static void test_handles_of_the_other_kind(void)
{
	struct target target;

	target_start(&target);
	try_handle(&target, target.dir_fh, true, false);
	try_handle(&target, target.file_fh, false, true);
	target_stop(&target);
}

static void test_offsets(void)
{
	static const uint64_t far[] = { INT64_MAX, INT64_MAX - 1, 1ULL << 63, UINT64_MAX,
					UINT64_MAX - 4095 };
	struct fuse_client *client;
	struct target target;
	uint8_t bytes[64];
	uint64_t offset;

	target_start(&target);
	client = &target.f->client;
	for (size_t i = 0; i < G_N_ELEMENTS(far); i++) {
		struct fuse_copy_file_range_in copy = { .fh_in = target.file_fh,
							.off_in = far[i],
							.nodeid_out = target.file,
							.fh_out = target.file_fh,
							.off_out = far[i],
							.len = UINT64_MAX };

		g_assert_cmpint(fuse_read(client, target.file, target.file_fh, far[i], 64, bytes),
				<=, 0);
		g_assert_cmpint(
			fuse_write(client, target.file, target.file_fh, far[i], 64, bytes, 0), <,
			0);
		g_assert_cmpint(
			fuse_fallocate(client, target.file, target.file_fh, far[i], UINT64_MAX, 0),
			<, 0);
		g_assert_cmpint(fuse_fallocate(client, target.file, target.file_fh, 0, far[i], 0),
				<, 0);
		g_assert_cmpint(fuse_lseek(client, target.file, target.file_fh, far[i], 3, &offset),
				<, 0);
		g_assert_cmpint(fuse_copy_file_range(client, &copy, target.file), <=, 0);
		(void)fuse_readdir(client, target.dir, target.dir_fh, far[i], 64, bytes, false);
	}
	g_assert_cmpint(fuse_lseek(client, target.file, target.file_fh, 0, 5, &offset), <, 0);
	g_assert_cmpint(fuse_lseek(client, target.file, target.file_fh, 0, UINT32_MAX, &offset), <,
			0);
	target_stop(&target);
}

static void test_read_sizes(void)
{
	struct fuse_read_in in = { 0 };
	struct target target;
	uint8_t bytes[64];

	target_start(&target);
	g_assert_cmpint(fuse_read(&target.f->client, target.file, target.file_fh, 0, 0, bytes), ==,
			0);
	in.fh = target.file_fh;
	in.size = UINT32_MAX;
	/* More asked than there is room for: never more than the room. */
	(void)target_request(&target, FUSE_READ, target.file, &in, sizeof(in));
	in.fh = target.dir_fh;
	(void)target_request(&target, FUSE_READDIR, target.dir, &in, sizeof(in));
	(void)target_request(&target, FUSE_READDIRPLUS, target.dir, &in, sizeof(in));
	target_stop(&target);
}

static void test_write_sizes(void)
{
	struct {
		struct fuse_write_in in;
		uint8_t data[64];
	} write = { .in = { .offset = 0 } };
	struct target target;
	struct fuse_open_out open;
	struct fuse_entry_out entry;

	target_start(&target);
	g_assert_cmpint(
		fuse_create(&target.f->client, FUSE_ROOT_ID, "w", 0644, O_RDWR, &entry, &open), ==,
		0);
	write.in.fh = open.fh;
	write.in.size = 4096; /* more than follows */
	g_assert_cmpint(target_request(&target, FUSE_WRITE, entry.nodeid, &write, sizeof(write)),
			<=, 0);
	g_assert_cmpint(share_lstat(&target.f->share, "w").st_size, <=, sizeof(write.data));
	write.in.size = UINT32_MAX;
	(void)target_request(&target, FUSE_WRITE, entry.nodeid, &write, sizeof(write));
	g_assert_cmpint(share_lstat(&target.f->share, "w").st_size, <=, sizeof(write.data));
	write.in.size = 0;
	(void)target_request(&target, FUSE_WRITE, entry.nodeid, &write, sizeof(write));
	target_stop(&target);
}

static void test_two_mebibyte_write(void)
{
	struct fixture_config config = {
		.vmm = { .ring_size = 1024, .memory_bytes = 64 << 20 },
		.client = { .depth = 1, .data_bytes = 2 << 20 },
	};
	struct fixture *f = fixture_start(&config);
	g_autofree uint8_t *bytes = g_malloc0(2 << 20);
	struct fuse_entry_out entry;
	struct fuse_open_out open;

	g_assert_cmpint(fuse_create(&f->client, FUSE_ROOT_ID, "w", 0644, O_RDWR, &entry, &open), ==,
			0);
	/* Beyond max_write: refused, or written as far as the reply tells. */
	{
		int written = fuse_write(&f->client, entry.nodeid, open.fh, 0, 2 << 20, bytes, 0);

		g_assert_cmpint(share_lstat(&f->share, "w").st_size, ==, MAX(written, 0));
	}
	fixture_check_alive(f);
	fixture_stop(f);
}

static void test_forget(void)
{
	static const uint64_t counts[] = { 0, 1, 2, 1000, UINT64_MAX };
	struct fuse_client *client;
	struct fuse_attr_out attr;
	struct target target;

	target_start(&target);
	client = &target.f->client;
	for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
		fuse_forget(client, FUSE_ROOT_ID, counts[i]);
		fuse_forget(client, 987654321, counts[i]);
		fixture_check_alive(target.f);
	}
	/* Too many of one node: that node is gone at most, and can be found again. */
	fuse_forget(client, target.link, 1000000);
	g_assert_cmpint(fuse_getattr(client, target.link, UINT64_MAX, &attr), ==, -ESTALE);
	target.link = fuse_node(client, "dir/link");
	g_assert_cmpint(fuse_getattr(client, target.link, UINT64_MAX, &attr), ==, 0);
	/* An open file outlives its node. */
	fuse_forget(client, target.file, 1000000);
	{
		uint8_t bytes[8];

		(void)fuse_read(client, target.file, target.file_fh, 0, 8, bytes);
	}
	target_stop(&target);
}

static void test_batch_forget(void)
{
	static const uint32_t counts[] = { 0, 1, 2, 1000, 0x10000000, UINT32_MAX };
	struct {
		struct fuse_batch_forget_in in;
		struct fuse_forget_one one[1];
	} batch = { .one = { { .nodeid = FUSE_ROOT_ID, .nlookup = UINT64_MAX } } };
	struct fuse_forget_one items[] = { { 5555, 1 }, { FUSE_ROOT_ID, UINT64_MAX } };
	struct target target;

	target_start(&target);
	for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
		batch.in.count = counts[i];
		(void)target_request(&target, FUSE_BATCH_FORGET, 0, &batch, sizeof(batch));
		fixture_check_alive(target.f);
	}
	fuse_batch_forget(&target.f->client, items, 2);
	target_stop(&target);
}

static void test_unknown_opcodes(void)
{
	static const uint32_t opcodes[] = { 0, 7, 19, 37, 60, 100, 4096, 0x7fffffff, UINT32_MAX };
	static const uint8_t zeros[64];
	struct target target;

	target_start(&target);
	for (size_t i = 0; i < G_N_ELEMENTS(opcodes); i++) {
		g_assert_cmpint(target_request(&target, opcodes[i], FUSE_ROOT_ID, zeros, 64), ==,
				-ENOSYS);
		g_assert_cmpint(target_request(&target, opcodes[i], FUSE_ROOT_ID, zeros, 0), ==,
				-ENOSYS);
	}
	target_stop(&target);
}

static void test_before_init(void)
{
	struct fixture_config config = { .no_init = true };
	struct fixture *f = fixture_start(&config);
	struct fuse_entry_out entry;
	struct fuse_attr_out attr;

	g_assert_cmpint(fuse_getattr(&f->client, FUSE_ROOT_ID, UINT64_MAX, &attr), <, 0);
	g_assert_cmpint(fuse_mkdir(&f->client, FUSE_ROOT_ID, "early", 0755, &entry), <, 0);
	g_assert_false(share_exists(&f->share, "early"));
	fuse_forget(&f->client, 5, 5);
	g_assert_cmpint(fuse_init_default(&f->client), ==, 0);
	fixture_check_alive(f);
	fixture_stop(f);
}

static void test_odd_inits(void)
{
	struct fuse_init_in in = { .major = 7,
				   .minor = 46,
				   .flags = UINT32_MAX,
				   .flags2 = UINT32_MAX,
				   .max_readahead = UINT32_MAX };
	static const uint32_t versions[][2] = { { 0, 0 },  { 6, 9 },
						{ 7, 0 },  { 7, 5 },
						{ 7, 22 }, { 7, UINT32_MAX },
						{ 8, 0 },  { UINT32_MAX, UINT32_MAX } };
	struct target target;

	target_start(&target);
	for (size_t i = 0; i < G_N_ELEMENTS(versions); i++) {
		in.major = versions[i][0];
		in.minor = versions[i][1];
		(void)target_request(&target, FUSE_INIT, 0, &in, sizeof(in));
		for (size_t n = 0; n < sizeof(in); n++)
			(void)target_request(&target, FUSE_INIT, 0, &in, n);
	}
	g_assert_cmpint(fuse_init_default(&target.f->client), ==, 0);
	target_resolve(&target);
	target_stop(&target);
}

static void test_init_twice(void)
{
	struct target target;
	unsigned int n_fds;

	target_start(&target);
	n_fds = daemon_n_fds(target.f->daemon);
	for (int i = 0; i < 50; i++) {
		uint64_t old_fh = target.file_fh, old_file = target.file;
		uint8_t bytes[8];

		g_assert_cmpint(fuse_init_default(&target.f->client), ==, 0);
		g_assert_cmpint(fuse_read(&target.f->client, old_file, old_fh, 0, 8, bytes), <, 0);
		target_resolve(&target);
	}
	g_assert_cmpuint(daemon_n_fds(target.f->daemon), <=, n_fds + 2);
	target_stop(&target);
}

static void random_request(struct target *target, struct test_random *random)
{
	const uint64_t nodes[] = {
		0, 1, target->dir, target->file, target->link, test_random_next(random)
	};
	const uint64_t keys[] = {
		target->file_fh, target->dir_fh, target->dir, target->file, 0, 1, 4096, UINT64_MAX
	};
	uint64_t r = test_random_next(random);
	uint64_t arg[32];

	for (size_t i = 0; i < G_N_ELEMENTS(arg); i++) {
		uint64_t word = test_random_next(random);

		arg[i] = word % 4 ? keys[(word >> 8) % G_N_ELEMENTS(keys)] : word;
	}
	(void)target_request(target, (uint32_t)(r % 58), nodes[(r >> 8) % G_N_ELEMENTS(nodes)], arg,
			     (r >> 16) % sizeof(arg));
}

static void test_random_requests(void)
{
	struct test_random random = test_random_seeded(4);
	struct fuse_entry_out entry;
	struct target target;

	target_start(&target);
	for (int i = 0; i < 20000; i++)
		random_request(&target, &random);
	/* It may have renamed, removed or reset anything inside; not outside, and it serves. */
	g_assert_cmpint(fuse_init_default(&target.f->client), ==, 0);
	(void)fuse_walk(&target.f->client, "dir/file", &entry);
	fixture_check_alive(target.f);
	fixture_stop(target.f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/hostile-ids/unknown-nodes-are-refused", test_unknown_nodes);
	g_test_add_func("/hostile-ids/forgotten-nodes-are-estale", test_stale_nodes_are_estale);
	g_test_add_func("/hostile-ids/unknown-handles-are-refused", test_unknown_handles);
	g_test_add_func("/hostile-ids/handles-of-the-other-kind-are-refused",
			test_handles_of_the_other_kind);
	g_test_add_func("/hostile-ids/offsets-at-the-edge-of-64-bits", test_offsets);
	g_test_add_func("/hostile-ids/read-sizes-that-lie", test_read_sizes);
	g_test_add_func("/hostile-ids/write-sizes-that-lie", test_write_sizes);
	g_test_add_func("/hostile-ids/a-write-beyond-max-write", test_two_mebibyte_write);
	g_test_add_func("/hostile-ids/forget-of-too-much", test_forget);
	g_test_add_func("/hostile-ids/batch-forget-of-too-much", test_batch_forget);
	g_test_add_func("/hostile-ids/unknown-opcodes-are-enosys", test_unknown_opcodes);
	g_test_add_func("/hostile-ids/nothing-is-served-before-init", test_before_init);
	g_test_add_func("/hostile-ids/init-of-any-version", test_odd_inits);
	g_test_add_func("/hostile-ids/a-second-init-starts-anew", test_init_twice);
	g_test_add_func("/hostile-ids/random-requests", test_random_requests);
	return g_test_run();
}
