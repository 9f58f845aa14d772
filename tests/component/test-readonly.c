/* SPDX-License-Identifier: Apache-2.0 */
/* With --readonly every modifying operation is EROFS and reading works. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/component/fixture.h"

static const char *const readonly_args[] = { "--readonly", NULL };

static void populate(const struct share *share)
{
	share_write_text(share, "file", "text");
	share_mkdir(share, "dir", 0755);
	share_symlink(share, "link", "file");
}

static struct fixture *start(void)
{
	struct fixture_config config = { .populate = populate, .args = readonly_args };

	return fixture_start(&config);
}

static void test_names(void)
{
	struct fixture *f = start();
	struct fuse_client *c = &f->client;
	uint64_t dir = fuse_node(c, "dir"), file = fuse_node(c, "file");
	struct fuse_entry_out entry;
	struct fuse_open_out open;

	g_assert_cmpint(fuse_mkdir(c, dir, "new", 0755, &entry), ==, -EROFS);
	g_assert_cmpint(fuse_mknod(c, dir, "new", S_IFREG | 0644, 0, &entry), ==, -EROFS);
	g_assert_cmpint(fuse_symlink(c, dir, "new", "x", &entry), ==, -EROFS);
	g_assert_cmpint(fuse_link(c, file, dir, "new", &entry), ==, -EROFS);
	g_assert_cmpint(fuse_create(c, dir, "new", 0644, O_RDWR, &entry, &open), ==, -EROFS);
	g_assert_cmpint(fuse_unlink(c, FUSE_ROOT_ID, "file"), ==, -EROFS);
	g_assert_cmpint(fuse_rmdir(c, FUSE_ROOT_ID, "dir"), ==, -EROFS);
	g_assert_cmpint(fuse_rename(c, FUSE_ROOT_ID, "file", dir, "moved"), ==, -EROFS);
	g_assert_cmpint(fuse_rename2(c, FUSE_ROOT_ID, "file", dir, "moved", 1), ==, -EROFS);
	g_assert_false(share_exists(&f->share, "dir/new"));
	g_assert_true(share_exists(&f->share, "file"));
	fixture_stop(f);
}

static void test_files(void)
{
	static const uint32_t writing[] = { O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC,
					    O_WRONLY | O_APPEND };
	struct fixture *f = start();
	struct fuse_client *c = &f->client;
	uint64_t file = fuse_node(c, "file");
	struct fuse_copy_file_range_in copy = { .nodeid_out = file, .len = 2 };
	struct fuse_open_out open;
	char text[8];

	for (size_t i = 0; i < G_N_ELEMENTS(writing); i++)
		g_assert_cmpint(fuse_open(c, file, writing[i], &open), ==, -EROFS);
	g_assert_cmpint(fuse_open(c, file, O_RDONLY, &open), ==, 0);
	g_assert_cmpint(fuse_read(c, file, open.fh, 0, 8, text), ==, 4);
	g_assert_cmpint(fuse_write(c, file, open.fh, 0, 1, "x", 0), ==, -EROFS);
	g_assert_cmpint(fuse_fallocate(c, file, open.fh, 0, 4096, 0), ==, -EROFS);
	copy.fh_in = copy.fh_out = open.fh;
	g_assert_cmpint(fuse_copy_file_range(c, &copy, file), ==, -EROFS);
	g_assert_cmpint(share_lstat(&f->share, "file").st_size, ==, 4);
	fixture_stop(f);
}

static void test_attributes(void)
{
	static const uint32_t valid[] = { FATTR_MODE, FATTR_UID,   FATTR_GID,
					  FATTR_SIZE, FATTR_ATIME, FATTR_MTIME | FATTR_MTIME_NOW };
	struct fixture *f = start();
	struct fuse_attr_out attr;

	for (size_t i = 0; i < G_N_ELEMENTS(valid); i++) {
		struct fuse_setattr_in in = { .valid = valid[i] };

		g_assert_cmpint(fuse_setattr(&f->client, fuse_node(&f->client, "file"), &in, &attr),
				==, -EROFS);
	}
	g_assert_cmpuint(share_lstat(&f->share, "file").st_mode, ==, S_IFREG | 0644);
	fixture_stop(f);
}

static void test_xattrs(void)
{
	struct fixture *f = start();
	uint64_t file = fuse_node(&f->client, "file");

	g_assert_cmpint(fuse_setxattr(&f->client, file, "user.a", "b", 1, 0), <, 0);
	g_assert_cmpint(fuse_removexattr(&f->client, file, "user.a"), <, 0);
	fixture_stop(f);
}

static void test_reading(void)
{
	struct fixture *f = start();
	struct fuse_client *c = &f->client;
	struct fuse_open_out open;
	struct fuse_attr_out attr;
	struct fuse_statfs_out statfs;
	uint64_t dir = fuse_node(c, "dir");
	uint8_t bytes[4096];
	char target[16];

	g_assert_cmpint(fuse_getattr(c, dir, UINT64_MAX, &attr), ==, 0);
	g_assert_cmpint(fuse_readlink(c, fuse_node(c, "link"), target, sizeof(target)), ==, 4);
	g_assert_cmpint(fuse_statfs(c, FUSE_ROOT_ID, &statfs), ==, 0);
	g_assert_cmpint(fuse_opendir(c, FUSE_ROOT_ID, 0, &open), ==, 0);
	g_assert_cmpint(fuse_readdir(c, FUSE_ROOT_ID, open.fh, 0, sizeof(bytes), bytes, true), >,
			0);
	g_assert_cmpint(fuse_fsyncdir(c, FUSE_ROOT_ID, open.fh, false), ==, 0);
	g_assert_cmpint(fuse_releasedir(c, FUSE_ROOT_ID, open.fh), ==, 0);
	fixture_stop(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/readonly/names-stay", test_names);
	g_test_add_func("/readonly/file-contents-stay", test_files);
	g_test_add_func("/readonly/attributes-stay", test_attributes);
	g_test_add_func("/readonly/xattrs-stay", test_xattrs);
	g_test_add_func("/readonly/reading-works", test_reading);
	return g_test_run();
}
