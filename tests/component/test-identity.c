/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is created belongs to the guest's user and group, follows set-group-ID
 * directories and supplementary groups, and no identity sticks to a thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/component/fixture.h"

#define USER  1234
#define GROUP 5678
#define EXTRA 4321

static void populate(const struct share *share)
{
	share_mkdir(share, "open", 0777);
	share_mkdir(share, "setgid", 02777);
	g_assert_cmpint(chown(share_path(share, "setgid"), 0, EXTRA), ==, 0);
	g_assert_cmpint(chmod(share_path(share, "setgid"), 02777), ==, 0);
	/* Writable for members of EXTRA only. */
	share_mkdir(share, "team", 0770);
	g_assert_cmpint(chown(share_path(share, "team"), 0, EXTRA), ==, 0);
	share_mkdir(share, "private", 0700);
}

static struct fixture *start(void)
{
	struct fixture_config config = { .populate = populate };

	return fixture_start(&config);
}

static void become(struct fixture *f, uint32_t uid, uint32_t gid, int64_t supp_group)
{
	f->client.uid = uid;
	f->client.gid = gid;
	f->client.supp_group = supp_group;
}

static void check_owner(struct fixture *f, const char *name, uint32_t uid, uint32_t gid)
{
	struct stat st = share_lstat(&f->share, name);

	g_test_message("%s", name);
	g_assert_cmpuint(st.st_uid, ==, uid);
	g_assert_cmpuint(st.st_gid, ==, gid);
}

/* One of each kind in @dir; the result of the last, all alike. */
static int create_all(struct fixture *f, const char *dir)
{
	uint64_t node = fuse_node(&f->client, dir);
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	int results[4];

	results[0] = fuse_mkdir(&f->client, node, "d", 0755, &entry);
	results[1] = fuse_mknod(&f->client, node, "n", S_IFREG | 0644, 0, &entry);
	results[2] = fuse_symlink(&f->client, node, "s", "x", &entry);
	results[3] = fuse_create(&f->client, node, "c", 0644, O_RDWR, &entry, &open);
	for (int i = 0; i < 3; i++)
		g_assert_cmpint(results[i], ==, results[3]);
	return results[3];
}

static void check_all(struct fixture *f, const char *dir, uint32_t uid, uint32_t gid)
{
	for (const char *name = "dnsc"; *name; name++) {
		g_autofree char *path = g_strdup_printf("%s/%c", dir, *name);

		check_owner(f, path, uid, gid);
	}
}

static void test_creator_owns(void)
{
	struct fixture *f = start();
	struct fuse_entry_out entry;

	become(f, USER, GROUP, -1);
	g_assert_cmpint(create_all(f, "open"), ==, 0);
	check_all(f, "open", USER, GROUP);
	/* The next request is its own: nothing of the last user sticks. */
	become(f, 0, 0, -1);
	g_assert_cmpint(fuse_mkdir(&f->client, FUSE_ROOT_ID, "roots", 0755, &entry), ==, 0);
	check_owner(f, "roots", 0, 0);
	become(f, 1, 2, -1);
	g_assert_cmpint(
		fuse_mkdir(&f->client, fuse_node(&f->client, "open"), "third", 0755, &entry), ==,
		0);
	check_owner(f, "open/third", 1, 2);
	fixture_stop(f);
}

static void test_setgid_directory(void)
{
	struct fixture *f = start();

	become(f, USER, GROUP, -1);
	g_assert_cmpint(create_all(f, "setgid"), ==, 0);
	check_all(f, "setgid", USER, EXTRA);
	g_assert_true(share_lstat(&f->share, "setgid/d").st_mode & S_ISGID);
	fixture_stop(f);
}

static void test_setgid_file_of_a_stranger(void)
{
	struct fixture *f = start();
	struct fuse_entry_out entry;
	struct fuse_open_out open;

	/* CVE-2022-0358: no group-executable file of a group the user is not in. */
	become(f, USER, GROUP, -1);
	g_assert_cmpint(fuse_create(&f->client, fuse_node(&f->client, "setgid"), "prog", 02775,
				    O_RDWR, &entry, &open),
			==, 0);
	check_owner(f, "setgid/prog", USER, EXTRA);
	g_assert_false(share_lstat(&f->share, "setgid/prog").st_mode & S_ISGID);
	fixture_stop(f);
}

static void test_supplementary_group(void)
{
	struct fixture *f = start();
	struct fuse_entry_out entry;
	struct fuse_open_out open;

	g_assert_true(f->client.init_flags & FUSE_CREATE_SUPP_GROUP);
	become(f, USER, GROUP, EXTRA);
	g_assert_cmpint(create_all(f, "team"), ==, 0);
	check_all(f, "team", USER, GROUP);
	g_assert_cmpint(fuse_create(&f->client, fuse_node(&f->client, "setgid"), "prog", 02775,
				    O_RDWR, &entry, &open),
			==, 0);
	/* A member may make such a file. */
	g_assert_true(share_lstat(&f->share, "setgid/prog").st_mode & S_ISGID);
	fixture_stop(f);
}

static void test_group_does_not_stick(void)
{
	struct fixture *f = start();
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	uint64_t team = fuse_node(&f->client, "team");

	become(f, 0, 0, EXTRA);
	g_assert_cmpint(fuse_mkdir(&f->client, team, "a", 0755, &entry), ==, 0);
	become(f, USER, GROUP, EXTRA);
	g_assert_cmpint(fuse_mkdir(&f->client, team, "b", 0755, &entry), ==, 0);
	g_assert_cmpint(fuse_mkdir(&f->client, team, "b", 0755, &entry), ==, -EEXIST);
	/* Another user is not in the group: no such file for it. */
	become(f, USER + 1, GROUP, -1);
	g_assert_cmpint(fuse_create(&f->client, fuse_node(&f->client, "setgid"), "prog", 02775,
				    O_RDWR, &entry, &open),
			==, 0);
	g_assert_false(share_lstat(&f->share, "setgid/prog").st_mode & S_ISGID);
	fixture_stop(f);
}

static void test_guest_decides_who_may_create(void)
{
	static const uint64_t offered[] = { FUSE_TEST_LINUX_FLAGS,
					    FUSE_TEST_LINUX_FLAGS & UINT32_MAX };

	for (size_t i = 0; i < G_N_ELEMENTS(offered); i++) {
		struct fixture_config config = { .populate = populate, .no_init = true };
		struct fixture *f = fixture_start(&config);

		g_assert_cmpint(fuse_init(&f->client, 46, offered[i]), ==, 0);
		/* A caller with CAP_DAC_OVERRIDE, or with a group that the request cannot tell. */
		become(f, USER, GROUP, -1);
		g_assert_cmpint(create_all(f, "private"), ==, 0);
		check_all(f, "private", USER, GROUP);
		fixture_stop(f);
	}
}

static void test_unprivileged_device(void)
{
	struct fixture *f = start();
	struct fuse_entry_out entry;

	/* The guest kernel has checked CAP_MKNOD of its own user; the host may still refuse. */
	become(f, USER, GROUP, -1);
	(void)fuse_mknod(&f->client, fuse_node(&f->client, "open"), "dev", S_IFCHR | 0666, 0x103,
			 &entry);
	become(f, 0, 0, -1);
	fixture_check_alive(f);
	fixture_stop(f);
}

static void test_umask(void)
{
	struct fixture *f = start();
	struct fuse_entry_out entry;
	uint64_t open_dir = fuse_node(&f->client, "open");

	/* The mode of a request is final unless DONT_MASK was agreed. */
	f->client.umask = 077;
	g_assert_cmpint(fuse_mkdir(&f->client, open_dir, "masked", 0777, &entry), ==, 0);
	if (f->client.init_flags & FUSE_DONT_MASK)
		g_assert_cmpuint(share_lstat(&f->share, "open/masked").st_mode & 07777, ==, 0700);
	else
		g_assert_cmpuint(share_lstat(&f->share, "open/masked").st_mode & 07777, ==, 0777);
	fixture_stop(f);
}

static void test_ids_of_other_requests_do_not_matter(void)
{
	struct fixture *f = start();
	struct fuse_attr_out attr;
	struct fuse_entry_out entry;

	/* Linux 7 sends -1 on everything but creations once idmapped mounts are agreed. */
	become(f, UINT32_MAX, UINT32_MAX, -1);
	g_assert_cmpint(fuse_walk(&f->client, "private", &entry), ==, 0);
	g_assert_cmpint(fuse_getattr(&f->client, entry.nodeid, UINT64_MAX, &attr), ==, 0);
	g_assert_cmpint(fuse_rename(&f->client, FUSE_ROOT_ID, "private", FUSE_ROOT_ID, "p2"), ==,
			0);
	g_assert_cmpint(fuse_rmdir(&f->client, FUSE_ROOT_ID, "p2"), ==, 0);
	fixture_stop(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/identity/the-guest-user-owns-what-it-creates", test_creator_owns);
	g_test_add_func("/identity/set-group-id-directories-pass-on-their-group",
			test_setgid_directory);
	g_test_add_func("/identity/a-stranger-gets-no-set-group-id-file",
			test_setgid_file_of_a_stranger);
	g_test_add_func("/identity/the-supplementary-group-counts", test_supplementary_group);
	g_test_add_func("/identity/a-group-does-not-stick-to-a-thread", test_group_does_not_stick);
	g_test_add_func("/identity/the-guest-decides-who-may-create",
			test_guest_decides_who_may_create);
	g_test_add_func("/identity/devices-of-unprivileged-users", test_unprivileged_device);
	g_test_add_func("/identity/the-umask-is-applied-once", test_umask);
	g_test_add_func("/identity/ids-of-other-requests-do-not-matter",
			test_ids_of_other_requests_do_not_matter);
	return g_test_run();
}
