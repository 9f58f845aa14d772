/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GETATTR, SETATTR and STATFS: what the guest sees is what the host has, and
 * each bit of a change is applied alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "tests/component/fixture.h"

static void populate(const struct share *share)
{
	share_write_pattern(share, "file", 10000);
	share_mkdir(share, "dir", 0755);
	share_symlink(share, "link", "file");
}

static struct fixture *start(void)
{
	struct fixture_config config = { .populate = populate };

	return fixture_start(&config);
}

static void test_getattr(void)
{
	static const char *const names[] = { "file", "dir", "link", "" };
	struct fixture *f = start();
	struct fuse_attr_out out;

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		struct stat st = share_lstat(&f->share, names[i]);

		g_assert_cmpint(
			fuse_getattr(&f->client, fuse_node(&f->client, names[i]), UINT64_MAX, &out),
			==, 0);
		g_assert_cmpuint(out.attr.ino, ==, st.st_ino);
		g_assert_cmpuint(out.attr.mode, ==, st.st_mode);
		g_assert_cmpuint(out.attr.size, ==, st.st_size);
		g_assert_cmpuint(out.attr.nlink, ==, st.st_nlink);
		g_assert_cmpuint(out.attr.ctime, ==, st.st_ctim.tv_sec);
		g_assert_cmpuint(out.attr.ctimensec, ==, st.st_ctim.tv_nsec);
	}
	fixture_stop(f);
}

static void test_host_changes_show(void)
{
	struct fixture *f = start();
	uint64_t node = fuse_node(&f->client, "file");
	struct fuse_attr_out out;

	share_write_text(&f->share, "file", "short");
	g_assert_cmpint(fuse_getattr(&f->client, node, UINT64_MAX, &out), ==, 0);
	g_assert_cmpuint(out.attr.size, ==, 5);
	fixture_stop(f);
}

static void set(struct fixture *f, const char *name, const struct fuse_setattr_in *in)
{
	struct fuse_attr_out out;
	struct stat st;

	g_assert_cmpint(fuse_setattr(&f->client, fuse_node(&f->client, name), in, &out), ==, 0);
	/* The reply is the state after the change. */
	st = share_lstat(&f->share, name);
	g_assert_cmpuint(out.attr.mode, ==, st.st_mode);
	g_assert_cmpuint(out.attr.uid, ==, st.st_uid);
	g_assert_cmpuint(out.attr.gid, ==, st.st_gid);
	g_assert_cmpuint(out.attr.size, ==, st.st_size);
	g_assert_cmpuint(out.attr.atime, ==, st.st_atim.tv_sec);
	g_assert_cmpuint(out.attr.mtime, ==, st.st_mtim.tv_sec);
	g_assert_cmpuint(out.attr.mtimensec, ==, st.st_mtim.tv_nsec);
}

static void test_mode(void)
{
	struct fixture *f = start();

	set(f, "file", &(struct fuse_setattr_in){ .valid = FATTR_MODE, .mode = 04751 });
	g_assert_cmpuint(share_lstat(&f->share, "file").st_mode, ==, S_IFREG | 04751);
	set(f, "dir", &(struct fuse_setattr_in){ .valid = FATTR_MODE, .mode = 01777 });
	g_assert_cmpuint(share_lstat(&f->share, "dir").st_mode, ==, S_IFDIR | 01777);
	fixture_stop(f);
}

static void test_owner(void)
{
	struct fixture *f = start();
	struct stat st;

	set(f, "file", &(struct fuse_setattr_in){ .valid = FATTR_UID, .uid = 1111, .gid = 9999 });
	st = share_lstat(&f->share, "file");
	g_assert_cmpuint(st.st_uid, ==, 1111);
	g_assert_cmpuint(st.st_gid, ==, 0);
	set(f, "file", &(struct fuse_setattr_in){ .valid = FATTR_GID, .uid = 9999, .gid = 2222 });
	st = share_lstat(&f->share, "file");
	g_assert_cmpuint(st.st_uid, ==, 1111);
	g_assert_cmpuint(st.st_gid, ==, 2222);
	/* Of a symbolic link: the link itself, never its target. */
	set(f, "link",
	    &(struct fuse_setattr_in){ .valid = FATTR_UID | FATTR_GID, .uid = 3, .gid = 4 });
	g_assert_cmpuint(share_lstat(&f->share, "link").st_uid, ==, 3);
	g_assert_cmpuint(share_lstat(&f->share, "file").st_uid, ==, 1111);
	fixture_stop(f);
}

static void test_size(void)
{
	struct fixture *f = start();
	uint64_t node = fuse_node(&f->client, "file");
	struct fuse_setattr_in in = { .valid = FATTR_SIZE, .size = 100 };
	struct fuse_open_out open;
	struct fuse_attr_out out;

	set(f, "file", &in);
	g_assert_cmpint(share_lstat(&f->share, "file").st_size, ==, 100);
	in.size = 1 << 20;
	set(f, "file", &in);
	g_assert_cmpint(share_lstat(&f->share, "file").st_size, ==, 1 << 20);
	/* By handle, on a file that has no name any more. */
	g_assert_cmpint(fuse_open(&f->client, node, O_RDWR, &open), ==, 0);
	g_assert_cmpint(fuse_unlink(&f->client, FUSE_ROOT_ID, "file"), ==, 0);
	in.valid |= FATTR_FH;
	in.fh = open.fh;
	in.size = 77;
	g_assert_cmpint(fuse_setattr(&f->client, node, &in, &out), ==, 0);
	g_assert_cmpuint(out.attr.size, ==, 77);
	in = (struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = 1 };
	g_assert_cmpint(fuse_setattr(&f->client, fuse_node(&f->client, "dir"), &in, &out), <, 0);
	in.size = UINT64_MAX;
	g_assert_cmpint(fuse_setattr(&f->client, node, &in, &out), <, 0);
	fixture_stop(f);
}

static void test_times(void)
{
	struct fixture *f = start();
	struct stat st;

	set(f, "file",
	    &(struct fuse_setattr_in){
		    .valid = FATTR_ATIME, .atime = 1000, .atimensec = 5, .mtime = 7 });
	set(f, "file",
	    &(struct fuse_setattr_in){
		    .valid = FATTR_MTIME, .mtime = 2000000000, .mtimensec = 999999999 });
	st = share_lstat(&f->share, "file");
	g_assert_cmpint(st.st_atim.tv_sec, ==, 1000);
	g_assert_cmpint(st.st_atim.tv_nsec, ==, 5);
	g_assert_cmpint(st.st_mtim.tv_sec, ==, 2000000000);
	g_assert_cmpint(st.st_mtim.tv_nsec, ==, 999999999);
	set(f, "file", &(struct fuse_setattr_in){ .valid = FATTR_MTIME | FATTR_MTIME_NOW });
	st = share_lstat(&f->share, "file");
	g_assert_cmpint(st.st_mtim.tv_sec, >, 1600000000);
	g_assert_cmpint(st.st_mtim.tv_sec, !=, 2000000000);
	g_assert_cmpint(st.st_atim.tv_sec, ==, 1000);
	set(f, "link", &(struct fuse_setattr_in){ .valid = FATTR_MTIME, .mtime = 12 });
	g_assert_cmpint(share_lstat(&f->share, "link").st_mtim.tv_sec, ==, 12);
	/* Before 1970: times are signed. */
	set(f, "file", &(struct fuse_setattr_in){ .valid = FATTR_MTIME, .mtime = (uint64_t)-100 });
	g_assert_cmpint(share_lstat(&f->share, "file").st_mtim.tv_sec, ==, -100);
	fixture_stop(f);
}

static void test_several_at_once(void)
{
	struct fixture *f = start();
	struct stat st;

	set(f, "file",
	    &(struct fuse_setattr_in){ .valid = FATTR_MODE | FATTR_UID | FATTR_GID | FATTR_SIZE |
						FATTR_MTIME,
				       .mode = 0600,
				       .uid = 5,
				       .gid = 6,
				       .size = 3,
				       .mtime = 44 });
	st = share_lstat(&f->share, "file");
	g_assert_cmpuint(st.st_mode, ==, S_IFREG | 0600);
	g_assert_cmpuint(st.st_uid, ==, 5);
	g_assert_cmpuint(st.st_gid, ==, 6);
	g_assert_cmpint(st.st_size, ==, 3);
	g_assert_cmpint(st.st_mtim.tv_sec, ==, 44);
	fixture_stop(f);
}

static void set_suid_file(struct fixture *f, mode_t mode)
{
	share_write(&f->share, "suid", "12345678", 8, mode);
}

static void test_kill_suid_on_write(void)
{
	struct fixture *f = start();
	struct fuse_open_out open;
	uint64_t node;

	/* Marked by the guest when the writer lacks CAP_FSETID. */
	set_suid_file(f, 06755);
	node = fuse_node(&f->client, "suid");
	g_assert_cmpint(fuse_open(&f->client, node, O_RDWR, &open), ==, 0);
	g_assert_cmpint(fuse_write(&f->client, node, open.fh, 0, 1, "x", 0), ==, 1);
	g_assert_cmpuint(share_lstat(&f->share, "suid").st_mode & 07777, ==, 06755);
	g_assert_cmpint(fuse_write(&f->client, node, open.fh, 0, 1, "x", FUSE_WRITE_KILL_SUIDGID),
			==, 1);
	g_assert_cmpuint(share_lstat(&f->share, "suid").st_mode & 07777, ==, 0755);
	/* Without group execute the bit means mandatory locking, not privilege: it stays. */
	set_suid_file(f, 02644);
	g_assert_cmpint(fuse_write(&f->client, node, open.fh, 0, 1, "x", FUSE_WRITE_KILL_SUIDGID),
			==, 1);
	g_assert_cmpuint(share_lstat(&f->share, "suid").st_mode & 07777, ==, 02644);
	fixture_stop(f);
}

static void test_kill_suid_on_truncate(void)
{
	struct fixture *f = start();

	set_suid_file(f, 04755);
	set(f, "suid",
	    &(struct fuse_setattr_in){ .valid = FATTR_SIZE | FATTR_KILL_SUIDGID, .size = 4 });
	g_assert_cmpuint(share_lstat(&f->share, "suid").st_mode & 07777, ==, 0755);
	set_suid_file(f, 04755);
	set(f, "suid",
	    &(struct fuse_setattr_in){ .valid = FATTR_UID | FATTR_KILL_SUIDGID, .uid = 7 });
	g_assert_cmpuint(share_lstat(&f->share, "suid").st_mode & 07777, ==, 0755);
	fixture_stop(f);
}

static void test_statfs(void)
{
	struct fixture *f = start();
	struct fuse_statfs_out out;
	struct statvfs host;

	g_assert_cmpint(statvfs(f->share.dir, &host), ==, 0);
	g_assert_cmpint(fuse_statfs(&f->client, FUSE_ROOT_ID, &out), ==, 0);
	g_assert_cmpuint(out.st.blocks, ==, host.f_blocks);
	g_assert_cmpuint(out.st.bsize, ==, host.f_bsize);
	g_assert_cmpuint(out.st.frsize, ==, host.f_frsize);
	g_assert_cmpuint(out.st.files, ==, host.f_files);
	g_assert_cmpuint(out.st.namelen, ==, host.f_namemax);
	g_assert_cmpint(fuse_statfs(&f->client, fuse_node(&f->client, "file"), &out), ==, 0);
	fixture_stop(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ops-attrs/getattr-equals-the-host", test_getattr);
	g_test_add_func("/ops-attrs/host-changes-show", test_host_changes_show);
	g_test_add_func("/ops-attrs/mode", test_mode);
	g_test_add_func("/ops-attrs/owner-and-group", test_owner);
	g_test_add_func("/ops-attrs/size", test_size);
	g_test_add_func("/ops-attrs/times", test_times);
	g_test_add_func("/ops-attrs/several-at-once", test_several_at_once);
	g_test_add_func("/ops-attrs/set-id-bits-go-on-a-marked-write", test_kill_suid_on_write);
	g_test_add_func("/ops-attrs/set-id-bits-go-on-a-marked-setattr",
			test_kill_suid_on_truncate);
	g_test_add_func("/ops-attrs/statfs-equals-the-host", test_statfs);
	return g_test_run();
}
