/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest on a share of its own, which opens and closes nothing: far more files than descriptors,
 * removed files it may have open, a new INIT, guests that do not offer it, and hostile ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"

#define N_FILES	  2000u
#define N_REMOVED 50u
#define LIMIT	  256u

static const char *const args[] = { "--exclusive", "--rlimit-nofile=256", NULL };

static void populate(const struct share *share)
{
	share_write_text(share, "file", "hello");
	share_mkdir(share, "dir", 0755);
	share_mknod(share, "fifo", S_IFIFO | 0666, 0);
	share_symlink(share, "link", "file");
}

static struct fixture *start(bool no_init)
{
	const struct fixture_config config = {
		.args = args,
		.populate = populate,
		.client = { .data_bytes = 65536 },
		.no_init = no_init,
	};

	return fixture_start(&config);
}

static void must_read(struct fuse_client *client, uint64_t node, const char *text)
{
	char bytes[100] = { 0 };

	g_assert_cmpint(fuse_read(client, node, 0, 0, sizeof(bytes), bytes), ==, (int)strlen(text));
	g_assert_cmpstr(bytes, ==, text);
}

static uint64_t create(struct fuse_client *client, const char *name, const char *text)
{
	struct fuse_open_out open = { .fh = 5 };
	struct fuse_entry_out entry;

	/* As git does: to be written once. */
	g_assert_cmpint(fuse_create(client, FUSE_ROOT_ID, name, S_IFREG | 0444, O_WRONLY | O_CREAT,
				    &entry, &open),
			==, 0);
	g_assert_cmpuint(open.fh, ==, 0);
	g_assert_cmpint(fuse_write(client, entry.nodeid, 0, 0, (uint32_t)strlen(text), text, 0), ==,
			(int)strlen(text));
	return entry.nodeid;
}

static void test_more_files_than_descriptors(void)
{
	struct fixture *f = start(false);
	struct fuse_client *client = &f->client;
	g_autofree uint64_t *node = g_new0(uint64_t, N_FILES);
	struct fuse_open_out open;

	g_assert_cmpint(fuse_open(client, fuse_node(client, "file"), O_RDONLY, &open), ==, -ENOSYS);
	for (unsigned int i = 0; i < N_FILES; i++) {
		g_autofree char *name = g_strdup_printf("f%u", i);

		node[i] = create(client, name, name);
		g_assert_cmpuint(daemon_n_fds(f->daemon), <, LIMIT);
	}
	for (unsigned int i = 0; i < N_REMOVED; i++) {
		g_autofree char *name = g_strdup_printf("f%u", i);

		g_assert_cmpint(fuse_unlink(client, FUSE_ROOT_ID, name), ==, 0);
	}
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < N_FILES; i++) {
			g_autofree char *name = g_strdup_printf("f%u", i);

			must_read(client, node[i], name);
		}
		g_assert_cmpuint(daemon_n_fds(f->daemon), <, LIMIT);
	}
	for (unsigned int i = 0; i < N_REMOVED; i++)
		g_assert_cmpint(fuse_write(client, node[i], 0, 0, 1, "F", 0), ==, 1);
	must_read(client, node[7], "F7");
	fixture_stop(f);
}

static void test_new_init(void)
{
	struct fixture *f = start(true);
	struct fuse_client *client = &f->client;
	uint64_t node;
	unsigned int n_fds;
	char byte;

	g_assert_cmpint(fuse_init_default(client), ==, 0);
	n_fds = daemon_n_fds(f->daemon);
	node = fuse_node(client, "file");
	must_read(client, node, "hello");
	g_assert_cmpuint(daemon_n_fds(f->daemon), >, n_fds);
	g_assert_cmpint(fuse_init_default(client), ==, 0);
	g_assert_cmpuint(daemon_n_fds(f->daemon), <=, n_fds);
	g_assert_cmpint(fuse_read(client, node, 0, 0, 1, &byte), ==, -ESTALE);
	must_read(client, fuse_node(client, "file"), "hello");
	fixture_stop(f);
}

static void test_other_guests(void)
{
	const uint64_t opens = FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT;
	struct fixture *f = start(true);
	struct fuse_client *client = &f->client;
	struct fuse_open_out open;
	uint64_t node;
	char bytes[5];

	g_assert_cmpint(fuse_init(client, 46, FUSE_TEST_LINUX_FLAGS & ~opens), ==, 0);
	g_assert_cmphex(client->init_flags & opens, ==, 0);
	node = fuse_node(client, "file");
	g_assert_cmpint(fuse_open(client, node, O_RDWR, &open), ==, 0);
	g_assert_cmpuint(open.fh, !=, 0);
	g_assert_cmpint(fuse_read(client, node, 0, 0, 5, bytes), ==, -EBADF);
	g_assert_cmpint(fuse_read(client, node, open.fh, 0, 5, bytes), ==, 5);
	g_assert_cmpint(fuse_flush_fh(client, node, open.fh, 1), ==, 0);
	g_assert_cmpint(fuse_release(client, node, open.fh), ==, 0);
	fixture_stop(f);
}

static void test_hostile(void)
{
	static const uint64_t fhs[] = { 1, 2, 0x80000000, 0x80000001, 1ULL << 32, UINT64_MAX };
	static const char *const names[] = { "fifo", "link", "dir" };
	struct fixture *f = start(false);
	struct fuse_client *client = &f->client;
	uint64_t node = fuse_node(client, "file");
	struct fuse_lk_in lock = { .lk.type = F_WRLCK };
	char bytes[4096];

	for (size_t i = 0; i < G_N_ELEMENTS(fhs); i++) {
		g_assert_cmpint(fuse_read(client, node, fhs[i], 0, 5, bytes), ==, -EBADF);
		g_assert_cmpint(fuse_write(client, node, fhs[i], 0, 1, "x", 0), ==, -EBADF);
		g_assert_cmpint(fuse_release(client, node, fhs[i]), ==, -EBADF);
	}
	/* Nobody writes to the fifo: opening it would hang. */
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		uint64_t other = fuse_node(client, names[i]);

		g_assert_cmpint(fuse_read(client, other, 0, 0, 5, bytes), <, 0);
		g_assert_cmpint(fuse_write(client, other, 0, 0, 1, "x", 0), <, 0);
		g_assert_cmpint(fuse_fallocate(client, other, 0, 0, 10, 0), <, 0);
		g_assert_cmpint(fuse_fsync(client, other, 0, false), <, 0);
	}
	for (uint64_t other = 0; other < 20; other++)
		if (other != node && other != FUSE_ROOT_ID)
			g_assert_cmpint(fuse_write(client, other, 0, 0, 1, "x", 0), <, 0);
	g_assert_cmpint(fuse_readdir(client, node, 0, 0, 4096, bytes, false), ==, -EBADF);
	g_assert_cmpint(fuse_lock(client, FUSE_SETLK, node, &lock, NULL), ==, -ENOSYS);
	g_assert_cmpint(fuse_release(client, node, 0), ==, 0);
	must_read(client, node, "hello");
	fuse_forget(client, node, 1);
	fixture_check_alive(f);
	g_assert_cmpint(fuse_read(client, node, 0, 0, 5, bytes), ==, -ESTALE);
	fixture_stop(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/exclusive/far-more-files-than-descriptors-are-used-and-removed",
			test_more_files_than_descriptors);
	g_test_add_func("/exclusive/a-new-init-closes-everything", test_new_init);
	g_test_add_func("/exclusive/guests-that-do-not-offer-it-open-their-files",
			test_other_guests);
	g_test_add_func("/exclusive/made-up-handles-and-special-files-lead-nowhere", test_hostile);
	return g_test_run();
}
