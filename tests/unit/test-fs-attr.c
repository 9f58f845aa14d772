/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that attributes are read and changed on the right object: the open file when a handle is
 * named, a symbolic link itself, and never one that the handle does not belong to.
 */
#include "fs-unit.h"

#include <fcntl.h>

static int setattr(struct fs_unit *unit, uint64_t nodeid, struct fs_setattr set,
		   struct fs_attr *ret_attr)
{
	return fs_setattr(unit->thread, nodeid, &set, ret_attr);
}

static void an_unlinked_open_file_is_asked_by_its_handle(void)
{
	struct fs_opened opened;
	struct fs_attr attr;
	struct fs_unit unit;
	uint64_t nodeid;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "text");
	nodeid = fs_unit_lookup(&unit, "a");
	g_assert_cmpint(fs_open(unit.thread, nodeid, O_RDWR, false, &opened), ==, 0);
	g_assert_cmpint(fs_unlink(unit.thread, FS_ROOT_ID, "a"), ==, 0);
	/* Even one that the guest should not have forgotten yet. */
	fs_forget(unit.fs, nodeid, 1);
	g_assert_cmpint(fs_getattr(unit.thread, nodeid, FS_NO_FH, &attr), ==, -ESTALE);
	g_assert_cmpint(fs_getattr(unit.thread, nodeid, opened.fh, &attr), ==, 0);
	g_assert_cmpuint(attr.stx.stx_size, ==, 4);
	g_assert_cmpint(setattr(&unit, nodeid,
				(struct fs_setattr){ .fh = opened.fh, .set_size = true, .size = 9 },
				&attr),
			==, 0);
	g_assert_cmpuint(attr.stx.stx_size, ==, 9);
	fs_unit_stop(&unit);
}

static void a_handle_of_another_node_is_refused(void)
{
	struct fs_attr attr;
	struct fs_unit unit;
	uint64_t nodeid;
	uint64_t fh;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "");
	fs_unit_write(&unit, "b", "");
	nodeid = fs_unit_lookup(&unit, "a");
	fh = fs_unit_open(&unit, "b", O_RDWR);
	g_assert_cmpint(fs_getattr(unit.thread, nodeid, fh, &attr), ==, -EBADF);
	g_assert_cmpint(fs_getattr(unit.thread, nodeid, 4711, &attr), ==, -EBADF);
	g_assert_cmpint(
		setattr(&unit, nodeid, (struct fs_setattr){ .fh = fh, .set_mode = true }, &attr),
		==, -EBADF);
	fs_unit_stop(&unit);
}

static void mode_size_and_times_change_with_and_without_a_handle(void)
{
	struct fs_setattr set = {
		.set_mode = true,
		.mode = S_IFREG | 0604,
		.set_size = true,
		.size = 3,
		.set_atime = true,
		.atime = { .tv_sec = 100, .tv_nsec = 1 },
		.set_mtime = true,
		.mtime = { .tv_sec = 200, .tv_nsec = 2 },
	};
	struct fs_attr attr;
	struct fs_unit unit;

	fs_unit_start(&unit);
	for (int with_fh = 0; with_fh < 2; with_fh++) {
		fs_unit_write(&unit, "a", "longer");
		set.fh = with_fh ? fs_unit_open(&unit, "a", O_RDWR) : FS_NO_FH;
		g_assert_cmpint(setattr(&unit, fs_unit_lookup(&unit, "a"), set, &attr), ==, 0);
		g_assert_cmpuint(attr.stx.stx_mode, ==, S_IFREG | 0604);
		g_assert_cmpuint(attr.stx.stx_size, ==, 3);
		g_assert_cmpint(attr.stx.stx_atime.tv_sec, ==, 100);
		g_assert_cmpint(attr.stx.stx_mtime.tv_sec, ==, 200);
		g_assert_cmpuint(attr.stx.stx_mtime.tv_nsec, ==, 2);
	}
	fs_unit_stop(&unit);
}

static void now_is_the_time_of_the_host(void)
{
	struct fs_attr attr;
	struct fs_unit unit;
	uint64_t nodeid;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "");
	nodeid = fs_unit_lookup(&unit, "a");
	g_assert_cmpint(setattr(&unit, nodeid,
				(struct fs_setattr){ .fh = FS_NO_FH,
						     .set_atime = true,
						     .atime_now = true,
						     .set_mtime = true,
						     .mtime = { .tv_sec = 5 } },
				&attr),
			==, 0);
	g_assert_cmpint(attr.stx.stx_mtime.tv_sec, ==, 5);
	g_assert_cmpint(attr.stx.stx_atime.tv_sec, >=, attr.stx.stx_btime.tv_sec);
	fs_unit_stop(&unit);
}

static void times_that_are_none_are_refused(void)
{
	static const long nanoseconds[] = { -1, 1000000000, UTIME_NOW, UTIME_OMIT };
	struct fs_attr attr;
	struct fs_unit unit;

	fs_unit_start(&unit);
	for (size_t i = 0; i < G_N_ELEMENTS(nanoseconds); i++) {
		struct fs_setattr set = { .fh = FS_NO_FH, .set_atime = true };

		set.atime.tv_nsec = nanoseconds[i];
		g_assert_cmpint(setattr(&unit, FS_ROOT_ID, set, &attr), ==, -EINVAL);
	}
	fs_unit_stop(&unit);
}

static void a_symbolic_link_changes_itself(void)
{
	struct fs_setattr set = { .fh = FS_NO_FH, .set_mtime = true, .mtime = { .tv_sec = 7 } };
	struct fs_attr attr;
	struct fs_unit unit;
	struct stat target;
	uint64_t nodeid;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "target", "text");
	g_assert_cmpint(symlinkat("target", unit.dir_fd, "link"), ==, 0);
	nodeid = fs_unit_lookup(&unit, "link");
	g_assert_cmpint(setattr(&unit, nodeid, set, &attr), ==, 0);
	g_assert_cmpint(attr.stx.stx_mtime.tv_sec, ==, 7);
	set = (struct fs_setattr){ .fh = FS_NO_FH, .set_size = true };
	g_assert_cmpint(setattr(&unit, nodeid, set, &attr), ==, -EINVAL);
	set = (struct fs_setattr){ .fh = FS_NO_FH, .set_mode = true, .mode = 0 };
	g_assert_cmpint(setattr(&unit, nodeid, set, &attr), ==, -EOPNOTSUPP);
	g_assert_cmpint(fstatat(unit.dir_fd, "target", &target, 0), ==, 0);
	g_assert_cmpint(target.st_mtime, !=, 7);
	g_assert_cmpint(target.st_size, ==, 4);
	g_assert_cmpuint(target.st_mode & 0777, ==, 0644);
	fs_unit_stop(&unit);
}

static void only_regular_files_have_a_size_to_change(void)
{
	struct fs_setattr set = { .fh = FS_NO_FH, .set_size = true };
	struct fs_attr attr;
	struct fs_unit unit;

	fs_unit_start(&unit);
	g_assert_cmpint(mkfifoat(unit.dir_fd, "fifo", 0600), ==, 0);
	g_assert_cmpint(setattr(&unit, FS_ROOT_ID, set, &attr), ==, -EISDIR);
	g_assert_cmpint(setattr(&unit, fs_unit_lookup(&unit, "fifo"), set, &attr), ==, -EINVAL);
	fs_unit_write(&unit, "a", "text");
	set.size = (uint64_t)INT64_MAX + 1;
	g_assert_cmpint(setattr(&unit, fs_unit_lookup(&unit, "a"), set, &attr), ==, -EINVAL);
	fs_unit_stop(&unit);
}

static void a_read_only_share_changes_nothing(void)
{
	struct fs_setattr set = { .fh = FS_NO_FH, .set_mode = true, .mode = 0777 };
	struct fs_options options = fs_unit_options();
	const struct fs_caller self = { 0 };
	struct fs_attr attr;
	struct fs_unit unit;

	options.readonly = true;
	fs_unit_start_with(&unit, NULL, &options);
	g_assert_cmpint(setattr(&unit, FS_ROOT_ID, set, &attr), ==, -EROFS);
	g_assert_cmpint(fs_access(unit.thread, &self, FS_ROOT_ID, W_OK), ==, -EROFS);
	g_assert_cmpint(fs_access(unit.thread, &self, FS_ROOT_ID, R_OK), ==, 0);
	fs_unit_stop(&unit);
}

static void access_goes_by_owner_group_and_others(void)
{
	struct fs_caller caller = { .uid = getuid() + 1, .gid = getgid() + 1 };
	const struct fs_caller super = { 0 };
	struct fs_unit unit;
	uint64_t nodeid;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "");
	g_assert_cmpint(fchmodat(unit.dir_fd, "a", 0642, 0), ==, 0);
	nodeid = fs_unit_lookup(&unit, "a");
	g_assert_cmpint(fs_access(unit.thread, &caller, nodeid, W_OK), ==, 0);
	g_assert_cmpint(fs_access(unit.thread, &caller, nodeid, R_OK), ==, -EACCES);
	caller.has_group = true;
	caller.group = getgid();
	g_assert_cmpint(fs_access(unit.thread, &caller, nodeid, R_OK), ==, 0);
	g_assert_cmpint(fs_access(unit.thread, &caller, nodeid, W_OK), ==, -EACCES);
	g_assert_cmpint(fs_access(unit.thread, &super, nodeid, R_OK | W_OK), ==, 0);
	g_assert_cmpint(fs_access(unit.thread, &super, nodeid, X_OK), ==, -EACCES);
	g_assert_cmpint(fs_access(unit.thread, &super, nodeid, 8), ==, -EINVAL);
	fs_unit_stop(&unit);
}

static void statfs_and_syncfs_answer_for_known_nodes(void)
{
	struct statvfs st;
	struct fs_unit unit;

	fs_unit_start(&unit);
	g_assert_cmpint(fs_statfs(unit.thread, FS_ROOT_ID, &st), ==, 0);
	g_assert_cmpuint(st.f_bsize, >, 0);
	g_assert_cmpint(fs_statfs(unit.thread, 99, &st), ==, -ESTALE);
	g_assert_cmpuint(unit.n_blocks, ==, 0);
	g_assert_cmpint(fs_syncfs(unit.thread, FS_ROOT_ID), ==, 0);
	g_assert_cmpuint(unit.n_blocks, ==, 1);
	g_assert_cmpint(fs_syncfs(unit.thread, 99), ==, -ESTALE);
	fs_unit_stop(&unit);
}

int main(int argc, char **argv)
{
	(void)umask(022);
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fs-attr/an unlinked open file is asked by its handle",
			an_unlinked_open_file_is_asked_by_its_handle);
	g_test_add_func("/fs-attr/a handle of another node is refused",
			a_handle_of_another_node_is_refused);
	g_test_add_func("/fs-attr/mode, size and times change with and without a handle",
			mode_size_and_times_change_with_and_without_a_handle);
	g_test_add_func("/fs-attr/now is the time of the host", now_is_the_time_of_the_host);
	g_test_add_func("/fs-attr/times that are none are refused",
			times_that_are_none_are_refused);
	g_test_add_func("/fs-attr/a symbolic link changes itself", a_symbolic_link_changes_itself);
	g_test_add_func("/fs-attr/only regular files have a size to change",
			only_regular_files_have_a_size_to_change);
	g_test_add_func("/fs-attr/a read-only share changes nothing",
			a_read_only_share_changes_nothing);
	g_test_add_func("/fs-attr/access goes by owner, group and others",
			access_goes_by_owner_group_and_others);
	g_test_add_func("/fs-attr/statfs and syncfs answer for known nodes",
			statfs_and_syncfs_answer_for_known_nodes);
	return g_test_run();
}
