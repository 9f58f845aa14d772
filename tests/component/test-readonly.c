/* SPDX-License-Identifier: Apache-2.0 */
/* With --readonly every modifying operation is EROFS and reading works. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <stdlib.h>
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

static bool is_listed(const uint32_t *list, size_t n, uint32_t opcode)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == opcode)
			return true;
	return false;
}

/* Every opcode there is, with arguments that mean nothing: which are refused for this reason? */
static void test_opcodes(void)
{
	static const char *const args[] = { "--readonly", "--xattr", NULL };
	static const uint32_t changing[] = {
		FUSE_SETATTR,	      FUSE_SYMLINK, FUSE_MKNOD,
		FUSE_MKDIR,	      FUSE_UNLINK,  FUSE_RMDIR,
		FUSE_RENAME,	      FUSE_LINK,    FUSE_WRITE,
		FUSE_CREATE,	      FUSE_RENAME2, FUSE_FALLOCATE,
		FUSE_COPY_FILE_RANGE, FUSE_TMPFILE, FUSE_SETXATTR,
		FUSE_REMOVEXATTR,     53, /* COPY_FILE_RANGE_64 */
	};
	/* Without a reply, or the end of the session. */
	static const uint32_t left_out[] = { FUSE_FORGET, FUSE_BATCH_FORGET, FUSE_INTERRUPT,
					     FUSE_INIT, FUSE_DESTROY };
	struct fixture_config config = { .populate = populate, .args = args };
	struct fixture *f = fixture_start(&config);
	static const char zeros[128];
	struct raw raw;

	raw_init(&raw, f, 1);
	for (uint32_t opcode = 1; opcode < 64; opcode++) {
		bool refused = is_listed(changing, G_N_ELEMENTS(changing), opcode);
		size_t n;
		int r;

		if (is_listed(left_out, G_N_ELEMENTS(left_out), opcode))
			continue;
		n = raw_fill(&raw, opcode, FUSE_ROOT_ID, zeros, sizeof(zeros));
		r = raw_request(&raw, n, 4096);
		g_test_message("opcode %u: %d", opcode, r);
		g_assert_cmpint(r == -EROFS, ==, refused);
	}
	fixture_stop(f);
}

static void test_ioctls(void)
{
	static const uint32_t changing[] = { FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR,
					     FS_IOC_ENABLE_VERITY };
	struct fixture *f = start();
	uint64_t file = fuse_node(&f->client, "file");
	struct fuse_open_out open;
	static const char zeros[128];
	char out[128];
	int32_t result;

	g_assert_cmpint(fuse_open(&f->client, file, 3, &open), ==, -EROFS);
	g_assert_cmpint(fuse_open(&f->client, file, O_RDONLY, &open), ==, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(changing); i++)
		g_assert_cmpint(fuse_ioctl(&f->client, file, open.fh, changing[i], zeros,
					   sizeof(zeros), out, 0, false, &result),
				==, -EROFS);
	fixture_stop(f);
}

static void test_locks(void)
{
	static const char *const args[] = { "--readonly", "--posix-lock", "--flock", NULL };
	struct fixture_config config = { .populate = populate, .args = args };
	struct fixture *f = fixture_start(&config);
	uint64_t file = fuse_node(&f->client, "file");
	struct fuse_lk_in lock = { .owner = 1, .lk = { .end = INT64_MAX, .type = F_RDLCK } };
	struct fuse_open_out open;

	g_assert_cmpint(fuse_open(&f->client, file, O_RDONLY, &open), ==, 0);
	lock.fh = open.fh;
	g_assert_cmpint(fuse_lock(&f->client, FUSE_SETLK, file, &lock, NULL), ==, 0);
	lock.lk_flags = FUSE_LK_FLOCK;
	lock.lk.type = F_WRLCK;
	g_assert_cmpint(fuse_lock(&f->client, FUSE_SETLK, file, &lock, NULL), ==, 0);
	fixture_stop(f);
}

static void make_old(const char *path)
{
	const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000 } };

	g_assert_cmpint(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), ==, 0);
}

static void populate_old(const struct share *share)
{
	populate(share);
	make_old(share_path(share, "file"));
	make_old(share_path(share, "dir"));
}

static void test_access_times(void)
{
	static const char *const sandboxes[] = { "namespace", "chroot", "none" };

	/* A sanitizer's runtime gets along with none of them. */
	const size_t first = getenv("TEST_DAEMON_ARGS") ? 2 : 0;

	for (size_t i = first; i < G_N_ELEMENTS(sandboxes); i++) {
		const char *args[] = { "--readonly", "--sandbox", sandboxes[i], NULL };
		struct fixture_config config = { .populate = populate_old, .args = args };
		struct fixture *f = fixture_start(&config);
		uint64_t file = fuse_node(&f->client, "file"), dir = fuse_node(&f->client, "dir");
		struct fuse_open_out open;
		uint8_t bytes[4096];

		g_assert_cmpint(fuse_open(&f->client, file, O_RDONLY, &open), ==, 0);
		g_assert_cmpint(fuse_read(&f->client, file, open.fh, 0, 4, bytes), ==, 4);
		g_assert_cmpint(fuse_opendir(&f->client, dir, 0, &open), ==, 0);
		g_assert_cmpint(
			fuse_readdir(&f->client, dir, open.fh, 0, sizeof(bytes), bytes, false), >,
			0);
		g_assert_cmpint(share_lstat(&f->share, "file").st_atime, ==, 1000);
		g_assert_cmpint(share_lstat(&f->share, "dir").st_atime, ==, 1000);
		fixture_stop(f);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/readonly/names-stay", test_names);
	g_test_add_func("/readonly/file-contents-stay", test_files);
	g_test_add_func("/readonly/attributes-stay", test_attributes);
	g_test_add_func("/readonly/xattrs-stay", test_xattrs);
	g_test_add_func("/readonly/reading-works", test_reading);
	g_test_add_func("/readonly/every-opcode-that-changes-is-refused", test_opcodes);
	g_test_add_func("/readonly/flags-and-verity-stay", test_ioctls);
	g_test_add_func("/readonly/locks-are-allowed", test_locks);
	g_test_add_func("/readonly/access-times-stay", test_access_times);
	return g_test_run();
}
