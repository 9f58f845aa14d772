/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that names go and move as the host's calls say, that a node outlives its name, and that
 * unknown flags and read-only shares are refused.
 */
#include "fs-unit.h"

#include <fcntl.h>
#include <stdio.h>

static const struct fs_caller self;

static bool exists(struct fs_unit *unit, const char *name)
{
	return faccessat(unit->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int rename_in_root(struct fs_unit *unit, const char *from, const char *to, uint32_t flags)
{
	return fs_rename(unit->thread, &self, FS_ROOT_ID, from, FS_ROOT_ID, to, flags);
}

static void names_never_looked_up_can_be_removed(void)
{
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "file", "");
	g_assert_cmpint(mkdirat(unit.dir_fd, "dir", 0755), ==, 0);
	g_assert_cmpint(fs_rmdir(unit.thread, FS_ROOT_ID, "file"), ==, -ENOTDIR);
	g_assert_cmpint(fs_unlink(unit.thread, FS_ROOT_ID, "dir"), ==, -EISDIR);
	g_assert_cmpint(fs_unlink(unit.thread, FS_ROOT_ID, "file"), ==, 0);
	g_assert_cmpint(fs_rmdir(unit.thread, FS_ROOT_ID, "dir"), ==, 0);
	g_assert_cmpint(fs_unlink(unit.thread, FS_ROOT_ID, "file"), ==, -ENOENT);
	g_assert_cmpint(fs_unlink(unit.thread, 77, "file"), ==, -ESTALE);
	fs_unit_stop(&unit);
}

static void a_node_outlives_its_last_name(void)
{
	struct fs_attr attr;
	struct fs_unit unit;
	uint64_t nodeid;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "text");
	nodeid = fs_unit_lookup(&unit, "a");
	g_assert_cmpint(fs_unlink(unit.thread, FS_ROOT_ID, "a"), ==, 0);
	g_assert_cmpint(fs_getattr(unit.thread, nodeid, FS_NO_FH, &attr), ==, 0);
	g_assert_cmpuint(attr.stx.stx_nlink, ==, 0);
	fs_unit_stop(&unit);
}

static void rename_moves_replaces_and_exchanges(void)
{
	g_autofree char *a = NULL;
	g_autofree char *b = NULL;
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "1");
	fs_unit_write(&unit, "b", "2");
	g_assert_cmpint(rename_in_root(&unit, "a", "b", RENAME_NOREPLACE), ==, -EEXIST);
	g_assert_cmpint(rename_in_root(&unit, "a", "b", RENAME_EXCHANGE), ==, 0);
	a = fs_unit_read(&unit, "a");
	g_assert_cmpstr(a, ==, "2");
	g_assert_cmpint(rename_in_root(&unit, "a", "b", 0), ==, 0);
	g_assert_false(exists(&unit, "a"));
	b = fs_unit_read(&unit, "b");
	g_assert_cmpstr(b, ==, "2");
	fs_unit_stop(&unit);
}

static void rename_moves_between_directories(void)
{
	struct fs_unit unit;
	uint64_t dir;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "1");
	g_assert_cmpint(mkdirat(unit.dir_fd, "dir", 0755), ==, 0);
	dir = fs_unit_lookup(&unit, "dir");
	g_assert_cmpint(fs_rename(unit.thread, &self, FS_ROOT_ID, "a", dir, "b", 0), ==, 0);
	g_assert_true(exists(&unit, "dir/b"));
	g_assert_cmpint(fs_rename(unit.thread, &self, FS_ROOT_ID, "dir", dir, "c", 0), ==, -EINVAL);
	g_assert_cmpint(fs_rename(unit.thread, &self, dir, "b", 99, "b", 0), ==, -ESTALE);
	fs_unit_stop(&unit);
}

static void rename_knows_three_flags_only(void)
{
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "1");
	for (unsigned int bit = 3; bit < 32; bit++)
		g_assert_cmpint(rename_in_root(&unit, "a", "b", 1u << bit), ==, -EINVAL);
	g_assert_true(exists(&unit, "a"));
	fs_unit_stop(&unit);
}

static void a_read_only_share_keeps_its_names(void)
{
	struct fs_options options = fs_unit_options();
	struct fs_unit unit;

	options.readonly = true;
	fs_unit_start_with(&unit, NULL, &options);
	fs_unit_write(&unit, "a", "1");
	g_assert_cmpint(fs_unlink(unit.thread, FS_ROOT_ID, "a"), ==, -EROFS);
	g_assert_cmpint(fs_rmdir(unit.thread, FS_ROOT_ID, "a"), ==, -EROFS);
	g_assert_cmpint(rename_in_root(&unit, "a", "b", 0), ==, -EROFS);
	g_assert_true(exists(&unit, "a"));
	fs_unit_stop(&unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fs-remove/names never looked up can be removed",
			names_never_looked_up_can_be_removed);
	g_test_add_func("/fs-remove/a node outlives its last name", a_node_outlives_its_last_name);
	g_test_add_func("/fs-remove/rename moves, replaces and exchanges",
			rename_moves_replaces_and_exchanges);
	g_test_add_func("/fs-remove/rename moves between directories",
			rename_moves_between_directories);
	g_test_add_func("/fs-remove/rename knows three flags only", rename_knows_three_flags_only);
	g_test_add_func("/fs-remove/a read-only share keeps its names",
			a_read_only_share_keeps_its_names);
	return g_test_run();
}
