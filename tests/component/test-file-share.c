/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A single regular file as the share: it is the root, and nothing else is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/component/fixture.h"

static char shared[4096];

static void populate(const struct share *share)
{
	share_write_text(share, "single", "content");
	share_write_text(share, "beside", "secret");
	g_strlcpy(shared, share_path(share, "single"), sizeof(shared));
}

static void check_root(struct fixture *f)
{
	struct fuse_client *c = &f->client;
	struct fuse_statfs_out statfs;
	struct fuse_open_out open;
	struct fuse_attr_out attr;
	char text[16] = { 0 };

	g_assert_cmpint(fuse_getattr(c, FUSE_ROOT_ID, UINT64_MAX, &attr), ==, 0);
	g_assert_cmpuint(attr.attr.mode & S_IFMT, ==, S_IFREG);
	g_assert_cmpuint(attr.attr.size, ==, 7);
	g_assert_cmpint(fuse_open(c, FUSE_ROOT_ID, O_RDWR, &open), ==, 0);
	g_assert_cmpint(fuse_read(c, FUSE_ROOT_ID, open.fh, 0, 16, text), ==, 7);
	g_assert_cmpstr(text, ==, "content");
	g_assert_cmpint(fuse_write(c, FUSE_ROOT_ID, open.fh, 0, 3, "CON", 0), ==, 3);
	g_assert_cmpint(fuse_release(c, FUSE_ROOT_ID, open.fh), ==, 0);
	g_assert_cmpint(fuse_statfs(c, FUSE_ROOT_ID, &statfs), ==, 0);
	g_assert_cmpint(fuse_syncfs(c, FUSE_ROOT_ID), ==, 0);
}

static void check_no_directory(struct fixture *f)
{
	static const char *const names[] = { "single", "beside", "x" };
	struct fuse_client *c = &f->client;
	struct fuse_entry_out entry;
	struct fuse_open_out open;

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		g_assert_cmpint(fuse_lookup(c, FUSE_ROOT_ID, names[i], &entry), ==, -ENOTDIR);
		g_assert_cmpint(fuse_mkdir(c, FUSE_ROOT_ID, names[i], 0755, &entry), ==, -ENOTDIR);
		g_assert_cmpint(fuse_unlink(c, FUSE_ROOT_ID, names[i]), ==, -ENOTDIR);
		g_assert_cmpint(fuse_create(c, FUSE_ROOT_ID, names[i], 0644, O_RDWR, &entry, &open),
				==, -ENOTDIR);
	}
	g_assert_cmpint(fuse_opendir(c, FUSE_ROOT_ID, 0, &open), ==, -ENOTDIR);
}

static void test_in_sandbox(gconstpointer mode)
{
	const char *const args[] = { "--shared-dir", shared, "--sandbox", mode, NULL };
	/* In an AddressSanitizer build; its search for leaks needs the host's /proc. */
	static const char *const env[] = { "ASAN_OPTIONS=detect_leaks=0", NULL };
	struct fixture_config config = { .populate = populate, .args = args, .env = env };
	struct fixture *f = fixture_start(&config);

	check_root(f);
	check_no_directory(f);
	g_assert_cmpuint(share_lstat(&f->share, "single").st_size, ==, 7);
	fixture_stop(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/file-share/in-namespaces", "namespace", test_in_sandbox);
	g_test_add_data_func("/file-share/in-a-chroot", "chroot", test_in_sandbox);
	g_test_add_data_func("/file-share/without-a-sandbox", "none", test_in_sandbox);
	return g_test_run();
}
