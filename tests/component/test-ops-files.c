/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files: CREATE, OPEN, READ, WRITE, FLUSH, FSYNC, RELEASE, FALLOCATE, LSEEK,
 * COPY_FILE_RANGE move exactly the bytes they say.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/component/fixture.h"

#define FILE_BYTES 300000

static void populate(const struct share *share)
{
	share_write_pattern(share, "file", FILE_BYTES);
	share_write(share, "empty", "", 0, 0644);
	share_mkdir(share, "dir", 0755);
}

static struct fixture *start(void)
{
	struct fixture_config config = { .populate = populate };

	return fixture_start(&config);
}

static uint64_t open_path(struct fixture *f, const char *path, uint32_t flags, uint64_t *ret_node)
{
	struct fuse_open_out open;

	*ret_node = fuse_node(&f->client, path);
	g_assert_cmpint(fuse_open(&f->client, *ret_node, flags, &open), ==, 0);
	return open.fh;
}

static void test_read(void)
{
	static const struct {
		uint64_t offset;
		uint32_t size;
		int result;
	} reads[] = {
		{ 0, 4096, 4096 },
		{ 1, 1, 1 },
		{ 4095, 8194, 8194 },
		{ 0, 1 << 20, FILE_BYTES },
		{ FILE_BYTES - 10, 4096, 10 },
		{ FILE_BYTES, 4096, 0 },
		{ 1 << 30, 4096, 0 },
		{ 131071, 131073, 131073 },
	};
	struct fixture *f = start();
	g_autofree uint8_t *bytes = g_malloc(1 << 20);
	uint64_t node, fh = open_path(f, "file", O_RDONLY, &node);

	for (size_t i = 0; i < G_N_ELEMENTS(reads); i++) {
		int n = fuse_read(&f->client, node, fh, reads[i].offset, reads[i].size, bytes);

		g_assert_cmpint(n, ==, reads[i].result);
		g_assert_true(share_pattern_matches(bytes, (size_t)n, reads[i].offset));
	}
	g_assert_cmpint(fuse_write(&f->client, node, fh, 0, 4, "nope", 0), ==, -EBADF);
	g_assert_cmpint(fuse_release(&f->client, node, fh), ==, 0);
	fixture_stop(f);
}

static void test_write(void)
{
	struct fixture *f = start();
	g_autofree uint8_t *bytes = g_malloc(1 << 20);
	g_autofree char *host = NULL;
	uint64_t node, fh = open_path(f, "empty", O_RDWR, &node);
	size_t n_host;

	for (size_t i = 0; i < 1 << 20; i++)
		bytes[i] = share_pattern(i);
	g_assert_cmpint(fuse_write(&f->client, node, fh, 0, 1, bytes, 0), ==, 1);
	g_assert_cmpint(fuse_write(&f->client, node, fh, 1, 4999, bytes + 1, 0), ==, 4999);
	g_assert_cmpint(fuse_write(&f->client, node, fh, 5000, (1 << 20) - 5000, bytes + 5000, 0),
			==, (1 << 20) - 5000);
	g_assert_cmpint(fuse_flush_fh(&f->client, node, fh, 7), ==, 0);
	g_assert_cmpint(fuse_fsync(&f->client, node, fh, false), ==, 0);
	g_assert_cmpint(fuse_fsync(&f->client, node, fh, true), ==, 0);
	host = share_read(&f->share, "empty", &n_host);
	g_assert_cmpuint(n_host, ==, 1 << 20);
	g_assert_true(share_pattern_matches(host, n_host, 0));
	g_assert_cmpint(fuse_release(&f->client, node, fh), ==, 0);
	fixture_stop(f);
}

static void test_append(void)
{
	struct fixture *f = start();
	g_autofree char *host = NULL;
	uint64_t node, fh = open_path(f, "empty", O_WRONLY | O_APPEND, &node);

	share_write_text(&f->share, "empty", "from the host ");
	/* The guest's idea of the end is old; O_APPEND writes at the real one. */
	f->client.file_flags = O_WRONLY | O_APPEND;
	g_assert_cmpint(fuse_write(&f->client, node, fh, 0, 10, "from guest", 0), ==, 10);
	/* The guest's process has cleared the flag since. */
	f->client.file_flags = O_WRONLY;
	g_assert_cmpint(fuse_write(&f->client, node, fh, 0, 4, "FROM", 0), ==, 4);
	host = share_read(&f->share, "empty", NULL);
	g_assert_cmpstr(host, ==, "FROM the host from guest");
	fixture_stop(f);
}

static void test_create(void)
{
	struct fixture *f = start();
	struct fuse_entry_out entry, again;
	struct fuse_open_out open;
	struct stat st;

	g_assert_cmpint(
		fuse_create(&f->client, FUSE_ROOT_ID, "new", 0640, O_RDWR | O_EXCL, &entry, &open),
		==, 0);
	st = share_lstat(&f->share, "new");
	g_assert_cmpuint(st.st_mode, ==, S_IFREG | 0640);
	g_assert_cmpuint(entry.attr.ino, ==, st.st_ino);
	g_assert_cmpint(fuse_write(&f->client, entry.nodeid, open.fh, 0, 3, "abc", 0), ==, 3);
	g_assert_cmpint(share_lstat(&f->share, "new").st_size, ==, 3);
	g_assert_cmpint(
		fuse_create(&f->client, FUSE_ROOT_ID, "new", 0640, O_RDWR | O_EXCL, &again, &open),
		==, -EEXIST);
	/* Without O_EXCL the file that is there is opened, as open(2) does. */
	g_assert_cmpint(
		fuse_create(&f->client, FUSE_ROOT_ID, "new", 0600, O_RDWR | O_TRUNC, &again, &open),
		==, 0);
	g_assert_cmpuint(again.nodeid, ==, entry.nodeid);
	g_assert_cmpint(share_lstat(&f->share, "new").st_size, ==, 0);
	g_assert_cmpuint(share_lstat(&f->share, "new").st_mode, ==, S_IFREG | 0640);
	fixture_stop(f);
}

static void test_create_of_unreadable(void)
{
	struct fixture *f = start();
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	char text[4];

	/* The mode counts for later opens only. */
	f->client.uid = f->client.gid = 1234;
	g_assert_cmpint(chmod(f->share.dir, 0777), ==, 0);
	g_assert_cmpint(fuse_create(&f->client, FUSE_ROOT_ID, "secret", 0, O_RDWR, &entry, &open),
			==, 0);
	g_assert_cmpint(fuse_write(&f->client, entry.nodeid, open.fh, 0, 3, "abc", 0), ==, 3);
	g_assert_cmpint(fuse_read(&f->client, entry.nodeid, open.fh, 0, 3, text), ==, 3);
	fixture_stop(f);
}

static void test_truncating_open(void)
{
	struct fixture_config config = { .populate = populate, .no_init = true };
	struct fixture *f = fixture_start(&config);
	uint64_t node;

	/* As a guest that sends ids with every request. */
	g_assert_cmpint(fuse_init(&f->client, 46, FUSE_TEST_LINUX_FLAGS & ~FUSE_ALLOW_IDMAP), ==,
			0);
	g_assert_cmphex(f->client.init_flags & FUSE_ATOMIC_O_TRUNC, !=, 0);
	(void)open_path(f, "file", O_WRONLY | O_TRUNC, &node);
	g_assert_cmpint(share_lstat(&f->share, "file").st_size, ==, 0);
	fixture_stop(f);
}

static void test_open_of_directories(void)
{
	struct fixture *f = start();
	uint64_t dir = fuse_node(&f->client, "dir");
	struct fuse_open_out open;

	g_assert_cmpint(fuse_open(&f->client, dir, O_RDWR, &open), <, 0);
	g_assert_cmpint(fuse_opendir(&f->client, fuse_node(&f->client, "file"), 0, &open), ==,
			-ENOTDIR);
	fixture_stop(f);
}

static void test_many_handles(void)
{
	struct fixture *f = start();
	uint64_t fhs[200], node;
	unsigned int before = daemon_n_fds(f->daemon);
	uint8_t bytes[16];

	for (size_t i = 0; i < G_N_ELEMENTS(fhs); i++)
		fhs[i] = open_path(f, "file", O_RDONLY, &node);
	for (size_t i = 0; i < G_N_ELEMENTS(fhs); i++) {
		g_assert_cmpint(fuse_read(&f->client, node, fhs[i], i, 16, bytes), ==, 16);
		g_assert_true(share_pattern_matches(bytes, 16, i));
	}
	for (size_t i = 0; i < G_N_ELEMENTS(fhs); i++)
		g_assert_cmpint(fuse_release(&f->client, node, fhs[i]), ==, 0);
	g_assert_cmpuint(daemon_n_fds(f->daemon), <=, before + 3);
	fixture_stop(f);
}

static void test_fallocate(void)
{
	struct fixture *f = start();
	uint64_t node, fh = open_path(f, "file", O_RDWR, &node);
	g_autofree char *host = NULL;
	struct stat st;

	g_assert_cmpint(fuse_fallocate(&f->client, node, fh, 0, 400000, 0), ==, 0);
	g_assert_cmpint(share_lstat(&f->share, "file").st_size, ==, 400000);
	g_assert_cmpint(fuse_fallocate(&f->client, node, fh, 400000, 65536, FALLOC_FL_KEEP_SIZE),
			==, 0);
	g_assert_cmpint(share_lstat(&f->share, "file").st_size, ==, 400000);
	g_assert_cmpint(fuse_fallocate(&f->client, node, fh, 4096, 8192,
				       FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE),
			==, 0);
	host = share_read(&f->share, "file", NULL);
	for (size_t i = 4096; i < 4096 + 8192; i++)
		g_assert_cmpint(host[i], ==, 0);
	g_assert_true(share_pattern_matches(host, 4096, 0));
	g_assert_true(share_pattern_matches(host + 12288, FILE_BYTES - 12288, 12288));
	st = share_lstat(&f->share, "file");
	g_assert_cmpint(st.st_size, ==, 400000);
	fixture_stop(f);
}

static void test_lseek(void)
{
	struct fixture *f = start();
	uint64_t node, fh, offset = 0;
	int fd = open(share_path(&f->share, "sparse"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(pwrite(fd, "x", 1, 1 << 20), ==, 1);
	g_assert_cmpint(ftruncate(fd, 4 << 20), ==, 0);
	fh = open_path(f, "sparse", O_RDONLY, &node);
	g_assert_cmpint(fuse_lseek(&f->client, node, fh, 0, SEEK_DATA, &offset), ==, 0);
	g_assert_cmpuint(offset, ==, lseek(fd, 0, SEEK_DATA));
	g_assert_cmpint(fuse_lseek(&f->client, node, fh, 1 << 20, SEEK_HOLE, &offset), ==, 0);
	g_assert_cmpuint(offset, ==, lseek(fd, 1 << 20, SEEK_HOLE));
	g_assert_cmpint(fuse_lseek(&f->client, node, fh, 3 << 20, SEEK_DATA, &offset), ==, -ENXIO);
	g_assert_cmpint(fuse_lseek(&f->client, node, fh, 5 << 20, SEEK_HOLE, &offset), ==, -ENXIO);
	close(fd);
	fixture_stop(f);
}

static void test_copy_file_range(void)
{
	struct fixture *f = start();
	struct fuse_copy_file_range_in copy = { .off_in = 1000, .off_out = 5, .len = 200000 };
	uint64_t from, to;
	g_autofree char *host = NULL;
	size_t n_host;

	copy.fh_in = open_path(f, "file", O_RDONLY, &from);
	copy.fh_out = open_path(f, "empty", O_RDWR, &to);
	copy.nodeid_out = to;
	for (int64_t n; copy.len;
	     copy.off_in += (uint64_t)n, copy.off_out += (uint64_t)n, copy.len -= (uint64_t)n) {
		n = fuse_copy_file_range(&f->client, &copy, from);
		g_assert_cmpint(n, >, 0);
	}
	host = share_read(&f->share, "empty", &n_host);
	g_assert_cmpuint(n_host, ==, 200005);
	g_assert_true(share_pattern_matches(host + 5, 200000, 1000));
	copy.flags = 1;
	copy.len = 10;
	g_assert_cmpint(fuse_copy_file_range(&f->client, &copy, from), ==, -EINVAL);
	fixture_stop(f);
}

static void test_syncfs(void)
{
	struct fixture *f = start();

	g_assert_cmpint(fuse_syncfs(&f->client, FUSE_ROOT_ID), ==, 0);
	g_assert_cmpint(fuse_syncfs(&f->client, fuse_node(&f->client, "dir")), ==, 0);
	fixture_stop(f);
}

static void test_destroy(void)
{
	struct fixture *f = start();
	uint64_t node, fh = open_path(f, "file", O_RDONLY, &node);
	unsigned int n_fds = daemon_n_fds(f->daemon);
	uint8_t bytes[8];

	/* Linux expects a reply of 16 bytes; fuse_destroy() checks it. */
	g_assert_cmpint(fuse_destroy(&f->client), ==, 0);
	g_assert_cmpuint(daemon_n_fds(f->daemon), <, n_fds);
	g_assert_cmpint(fuse_read(&f->client, node, fh, 0, 8, bytes), <, 0);
	/* The guest may mount again. */
	g_assert_cmpint(fuse_init_default(&f->client), ==, 0);
	fh = open_path(f, "file", O_RDONLY, &node);
	g_assert_cmpint(fuse_read(&f->client, node, fh, 0, 8, bytes), ==, 8);
	fixture_stop(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ops-files/read", test_read);
	g_test_add_func("/ops-files/write-flush-and-fsync", test_write);
	g_test_add_func("/ops-files/append-writes-at-the-real-end", test_append);
	g_test_add_func("/ops-files/create", test_create);
	g_test_add_func("/ops-files/a-created-handle-ignores-the-mode", test_create_of_unreadable);
	g_test_add_func("/ops-files/open-may-truncate", test_truncating_open);
	g_test_add_func("/ops-files/open-and-opendir-keep-to-their-kind", test_open_of_directories);
	g_test_add_func("/ops-files/many-handles-of-one-file", test_many_handles);
	g_test_add_func("/ops-files/fallocate", test_fallocate);
	g_test_add_func("/ops-files/lseek-finds-data-and-holes", test_lseek);
	g_test_add_func("/ops-files/copy-file-range", test_copy_file_range);
	g_test_add_func("/ops-files/syncfs", test_syncfs);
	g_test_add_func("/ops-files/destroy-is-answered-and-forgets", test_destroy);
	return g_test_run();
}
