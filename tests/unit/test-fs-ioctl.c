/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that the few ioctls there are do on a file what they do on the host, that everything else
 * is refused, and that neither sizes nor users get through who should not.
 */
#include "fs-unit.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <string.h>
#include <sys/ioctl.h>

static const struct fs_caller owner = { .uid = FS_NO_ID, .gid = FS_NO_ID };
static const struct fs_caller stranger = { .uid = 54321, .gid = 54321 };

struct subject {
	struct fs_unit unit;
	uint64_t nodeid, fh;
	int host_fd;
};

/* Memory file systems have flags since Linux 6.6 only, so this is where the build is. */
static void start(struct subject *s, bool readonly)
{
	g_autofree char *base = g_get_current_dir();
	struct fs_options options = fs_unit_options();
	struct fs_opened opened;

	options.readonly = readonly;
	fs_unit_start_with(&s->unit, base, &options);
	fs_unit_write(&s->unit, "file", "text");
	s->nodeid = fs_unit_lookup(&s->unit, "file");
	g_assert_cmpint(fs_open(s->unit.thread, s->nodeid, O_RDONLY, false, &opened), ==, 0);
	s->fh = opened.fh;
	s->host_fd = openat(s->unit.dir_fd, "file", O_RDONLY | O_CLOEXEC);
	g_assert_cmpint(s->host_fd, >=, 0);
}

static void stop(struct subject *s)
{
	close(s->host_fd);
	fs_unit_stop(&s->unit);
}

static ssize_t get(struct subject *s, uint32_t command, void *out, size_t size)
{
	const struct fs_ioctl call = {
		.fh = s->fh,
		.command = command,
		.out = out,
		.out_size = size,
	};

	return fs_ioctl(s->unit.thread, &owner, s->nodeid, &call);
}

static ssize_t set_as(struct subject *s, const struct fs_caller *caller, uint32_t command,
		      const void *in, size_t size)
{
	const struct fs_ioctl call = {
		.fh = s->fh,
		.command = command,
		.in = in,
		.in_size = size,
	};

	return fs_ioctl(s->unit.thread, caller, s->nodeid, &call);
}

static unsigned int host_flags(struct subject *s)
{
	unsigned int flags[2] = { 0 };

	g_assert_cmpint(ioctl(s->host_fd, FS_IOC_GETFLAGS, flags), ==, 0);
	return flags[0];
}

static void flags_are_read_and_changed_as_on_the_host(void)
{
	struct subject s;
	uint32_t flags;

	start(&s, false);
	g_assert_cmpint(get(&s, FS_IOC_GETFLAGS, &flags, 4), ==, 4);
	g_assert_cmphex(flags, ==, host_flags(&s));
	flags |= FS_NODUMP_FL;
	g_assert_cmpint(set_as(&s, &owner, FS_IOC_SETFLAGS, &flags, 4), ==, 0);
	g_assert_true(host_flags(&s) & FS_NODUMP_FL);
	flags &= ~(uint32_t)FS_NODUMP_FL;
	g_assert_cmpint(set_as(&s, &owner, FS_IOC32_SETFLAGS, &flags, 4), ==, 0);
	g_assert_false(host_flags(&s) & FS_NODUMP_FL);
	stop(&s);
}

static void extended_flags_are_read_and_changed_as_on_the_host(void)
{
	struct fsxattr mine, host;
	struct subject s;

	start(&s, false);
	g_assert_cmpint(get(&s, FS_IOC_FSGETXATTR, &mine, sizeof(mine)), ==, sizeof(mine));
	g_assert_cmpint(ioctl(s.host_fd, FS_IOC_FSGETXATTR, &host), ==, 0);
	g_assert_cmpmem(&mine, sizeof(mine), &host, sizeof(host));
	mine.fsx_xflags |= FS_XFLAG_NODUMP;
	g_assert_cmpint(set_as(&s, &owner, FS_IOC_FSSETXATTR, &mine, sizeof(mine)), ==, 0);
	g_assert_true(host_flags(&s) & FS_NODUMP_FL);
	stop(&s);
}

static void project_ids_stay(void)
{
	struct fsxattr x;
	struct subject s;
	uint32_t flags;

	start(&s, false);
	g_assert_cmpint(get(&s, FS_IOC_FSGETXATTR, &x, sizeof(x)), ==, sizeof(x));
	x.fsx_projid++;
	g_assert_cmpint(set_as(&s, &owner, FS_IOC_FSSETXATTR, &x, sizeof(x)), ==, -EINVAL);
	x.fsx_projid--;
	x.fsx_xflags ^= FS_XFLAG_PROJINHERIT;
	g_assert_cmpint(set_as(&s, &owner, FS_IOC_FSSETXATTR, &x, sizeof(x)), ==, -EINVAL);
	flags = host_flags(&s) ^ FS_PROJINHERIT_FL;
	g_assert_cmpint(set_as(&s, &owner, FS_IOC_SETFLAGS, &flags, 4), ==, -EINVAL);
	stop(&s);
}

static void only_the_owner_changes_flags_when_the_guest_sends_ids(void)
{
	struct fsxattr x;
	struct subject s;
	uint32_t flags;

	start(&s, false);
	flags = host_flags(&s) | FS_NODUMP_FL;
	g_assert_cmpint(get(&s, FS_IOC_FSGETXATTR, &x, sizeof(x)), ==, sizeof(x));
	g_assert_cmpint(set_as(&s, &stranger, FS_IOC_SETFLAGS, &flags, 4), ==, -EPERM);
	g_assert_cmpint(set_as(&s, &stranger, FS_IOC_FSSETXATTR, &x, sizeof(x)), ==, -EPERM);
	g_assert_false(host_flags(&s) & FS_NODUMP_FL);
	stop(&s);
}

static void sizes_must_belong_to_the_command(void)
{
	static const size_t sizes[] = { 0, 1, 3, 5, 7, 9, 27, 29, 4096 };
	struct subject s;
	char buf[4096];

	start(&s, false);
	memset(buf, 0xff, sizeof(buf));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t n = sizes[i];

		g_assert_cmpint(get(&s, FS_IOC_GETFLAGS, buf, n), ==, -EINVAL);
		g_assert_cmpint(get(&s, FS_IOC_FSGETXATTR, buf, n), ==, -EINVAL);
		g_assert_cmpint(set_as(&s, &owner, FS_IOC_SETFLAGS, buf, n), ==, -EINVAL);
		g_assert_cmpint(set_as(&s, &owner, FS_IOC_FSSETXATTR, buf, n), ==, -EINVAL);
		g_assert_cmpint(set_as(&s, &owner, FS_IOC_ENABLE_VERITY, buf, n), <, 0);
		g_assert_cmpint(set_as(&s, &owner, FS_IOC_MEASURE_VERITY, buf, n), ==, -EINVAL);
	}
	stop(&s);
}

static void verity_is_only_for_those_who_may_write(void)
{
	struct fsverity_enable_arg arg = { .version = 1, .hash_algorithm = 1, .block_size = 4096 };
	const struct fs_caller host = { 0 };
	struct subject s;
	ssize_t can;

	start(&s, false); /* the file has mode 0644 */
	g_assert_cmpint(set_as(&s, &owner, FS_IOC_ENABLE_VERITY, &arg, sizeof(arg)), ==, -EACCES);
	g_assert_cmpint(set_as(&s, &stranger, FS_IOC_ENABLE_VERITY, &arg, sizeof(arg)), ==,
			-EACCES);
	can = set_as(&s, &host, FS_IOC_ENABLE_VERITY, &arg, sizeof(arg));
	g_assert_cmpint(can, !=, -EACCES); /* what else depends on the host */
	g_assert_cmpint(fchmod(s.host_fd, 0600), ==, 0);
	g_assert_cmpint(set_as(&s, &owner, FS_IOC_ENABLE_VERITY, &arg, sizeof(arg)), !=, -EACCES);
	arg.salt_size = 1;
	g_assert_cmpint(set_as(&s, &host, FS_IOC_ENABLE_VERITY, &arg, sizeof(arg)), ==, -EINVAL);
	arg.sig_size = UINT32_MAX;
	g_assert_cmpint(set_as(&s, &host, FS_IOC_ENABLE_VERITY, &arg, sizeof(arg)), ==, -EMSGSIZE);
	stop(&s);
}

static void everything_else_is_refused(void)
{
	static const uint32_t commands[] = { 0,	      FIONREAD, FIGETBSZ,  FS_IOC_GETVERSION,
					     FICLONE, FIFREEZE, UINT32_MAX };
	struct subject s;
	char buf[256];

	start(&s, false);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		g_assert_cmpint(get(&s, commands[i], buf, sizeof(buf)), ==, -ENOTTY);
	s.fh ^= UINT64_C(1) << 32;
	g_assert_cmpint(get(&s, FS_IOC_GETFLAGS, buf, 4), ==, -EBADF);
	s.fh ^= UINT64_C(1) << 32;
	s.nodeid = FS_ROOT_ID;
	g_assert_cmpint(get(&s, FS_IOC_GETFLAGS, buf, 4), ==, -EBADF);
	stop(&s);
}

static void a_read_only_share_changes_no_flags(void)
{
	struct fsverity_enable_arg arg = { .version = 1 };
	const struct fs_caller host = { 0 };
	struct fsxattr x = { 0 };
	struct subject s;
	uint32_t flags;

	start(&s, true);
	g_assert_cmpint(get(&s, FS_IOC_GETFLAGS, &flags, 4), ==, 4);
	g_assert_cmpint(set_as(&s, &owner, FS_IOC_SETFLAGS, &flags, 4), ==, -EROFS);
	g_assert_cmpint(set_as(&s, &owner, FS_IOC_FSSETXATTR, &x, sizeof(x)), ==, -EROFS);
	g_assert_cmpint(set_as(&s, &host, FS_IOC_ENABLE_VERITY, &arg, sizeof(arg)), ==, -EROFS);
	stop(&s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fs-ioctl/flags are read and changed as on the host",
			flags_are_read_and_changed_as_on_the_host);
	g_test_add_func("/fs-ioctl/extended flags are read and changed as on the host",
			extended_flags_are_read_and_changed_as_on_the_host);
	g_test_add_func("/fs-ioctl/project ids stay", project_ids_stay);
	g_test_add_func("/fs-ioctl/only the owner changes flags when the guest sends ids",
			only_the_owner_changes_flags_when_the_guest_sends_ids);
	g_test_add_func("/fs-ioctl/sizes must belong to the command",
			sizes_must_belong_to_the_command);
	g_test_add_func("/fs-ioctl/verity is only for those who may write",
			verity_is_only_for_those_who_may_write);
	g_test_add_func("/fs-ioctl/everything else is refused", everything_else_is_refused);
	g_test_add_func("/fs-ioctl/a read-only share changes no flags",
			a_read_only_share_changes_no_flags);
	return g_test_run();
}
