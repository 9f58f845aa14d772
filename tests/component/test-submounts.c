/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host mount points inside the share: announced as such, told apart from their
 * neighbours, and never mixed up with the directory they cover, also when they
 * come and go later. The mounts live in a mount namespace of this program.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "tests/component/fixture.h"
#include "tests/component/stores.h"
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

static void check_text(struct fixture *f, const char *path, const char *want)
{
	uint64_t node = fuse_node(&f->client, path);
	struct fuse_open_out open;
	char text[32] = { 0 };

	g_assert_cmpint(fuse_open(&f->client, node, 0, &open), ==, 0);
	g_assert_cmpint(fuse_read(&f->client, node, open.fh, 0, sizeof(text) - 1, text), ==,
			(int)strlen(want));
	g_assert_cmpstr(text, ==, want);
	g_assert_cmpint(fuse_release(&f->client, node, open.fh), ==, 0);
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

	g_assert_cmpint(fuse_walk(&f->client, "a/file", &a), ==, 0);
	g_assert_cmpint(fuse_walk(&f->client, "b/file", &b), ==, 0);
	g_assert_cmpuint(share_lstat(&f->share, "a/file").st_ino, ==,
			 share_lstat(&f->share, "b/file").st_ino);
	g_assert_cmpuint(a.nodeid, !=, b.nodeid);
	check_text(f, "b/file", "of b");
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

/* ---- While the guest runs ---- */

static void unmount(struct fixture *f, const char *name)
{
	g_assert_cmpint(umount2(share_path(&f->share, name), MNT_DETACH), ==, 0);
}

static void test_mounted_later(void)
{
	struct fixture *f = start(NULL);
	struct fuse_client *c = &f->client;
	uint64_t covered = fuse_node(c, "plain"), mounted;
	struct fuse_entry_out entry;

	g_assert_cmpint(fuse_mkdir(c, covered, "below", 0755, &entry), ==, 0);
	mount_tmpfs(share_path(&f->share, "plain"));
	share_write_text(&f->share, "plain/file", "of the mount");
	/* The name has another node now; the node that it had is still the directory below. */
	g_assert_true(is_submount(f, "plain"));
	mounted = fuse_node(c, "plain");
	g_assert_cmpuint(mounted, !=, covered);
	g_assert_cmpint(fuse_lookup(c, mounted, "below", &entry), ==, -ENOENT);
	g_assert_cmpint(fuse_lookup(c, covered, "file", &entry), ==, -ENOENT);
	g_assert_cmpint(fuse_lookup(c, covered, "below", &entry), ==, 0);
	g_assert_cmpint(fuse_lookup(c, mounted, "file", &entry), ==, 0);
	unmount(f, "plain");
	g_assert_cmpuint(fuse_node(c, "plain"), ==, covered);
	g_assert_false(is_submount(f, "plain"));
	stop(f);
}

static void test_same_file_system(void)
{
	struct fixture *f = start(NULL);
	struct fuse_client *c = &f->client;
	g_autofree char *from = g_strdup(share_path(&f->share, "a"));
	struct fuse_entry_out entry;

	/* The same files on two mounts: they cannot be linked from one to the other. */
	g_assert_cmpint(mount(from, share_path(&f->share, "plain"), NULL, MS_BIND, NULL), ==, 0);
	g_assert_true(is_submount(f, "plain"));
	g_assert_cmpuint(fuse_node(c, "a/file"), !=, fuse_node(c, "plain/file"));
	g_assert_cmpint(
		fuse_link(c, fuse_node(c, "a/file"), fuse_node(c, "plain"), "other", &entry), ==,
		-EXDEV);
	g_assert_cmpint(fuse_rename(c, fuse_node(c, "a"), "file", fuse_node(c, "plain"), "other"),
			==, -EXDEV);
	unmount(f, "plain");
	stop(f);
}

static void test_nested(void)
{
	struct fixture *f = start(NULL);
	struct fuse_client *c = &f->client;
	struct fuse_statfs_out outer, inner;

	share_mkdir(&f->share, "a/inner", 0755);
	if (mount("test", share_path(&f->share, "a/inner"), "tmpfs", 0, "size=32m,mode=755"))
		test_die("mount: %s", strerror(errno));
	g_assert_true(is_submount(f, "a/inner"));
	g_assert_cmpint(fuse_statfs(c, fuse_node(c, "a"), &outer), ==, 0);
	g_assert_cmpint(fuse_statfs(c, fuse_node(c, "a/inner"), &inner), ==, 0);
	g_assert_cmpuint(inner.st.blocks, ==, 2 * outer.st.blocks);
	g_assert_cmpint(fuse_syncfs(c, fuse_node(c, "a/inner")), ==, 0);
	unmount(f, "a/inner");
	stop(f);
}

/* A subvolume has a device number of its own, and the root of each has the same inode number. */
static uint64_t ino_of(struct fixture *f, const char *path)
{
	struct fuse_client *c = &f->client;
	struct fuse_entry_out entry;
	struct fuse_attr_out attr;
	struct fuse_open_out open;

	g_assert_cmpint(fuse_walk(c, path, &entry), ==, 0);
	g_assert_cmpint(fuse_getattr(c, entry.nodeid, UINT64_MAX, &attr), ==, 0);
	g_assert_cmpuint(attr.attr.ino, ==, entry.attr.ino);
	g_assert_cmpint(fuse_opendir(c, entry.nodeid, 0, &open), ==, 0);
	g_assert_cmpint(fuse_getattr(c, entry.nodeid, open.fh, &attr), ==, 0);
	g_assert_cmpuint(attr.attr.ino, ==, entry.attr.ino);
	g_assert_cmpint(fuse_releasedir(c, entry.nodeid, open.fh), ==, 0);
	return entry.attr.ino;
}

/* Until the guest mounts them, they are on the device of the share's root for it. */
static void check_roots_differ(struct fixture *f)
{
	uint64_t vol = ino_of(f, "vol"), snap = ino_of(f, "snap");

	g_assert_cmpuint(share_lstat(&f->share, "vol").st_ino, ==, 256);
	g_assert_cmpuint(vol, !=, snap);
	g_assert_cmpuint(vol, >, UINT64_C(1) << 60);
	g_assert_cmpuint(snap, >, UINT64_C(1) << 60);
}

static void test_subvolumes(void)
{
	const struct fixture_config config = { .populate = store_btrfs };
	struct fixture *f;
	struct fuse_client *c;
	struct fuse_entry_out entry;
	struct share share;

	f = fixture_start(&config);
	c = &f->client;
	store_run("btrfs subvolume create %s/vol", f->share.dir);
	share_write_text(&f->share, "vol/file", "original");
	store_run("btrfs subvolume snapshot %s/vol %s/snap", f->share.dir, f->share.dir);
	share_write_text(&f->share, "vol/file", "changed");
	g_assert_true(is_submount(f, "vol"));
	g_assert_true(is_submount(f, "snap"));
	g_assert_cmpuint(share_lstat(&f->share, "vol/file").st_ino, ==,
			 share_lstat(&f->share, "snap/file").st_ino);
	g_assert_cmpuint(fuse_node(c, "vol/file"), !=, fuse_node(c, "snap/file"));
	check_roots_differ(f);
	check_text(f, "vol/file", "changed");
	check_text(f, "snap/file", "original");
	g_assert_cmpint(fuse_link(c, fuse_node(c, "vol/file"), fuse_node(c, "snap"), "x", &entry),
			==, -EXDEV);
	g_assert_cmpint(fuse_rename(c, fuse_node(c, "vol"), "file", fuse_node(c, "snap"), "x"), ==,
			-EXDEV);
	share = (struct share){ .base = f->share.base, .dir = f->share.dir };
	store_unmount(&share);
	fixture_stop(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	stores_init();
	/* What is mounted from now on reaches the daemon's namespace. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL))
		test_die("shared mounts: %s", strerror(errno));
	g_test_add_func("/submounts/mount-points-are-announced", test_announced);
	g_test_add_func("/submounts/announcing-can-be-switched-off", test_hidden);
	g_test_add_func("/submounts/equal-inode-numbers-are-different-files",
			test_equal_inode_numbers);
	g_test_add_func("/submounts/nothing-crosses-a-mount-point", test_across);
	g_test_add_func("/submounts/mounts-come-and-go-while-the-guest-runs", test_mounted_later);
	g_test_add_func("/submounts/two-mounts-of-one-file-system-are-two", test_same_file_system);
	g_test_add_func("/submounts/mounts-may-be-nested", test_nested);
	g_test_add_func("/submounts/subvolumes-are-announced-as-mounts", test_subvolumes);
	return g_test_run();
}
