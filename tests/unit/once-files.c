/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests about open files, data, attributes and what is forgotten.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "once-cases.h"

#define BLOCK 4096u

static void write_host(struct dying *d, uint64_t size)
{
	g_autofree char *text = g_malloc(size);
	int fd = openat(d->unit.dir_fd, "a", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	g_assert_cmpint(fd, >=, 0);
	memset(text, 'x', size);
	g_assert_cmpint(write(fd, text, size), ==, (ssize_t)size);
	close(fd);
	d->node = fs_unit_lookup(&d->unit, "a");
}

static void a_file(struct dying *d)
{
	write_host(d, 100);
	g_assert_cmpint(fchmodat(d->unit.dir_fd, "a", 06755, 0), ==, 0);
}

static void open_with(struct dying *d, uint32_t flags)
{
	struct fs_opened opened;

	a_file(d);
	g_assert_cmpint(fs_open(d->unit.thread, d->node, flags, false, &opened), ==, 0);
	d->fh = opened.fh;
}

static void an_open_file(struct dying *d)
{
	open_with(d, O_RDWR);
}

static void a_log(struct dying *d)
{
	open_with(d, O_WRONLY | O_APPEND);
}

static void a_long_file(struct dying *d)
{
	struct fs_opened opened;

	write_host(d, 4 * BLOCK);
	g_assert_cmpint(fs_open(d->unit.thread, d->node, O_RDWR, false, &opened), ==, 0);
	d->fh = opened.fh;
}

static void two_open_files(struct dying *d)
{
	an_open_file(d);
	fs_unit_write(&d->unit, "b", "source");
	d->fh_other = fs_unit_open(&d->unit, "b", O_RDONLY);
}

static void an_open_dir(struct dying *d)
{
	struct fs_opened opened;

	g_assert_cmpint(mkdirat(d->unit.dir_fd, "a", 0755), ==, 0);
	d->node = fs_unit_lookup(&d->unit, "a");
	g_assert_cmpint(fs_opendir(d->unit.thread, d->node, 0, &opened), ==, 0);
	d->fh = opened.fh;
}

static void an_attribute(struct dying *d)
{
	const struct fs_xattr xattr = { .name = "trusted.x", .value = "new", .size = 3 };

	a_file(d);
	g_assert_cmpint(fs_setxattr(d->unit.thread, d->node, &xattr), ==, 0);
}

/* ---- Opening and closing ---- */

static int64_t open_as(struct dying *d, GString *answer, uint32_t flags, bool kill)
{
	struct fs_opened opened;
	int r = fs_open(d->thread, d->node, flags, kill, &opened);

	if (r == 0)
		dying_tell_opened(d, answer, &opened, HANDLE_FILE);
	return r;
}

static int64_t do_open(struct dying *d, GString *answer)
{
	return open_as(d, answer, O_RDONLY, false);
}

static int64_t do_open_empty(struct dying *d, GString *answer)
{
	return open_as(d, answer, O_RDWR | O_TRUNC, true);
}

static int64_t do_opendir(struct dying *d, GString *answer)
{
	struct fs_opened opened;
	int r = fs_opendir(d->thread, FS_ROOT_ID, 0, &opened);

	if (r == 0)
		dying_tell_opened(d, answer, &opened, HANDLE_DIR);
	return r;
}

static int64_t do_release(struct dying *d, GString *answer)
{
	return fs_release(d->thread, d->fh);
}

static int64_t do_releasedir(struct dying *d, GString *answer)
{
	return fs_releasedir(d->thread, d->fh);
}

static int64_t do_release_unknown(struct dying *d, GString *answer)
{
	return fs_release(d->thread, 999);
}

static int64_t do_flush(struct dying *d, GString *answer)
{
	return fs_flush(d->thread, d->fh);
}

static int64_t do_fsync(struct dying *d, GString *answer)
{
	return fs_fsync(d->thread, d->fh, false);
}

/* ---- Data ---- */

static int64_t write_as(struct dying *d, const struct fs_write *write)
{
	char first[] = "first, ", second[] = "second";
	const struct iovec iov[] = { { first, 7 }, { second, 6 } };
	uint64_t done = write->append ? fs_appended(d->thread) : 0;

	/* The caller goes on behind that: here it is all or nothing. */
	if (done)
		return (int64_t)done;
	return fs_write(d->thread, write, iov, 2);
}

static int64_t do_write(struct dying *d, GString *answer)
{
	return write_as(d, &(struct fs_write){ .fh = d->fh, .offset = 50 });
}

static int64_t do_write_kill(struct dying *d, GString *answer)
{
	return write_as(d, &(struct fs_write){ .fh = d->fh, .offset = 50, .kill_suidgid = true });
}

static int64_t do_append(struct dying *d, GString *answer)
{
	return write_as(d, &(struct fs_write){ .fh = d->fh, .append = true });
}

static int64_t do_append_sync(struct dying *d, GString *answer)
{
	return write_as(d,
			&(struct fs_write){
				.fh = d->fh, .append = true, .dsync = true, .kill_suidgid = true });
}

static int64_t allocate(struct dying *d, int mode, uint64_t offset, uint64_t length)
{
	const struct fs_range range = {
		.fh = d->fh, .offset = offset, .length = length, .mode = (uint32_t)mode
	};

	return fs_fallocate(d->thread, &range);
}

static int64_t do_fallocate(struct dying *d, GString *answer)
{
	return allocate(d, 0, 0, 1000);
}

static int64_t do_punch(struct dying *d, GString *answer)
{
	return allocate(d, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10, 20);
}

static int64_t do_collapse(struct dying *d, GString *answer)
{
	return allocate(d, FALLOC_FL_COLLAPSE_RANGE, BLOCK, BLOCK);
}

static int64_t do_insert(struct dying *d, GString *answer)
{
	return allocate(d, FALLOC_FL_INSERT_RANGE, BLOCK, BLOCK);
}

static int64_t do_copy(struct dying *d, GString *answer)
{
	const struct fs_copy copy = {
		.fh_in = d->fh_other, .fh_out = d->fh, .offset_out = 95, .length = 6
	};

	return fs_copy_file_range(d->thread, &copy);
}

static int64_t do_lseek(struct dying *d, GString *answer)
{
	return fs_lseek(d->thread, d->fh, 0, SEEK_HOLE);
}

/* ---- Attributes ---- */

static int64_t set_as(struct dying *d, GString *answer, struct fs_setattr set)
{
	struct fs_attr attr;
	int r;

	set.fh = FS_NO_FH;
	r = fs_setattr(d->thread, d->node, &set, &attr);
	if (r == 0)
		g_string_append_printf(answer, " %o %u:%u size %u", attr.stx.stx_mode,
				       attr.stx.stx_uid, attr.stx.stx_gid,
				       (unsigned int)attr.stx.stx_size);
	return r;
}

static int64_t do_truncate(struct dying *d, GString *answer)
{
	return set_as(d, answer,
		      (struct fs_setattr){ .set_size = true, .size = 10, .kill_suidgid = true });
}

static int64_t do_chmod(struct dying *d, GString *answer)
{
	return set_as(d, answer, (struct fs_setattr){ .set_mode = true, .mode = 04711 });
}

static int64_t do_chown(struct dying *d, GString *answer)
{
	return set_as(d, answer,
		      (struct fs_setattr){ .set_uid = true, .uid = 7, .set_gid = true, .gid = 8 });
}

static int64_t do_set_all(struct dying *d, GString *answer)
{
	return set_as(d, answer,
		      (struct fs_setattr){ .set_uid = true,
					   .uid = 7,
					   .set_size = true,
					   .size = 200,
					   .set_mode = true,
					   .mode = 06700,
					   .set_mtime = true,
					   .mtime.tv_sec = 1000 });
}

static int64_t set_attribute(struct dying *d, uint32_t flags)
{
	const struct fs_xattr xattr = {
		.name = "trusted.x", .value = "new", .size = 3, .flags = flags
	};

	return fs_setxattr(d->thread, d->node, &xattr);
}

static int64_t do_setxattr(struct dying *d, GString *answer)
{
	return set_attribute(d, 0);
}

static int64_t do_setxattr_create(struct dying *d, GString *answer)
{
	return set_attribute(d, XATTR_CREATE);
}

static int64_t do_setxattr_replace(struct dying *d, GString *answer)
{
	return set_attribute(d, XATTR_REPLACE);
}

static int64_t do_removexattr(struct dying *d, GString *answer)
{
	return fs_removexattr(d->thread, d->node, "trusted.x");
}

const struct once_case once_files[] = {
	{ "open", a_file, do_open, 0 },
	{ "open-and-empty", a_file, do_open_empty, 0 },
	{ "opendir", a_file, do_opendir, 0 },
	{ "release", an_open_file, do_release, 0 },
	{ "releasedir", an_open_dir, do_releasedir, 0 },
	{ "release-of-nothing", a_file, do_release_unknown, -EBADF },
	{ "flush", an_open_file, do_flush, 0 },
	{ "fsync", an_open_file, do_fsync, 0 },
	{ "write", an_open_file, do_write, 13 },
	{ "write-that-drops-set-id-bits", an_open_file, do_write_kill, 13 },
	{ "append", a_log, do_append, 13 },
	{ "append-sync-that-drops-set-id-bits", a_log, do_append_sync, 13 },
	{ "fallocate", an_open_file, do_fallocate, 0 },
	{ "fallocate-punch", an_open_file, do_punch, 0 },
	{ "fallocate-collapse", a_long_file, do_collapse, 0 },
	{ "fallocate-insert", a_long_file, do_insert, 0 },
	{ "copy-file-range", two_open_files, do_copy, 6 },
	{ "lseek", an_open_file, do_lseek, 100 },
	{ "setattr-size", a_file, do_truncate, 0 },
	{ "setattr-mode", a_file, do_chmod, 0 },
	{ "setattr-owner", a_file, do_chown, 0 },
	{ "setattr-all", a_file, do_set_all, 0 },
	{ "setxattr", an_attribute, do_setxattr, 0 },
	{ "setxattr-create", a_file, do_setxattr_create, 0 },
	{ "setxattr-create-of-what-is-there", an_attribute, do_setxattr_create, -EEXIST },
	{ "setxattr-replace", an_attribute, do_setxattr_replace, 0 },
	{ "setxattr-replace-of-nothing", a_file, do_setxattr_replace, -ENODATA },
	{ "removexattr", an_attribute, do_removexattr, 0 },
	{ "removexattr-of-nothing", a_file, do_removexattr, -ENODATA },
	{ NULL, NULL, NULL, 0 },
};
