/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host mount points inside the share: announced as such, told apart from their
 * neighbours, and never mixed up with the directory they cover. The mounts live
 * in a mount namespace of this program.
 */
#include <errno.h>
#include <glib.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"

static void mount_tmpfs(const char *path)
{
	if (mount("test", path, "tmpfs", 0, "size=16m,mode=755"))
		test_die("mount %s: %s", path, strerror(errno));
}

/* Two mounts of alike content: their files have the same inode numbers. */
static void populate(const struct share *share)
{
	share_mkdir(share, "plain", 0755);
	share_mkdir(share, "a", 0755);
	share_mkdir(share, "b", 0755);
	mount_tmpfs(share_path(share, "a"));
	mount_tmpfs(share_path(share, "b"));
	share_write_text(share, "a/file", "of a");
	share_write_text(share, "b/file", "of b");
}

static struct fixture *start(const char *const *args)
{
	struct fixture_config config = { .populate = populate, .args = args };

	return fixture_start(&config);
}

static void stop(struct fixture *f)
{
	g_autofree char *a = g_strdup(share_path(&f->share, "a"));
	g_autofree char *b = g_strdup(share_path(&f->share, "b"));

	g_assert_cmpint(umount2(a, MNT_DETACH), ==, 0);
	g_assert_cmpint(umount2(b, MNT_DETACH), ==, 0);
	fixture_stop(f);
}

static bool is_submount(struct fixture *f, const char *path)
{
	struct fuse_entry_out entry;
	struct fuse_attr_out attr;

	g_assert_cmpint(fuse_walk(&f->client, path, &entry), ==, 0);
	g_assert_cmpint(fuse_getattr(&f->client, entry.nodeid, UINT64_MAX, &attr), ==, 0);
	g_assert_cmpuint(entry.attr.flags & FUSE_ATTR_SUBMOUNT, ==,
			 attr.attr.flags & FUSE_ATTR_SUBMOUNT);
	return entry.attr.flags & FUSE_ATTR_SUBMOUNT;
}

static void test_announced(void)
{
	struct fixture *f = start(NULL);

	g_assert_true(f->client.init_flags & FUSE_SUBMOUNTS);
	g_assert_true(is_submount(f, "a"));
	g_assert_true(is_submount(f, "b"));
	g_assert_false(is_submount(f, "plain"));
	g_assert_false(is_submount(f, "a/file"));
	stop(f);
}

static void test_hidden(void)
{
	struct fixture *f = start((const char *const[]){ "--no-announce-submounts", NULL });

	g_assert_false(is_submount(f, "a"));
	g_assert_false(is_submount(f, "plain"));
	stop(f);
}

static void test_equal_inode_numbers(void)
{
	struct fixture *f = start(NULL);
	struct fuse_entry_out a, b;
	struct fuse_open_out open;
	char text[8] = { 0 };

	g_assert_cmpint(fuse_walk(&f->client, "a/file", &a), ==, 0);
	g_assert_cmpint(fuse_walk(&f->client, "b/file", &b), ==, 0);
	g_assert_cmpuint(share_lstat(&f->share, "a/file").st_ino, ==,
			 share_lstat(&f->share, "b/file").st_ino);
	g_assert_cmpuint(a.nodeid, !=, b.nodeid);
	g_assert_cmpint(fuse_open(&f->client, b.nodeid, 0, &open), ==, 0);
	g_assert_cmpint(fuse_read(&f->client, b.nodeid, open.fh, 0, 4, text), ==, 4);
	g_assert_cmpstr(text, ==, "of b");
	stop(f);
}

static void test_across(void)
{
	struct fixture *f = start(NULL);
	uint64_t a = fuse_node(&f->client, "a"), b = fuse_node(&f->client, "b");
	struct fuse_entry_out entry;

	g_assert_cmpint(fuse_rename(&f->client, a, "file", b, "other"), ==, -EXDEV);
	g_assert_cmpint(fuse_link(&f->client, fuse_node(&f->client, "a/file"), b, "other", &entry),
			==, -EXDEV);
	g_assert_cmpint(fuse_rmdir(&f->client, FUSE_ROOT_ID, "a"), ==, -EBUSY);
	g_assert_cmpint(fuse_syncfs(&f->client, a), ==, 0);
	stop(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		test_die("a mount namespace: %s", strerror(errno));
	g_test_add_func("/submounts/mount-points-are-announced", test_announced);
	g_test_add_func("/submounts/announcing-can-be-switched-off", test_hidden);
	g_test_add_func("/submounts/equal-inode-numbers-are-different-files",
			test_equal_inode_numbers);
	g_test_add_func("/submounts/nothing-crosses-a-mount-point", test_across);
	return g_test_run();
}
