/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that came to the protocol late, against the daemon behind all its walls: STATX,
 * TMPFILE, COPY_FILE_RANGE_64, IOCTL. And one that is not there: looking up "." and "..".
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/component/fixture.h"

#define FILE_BYTES 300000

static void populate(const struct share *share)
{
	share_write_pattern(share, "file", FILE_BYTES);
	share_write(share, "empty", "", 0, 0644);
	share_mkdir(share, "dir", 0755);
}

static struct fixture *start(const char *const *args)
{
	struct fixture_config config = { .populate = populate, .args = args };

	return fixture_start(&config);
}

static struct statx host_statx(struct fixture *f, const char *path)
{
	struct statx stx;

	g_assert_cmpint(statx(AT_FDCWD, share_path(&f->share, path), AT_SYMLINK_NOFOLLOW,
			      STATX_BASIC_STATS | STATX_BTIME, &stx),
			==, 0);
	return stx;
}

static void check_statx(struct fixture *f, uint64_t node, uint64_t fh, const char *path)
{
	struct test_fuse_statx_out out;
	struct statx host = host_statx(f, path);

	g_assert_cmpint(fuse_statx(&f->client, node, fh, STATX_BTIME, &out), ==, 0);
	g_assert_cmphex(out.stat.mask, ==, host.stx_mask & (STATX_BASIC_STATS | STATX_BTIME));
	g_assert_cmpint(out.stat.btime.tv_sec, ==, host.stx_btime.tv_sec);
	g_assert_cmpuint(out.stat.btime.tv_nsec, ==, host.stx_btime.tv_nsec);
	g_assert_cmpuint(out.stat.size, ==, host.stx_size);
	g_assert_cmpuint(out.stat.mode, ==, host.stx_mode);
	g_assert_cmpuint(out.stat.ino, ==, host.stx_ino);
}

static void test_statx(void)
{
	struct fixture *f = start(NULL);
	struct test_fuse_statx_out out;
	struct fuse_open_out open;
	uint64_t node = fuse_node(&f->client, "file");

	check_statx(f, node, UINT64_MAX, "file");
	check_statx(f, fuse_node(&f->client, "dir"), UINT64_MAX, "dir");
	g_assert_cmpint(fuse_open(&f->client, node, O_RDONLY, &open), ==, 0);
	check_statx(f, node, open.fh, "file");
	g_assert_cmpint(fuse_statx(&f->client, node, open.fh + 1, 0, &out), ==, -EBADF);
	g_assert_cmpint(fuse_statx(&f->client, node + 77, UINT64_MAX, 0, &out), ==, -ESTALE);
	fixture_stop(f);
}

/* Nameless until it is linked, and the requesting user's. */
static void test_tmpfile(void)
{
	struct fixture *f = start(NULL);
	struct fuse_client *c = &f->client;
	struct fuse_entry_out entry, linked;
	struct fuse_open_out open;

	g_assert_cmpint(chmod(share_path(&f->share, "dir"), 0777), ==, 0);
	c->uid = 4242;
	c->gid = 4343;
	g_assert_cmpint(fuse_tmpfile(c, fuse_node(c, "dir"), S_IFREG | 0640, O_RDWR, &entry, &open),
			==, 0);
	g_assert_cmpuint(entry.attr.nlink, ==, 0);
	g_assert_cmpuint(entry.attr.uid, ==, 4242);
	g_assert_cmpuint(entry.attr.gid, ==, 4343);
	g_assert_cmpuint(entry.attr.mode, ==, S_IFREG | 0640);
	g_assert_cmpint(fuse_write(c, entry.nodeid, open.fh, 0, 5, "hello", 0), ==, 5);
	c->uid = c->gid = 0;
	g_assert_cmpint(fuse_link(c, entry.nodeid, FUSE_ROOT_ID, "named", &linked), ==, 0);
	g_assert_cmpuint(linked.nodeid, ==, entry.nodeid);
	g_assert_cmpuint(share_lstat(&f->share, "named").st_size, ==, 5);
	fixture_stop(f);
}

static void test_tmpfile_refusals(void)
{
	struct fixture *f = start(NULL);
	struct fuse_client *c = &f->client;
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	uint64_t dir = fuse_node(c, "dir");

	g_assert_cmpint(fuse_tmpfile(c, dir, S_IFREG | 0600, O_RDONLY, &entry, &open), ==, -EINVAL);
	g_assert_cmpint(
		fuse_tmpfile(c, fuse_node(c, "file"), S_IFREG | 0600, O_RDWR, &entry, &open), ==,
		-ENOTDIR);
	g_assert_cmpint(fuse_tmpfile(c, 12345, S_IFREG | 0600, O_RDWR, &entry, &open), ==, -ESTALE);
	g_assert_cmpint(fuse_tmpfile(c, dir, S_IFREG | 0600, O_RDWR | O_EXCL, &entry, &open), ==,
			0);
	g_assert_cmpint(fuse_link(c, entry.nodeid, dir, "never", &entry), ==, -ENOENT);
	fixture_stop(f);
}

static void test_copy(void)
{
	struct fixture *f = start(NULL);
	struct fuse_client *c = &f->client;
	uint64_t from = fuse_node(c, "file"), to = fuse_node(c, "empty");
	struct fuse_copy_file_range_in in = { .nodeid_out = to, .off_in = 100, .len = 1000000 };
	struct fuse_open_out open;
	int64_t sum = 0, n;

	g_assert_cmpint(fuse_open(c, from, O_RDONLY, &open), ==, 0);
	in.fh_in = open.fh;
	g_assert_cmpint(fuse_open(c, to, O_WRONLY, &open), ==, 0);
	in.fh_out = open.fh;
	while ((n = fuse_copy_file_range_64(c, &in, from)) > 0) {
		in.off_in += (uint64_t)n;
		in.off_out += (uint64_t)n;
		sum += n;
	}
	g_assert_cmpint(n, ==, 0);
	g_assert_cmpint(sum, ==, FILE_BYTES - 100);
	g_assert_cmpuint(share_lstat(&f->share, "empty").st_size, ==, FILE_BYTES - 100);
	in.len = UINT64_MAX;
	g_assert_cmpint(fuse_copy_file_range_64(c, &in, from), <=, 0);
	fixture_stop(f);
}

static unsigned int host_flags(struct fixture *f, const char *path)
{
	int fd = open(share_path(&f->share, path), O_RDONLY | O_CLOEXEC);
	unsigned int flags[2] = { 0 };

	g_assert_cmpint(ioctl(fd, FS_IOC_GETFLAGS, flags), ==, 0);
	close(fd);
	return flags[0];
}

static void check_flags(struct fixture *f, const char *path, bool is_dir)
{
	struct fuse_client *c = &f->client;
	uint64_t node = fuse_node(c, path);
	struct fuse_open_out open;
	struct fsxattr x;
	int32_t result;
	uint32_t flags;
	int r;

	r = is_dir ? fuse_opendir(c, node, 0, &open) : fuse_open(c, node, O_RDONLY, &open);
	g_assert_cmpint(r, ==, 0);
	g_assert_cmpint(
		fuse_ioctl(c, node, open.fh, FS_IOC_GETFLAGS, NULL, 0, &flags, 4, is_dir, &result),
		==, 0);
	g_assert_cmpint(result, ==, 0);
	g_assert_cmphex(flags, ==, host_flags(f, path));
	flags |= FS_NODUMP_FL;
	g_assert_cmpint(fuse_ioctl(c, node, open.fh, FS_IOC_SETFLAGS, &flags, 4, &flags, 0, is_dir,
				   &result),
			==, 0);
	g_assert_true(host_flags(f, path) & FS_NODUMP_FL);
	g_assert_cmpint(fuse_ioctl(c, node, open.fh, FS_IOC_FSGETXATTR, NULL, 0, &x, sizeof(x),
				   is_dir, &result),
			==, 0);
	g_assert_true(x.fsx_xflags & FS_XFLAG_NODUMP);
	g_assert_cmpint(fuse_ioctl(c, node, open.fh, FS_IOC_GETVERSION, NULL, 0, &flags, 4, is_dir,
				   &result),
			==, -ENOTTY);
}

static void test_ioctl(void)
{
	struct fixture *f = start(NULL);

	g_assert_true(f->client.init_flags & FUSE_HAS_IOCTL_DIR);
	check_flags(f, "file", false);
	check_flags(f, "dir", true);
	fixture_stop(f);
}

/* Nothing leads up, least of all from a directory that has left the share. */
static void test_no_way_up(void)
{
	struct fixture *f = start(NULL);
	g_autofree char *outside = g_dir_make_tmp("moved-out-XXXXXX", NULL);
	g_autofree char *moved = g_build_filename(outside, "dir", NULL);
	struct fuse_client *c = &f->client;
	uint64_t dir = fuse_node(c, "dir");
	struct fuse_entry_out entry;

	g_assert_false(c->init_flags & FUSE_EXPORT_SUPPORT);
	g_assert_true(c->init_flags & FUSE_NO_EXPORT_SUPPORT);
	g_assert_cmpint(fuse_lookup(c, dir, "..", &entry), ==, -EINVAL);
	g_assert_cmpint(rename(share_path(&f->share, "dir"), moved), ==, 0);
	g_assert_cmpint(fuse_lookup(c, dir, "..", &entry), ==, -EINVAL);
	g_assert_cmpint(fuse_lookup(c, dir, ".", &entry), ==, -EINVAL);
	g_assert_cmpint(fuse_lookup(c, FUSE_ROOT_ID, "..", &entry), ==, -EINVAL);
	g_assert_cmpint(fuse_lookup(c, FUSE_ROOT_ID, "dir", &entry), ==, -ENOENT);
	fixture_stop(f);
	g_assert_cmpint(rmdir(moved), ==, 0);
	g_assert_cmpint(rmdir(outside), ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ops-newer/statx-has-the-birth-time", test_statx);
	g_test_add_func("/ops-newer/a-temporary-file-can-get-a-name", test_tmpfile);
	g_test_add_func("/ops-newer/temporary-files-that-may-not-be", test_tmpfile_refusals);
	g_test_add_func("/ops-newer/copies-with-64-bit-results", test_copy);
	g_test_add_func("/ops-newer/flags-of-files-and-directories", test_ioctl);
	g_test_add_func("/ops-newer/nothing-leads-up", test_no_way_up);
	return g_test_run();
}
