/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that make, move and remove names.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "once-cases.h"

#define LABEL "trusted.label"

static const struct fs_caller user = { .uid = ONCE_UID, .gid = ONCE_GID, .umask = 022 };
static const struct fs_caller root;
static const struct fs_caller labelled = {
	.uid = ONCE_UID,
	.gid = ONCE_GID,
	.label = { .name = LABEL, .value = "secret", .size = 6 },
};

#define IN_ROOT d->thread, &user, FS_ROOT_ID

static int64_t told(struct dying *d, GString *answer, int r, const struct fs_entry *entry)
{
	if (r == 0)
		dying_tell_entry(d, answer, entry);
	return r;
}

/* ---- What is there before ---- */

static void a_file(struct dying *d)
{
	fs_unit_write(&d->unit, "a", "old");
	g_assert_cmpint(fchownat(d->unit.dir_fd, "a", ONCE_UID, ONCE_GID, 0), ==, 0);
	d->node = fs_unit_lookup(&d->unit, "a");
}

/* What changed in the tick of the clock in which a request began cannot be told from later. */
static void let_a_tick_pass(struct dying *d, const char *name)
{
	const int64_t tick = 20000000;
	struct timespec now;
	struct stat st;

	g_assert_cmpint(fstatat(d->unit.dir_fd, name, &st, 0), ==, 0);
	do {
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	} while ((now.tv_sec - st.st_ctim.tv_sec) * 1000000000 + now.tv_nsec - st.st_ctim.tv_nsec <
		 tick);
}

/* The guest has not seen it. */
static void an_unknown_file(struct dying *d)
{
	fs_unit_write(&d->unit, "a", "");
	g_assert_cmpint(fchownat(d->unit.dir_fd, "a", ONCE_UID, ONCE_GID, 0), ==, 0);
	let_a_tick_pass(d, "a");
}

static void nothing_for_long(struct dying *d)
{
	const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

	g_assert_cmpint(futimens(d->unit.dir_fd, times), ==, 0);
}

static void two_files(struct dying *d)
{
	a_file(d);
	fs_unit_write(&d->unit, "b", "other");
	d->other = fs_unit_lookup(&d->unit, "b");
}

static void two_names(struct dying *d)
{
	a_file(d);
	g_assert_cmpint(linkat(d->unit.dir_fd, "a", d->unit.dir_fd, "b", 0), ==, 0);
	d->other = fs_unit_lookup(&d->unit, "b");
}

static void a_dir(struct dying *d)
{
	g_assert_cmpint(mkdirat(d->unit.dir_fd, "a", 0755), ==, 0);
	d->node = fs_unit_lookup(&d->unit, "a");
}

static void a_full_dir(struct dying *d)
{
	a_dir(d);
	fs_unit_write(&d->unit, "a/x", "");
}

static void an_unknown_dir(struct dying *d)
{
	g_assert_cmpint(mkdirat(d->unit.dir_fd, "a", 0755), ==, 0);
	g_assert_cmpint(fchownat(d->unit.dir_fd, "a", ONCE_UID, ONCE_GID, 0), ==, 0);
}

static void a_nameless_file(struct dying *d)
{
	struct fs_opened opened;
	struct fs_entry entry;

	g_assert_cmpint(
		fs_tmpfile(d->unit.thread, &user, FS_ROOT_ID, 0640, O_RDWR, &entry, &opened), ==,
		0);
	d->node = entry.nodeid;
	d->fh = opened.fh;
}

static void set_id_dir(struct dying *d)
{
	g_assert_cmpint(fchownat(d->unit.dir_fd, "", 7, 8, AT_EMPTY_PATH), ==, 0);
	g_assert_cmpint(fchmod(d->unit.dir_fd, 02777), ==, 0);
}

/* ---- Requests ---- */

static int64_t do_mkdir(struct dying *d, GString *answer)
{
	struct fs_entry e;

	return told(d, answer, fs_mkdir(IN_ROOT, "a", 0775, &e), &e);
}

static int64_t do_mkdir_labelled(struct dying *d, GString *answer)
{
	struct fs_entry e;
	int r = fs_mkdir(d->thread, &labelled, FS_ROOT_ID, "a", 0700, &e);

	return told(d, answer, r, &e);
}

static int64_t make_node(struct dying *d, GString *answer, uint32_t mode, dev_t dev)
{
	struct fs_entry e;

	return told(d, answer, fs_mknod(IN_ROOT, "a", mode, (uint32_t)dev, &e), &e);
}

static int64_t do_mknod_file(struct dying *d, GString *answer)
{
	return make_node(d, answer, S_IFREG | 0664, 0);
}

static int64_t do_mknod_fifo(struct dying *d, GString *answer)
{
	return make_node(d, answer, S_IFIFO | 0600, 0);
}

static int64_t do_mknod_device(struct dying *d, GString *answer)
{
	return make_node(d, answer, S_IFCHR | 0600, makedev(1, 3));
}

static int64_t do_mknod_socket(struct dying *d, GString *answer)
{
	return make_node(d, answer, S_IFSOCK | 0755, 0);
}

static int64_t do_symlink(struct dying *d, GString *answer)
{
	struct fs_entry e;

	return told(d, answer, fs_symlink(IN_ROOT, "a", "some/where", &e), &e);
}

static int64_t do_link(struct dying *d, GString *answer)
{
	struct fs_entry e;

	return told(d, answer, fs_link(d->thread, d->node, FS_ROOT_ID, "new", &e), &e);
}

static int64_t do_link_over(struct dying *d, GString *answer)
{
	struct fs_entry e;

	return told(d, answer, fs_link(d->thread, d->node, FS_ROOT_ID, "b", &e), &e);
}

static int64_t create_as(struct dying *d, GString *answer, const struct fs_caller *caller,
			 uint32_t mode, uint32_t flags)
{
	struct fs_opened opened;
	struct fs_entry e;
	int r = fs_create(d->thread, caller, FS_ROOT_ID, "a", mode, flags, false, &e, &opened);

	if (r == 0)
		dying_tell_opened(d, answer, &opened, HANDLE_FILE);
	return told(d, answer, r, &e);
}

static int64_t do_create(struct dying *d, GString *answer)
{
	return create_as(d, answer, &user, 0664, O_WRONLY | O_CREAT);
}

static int64_t do_create_new(struct dying *d, GString *answer)
{
	return create_as(d, answer, &user, 0600, O_RDWR | O_CREAT | O_EXCL);
}

static int64_t do_create_closed(struct dying *d, GString *answer)
{
	return create_as(d, answer, &user, 0, O_RDWR | O_CREAT | O_EXCL);
}

static int64_t do_create_set_id(struct dying *d, GString *answer)
{
	return create_as(d, answer, &user, 06755, O_RDWR | O_CREAT | O_EXCL);
}

static int64_t do_create_labelled(struct dying *d, GString *answer)
{
	return create_as(d, answer, &labelled, 0600, O_RDWR | O_CREAT | O_EXCL);
}

static int64_t do_create_root(struct dying *d, GString *answer)
{
	return create_as(d, answer, &root, 0644, O_RDWR | O_CREAT);
}

static int64_t do_create_empty(struct dying *d, GString *answer)
{
	return create_as(d, answer, &root, 0644, O_RDWR | O_CREAT | O_TRUNC);
}

static int64_t do_tmpfile(struct dying *d, GString *answer)
{
	struct fs_opened opened;
	struct fs_entry e;
	int r = fs_tmpfile(d->thread, &user, FS_ROOT_ID, 0640, O_RDWR, &e, &opened);

	if (r == 0)
		dying_tell_opened(d, answer, &opened, HANDLE_FILE);
	return told(d, answer, r, &e);
}

static int64_t do_unlink(struct dying *d, GString *answer)
{
	return fs_unlink(d->thread, FS_ROOT_ID, "a");
}

static int64_t do_rmdir(struct dying *d, GString *answer)
{
	return fs_rmdir(d->thread, FS_ROOT_ID, "a");
}

static int rename_to(struct dying *d, const char *to, uint32_t flags)
{
	return fs_rename(d->thread, &user, FS_ROOT_ID, "a", FS_ROOT_ID, to, flags);
}

static int64_t do_rename(struct dying *d, GString *answer)
{
	return rename_to(d, "new", 0);
}

static int64_t do_rename_over(struct dying *d, GString *answer)
{
	return rename_to(d, "b", 0);
}

static int64_t do_rename_noreplace(struct dying *d, GString *answer)
{
	return rename_to(d, "new", RENAME_NOREPLACE);
}

static int64_t do_rename_noreplace_over(struct dying *d, GString *answer)
{
	return rename_to(d, "b", RENAME_NOREPLACE);
}

static int64_t do_exchange(struct dying *d, GString *answer)
{
	return rename_to(d, "b", RENAME_EXCHANGE);
}

static int64_t do_exchange_nothing(struct dying *d, GString *answer)
{
	return rename_to(d, "new", RENAME_EXCHANGE);
}

static int64_t do_rename_whiteout(struct dying *d, GString *answer)
{
	return rename_to(d, "new", RENAME_WHITEOUT);
}

const struct once_case once_names[] = {
	{ "mkdir", NULL, do_mkdir, 0 },
	{ "mkdir-in-set-id-dir", set_id_dir, do_mkdir, 0 },
	{ "mkdir-with-label", NULL, do_mkdir_labelled, 0 },
	{ "mkdir-of-a-known-name", a_file, do_mkdir, -EEXIST },
	{ "mkdir-of-an-unknown-file", an_unknown_file, do_mkdir, -EEXIST },
	{ "mknod-file", NULL, do_mknod_file, 0 },
	{ "mknod-file-that-is-known", a_file, do_mknod_file, -EEXIST },
	{ "mknod-fifo", NULL, do_mknod_fifo, 0 },
	{ "mknod-device", NULL, do_mknod_device, 0 },
	{ "mknod-socket", NULL, do_mknod_socket, 0 },
	{ "symlink", NULL, do_symlink, 0 },
	{ "symlink-of-an-unknown-name", an_unknown_dir, do_symlink, -EEXIST },
	{ "link", a_file, do_link, 0 },
	{ "link-of-a-tmpfile", a_nameless_file, do_link, 0 },
	{ "link-to-another-file", two_files, do_link_over, -EEXIST },
	{ "create", NULL, do_create, 0 },
	{ "create-exclusive", NULL, do_create_new, 0 },
	{ "create-without-permissions", NULL, do_create_closed, 0 },
	{ "create-with-set-id-bits", NULL, do_create_set_id, 0 },
	{ "create-in-set-id-dir", set_id_dir, do_create, 0 },
	{ "create-with-label", NULL, do_create_labelled, 0 },
	{ "create-exclusive-of-a-known-name", a_file, do_create_new, -EEXIST },
	{ "create-of-a-known-name", a_file, do_create, -ESTALE },
	{ "create-by-root-of-a-known-name", a_file, do_create_root, 0 },
	{ "create-by-root-of-an-unknown-name", an_unknown_file, do_create_root, 0 },
	{ "create-and-empty", a_file, do_create_empty, 0 },
	{ "tmpfile", NULL, do_tmpfile, 0 },
	{ "unlink", a_file, do_unlink, 0 },
	{ "unlink-of-one-of-two-names", two_names, do_unlink, 0 },
	{ "unlink-of-an-unknown-file", an_unknown_file, do_unlink, 0 },
	{ "unlink-of-nothing", nothing_for_long, do_unlink, -ENOENT },
	{ "unlink-of-a-directory", a_dir, do_unlink, -EISDIR },
	{ "rmdir", a_dir, do_rmdir, 0 },
	{ "rmdir-of-a-full-directory", a_full_dir, do_rmdir, -ENOTEMPTY },
	{ "rename", a_file, do_rename, 0 },
	{ "rename-directory", a_full_dir, do_rename, 0 },
	{ "rename-onto-a-file", two_files, do_rename_over, 0 },
	{ "rename-between-names-of-a-file", two_names, do_rename_over, 0 },
	{ "rename-of-nothing", nothing_for_long, do_rename, -ENOENT },
	{ "rename-noreplace", a_file, do_rename_noreplace, 0 },
	{ "rename-noreplace-onto-a-file", two_files, do_rename_noreplace_over, -EEXIST },
	{ "rename-exchange", two_files, do_exchange, 0 },
	{ "rename-exchange-names-of-a-file", two_names, do_exchange, 0 },
	{ "rename-exchange-with-nothing", a_file, do_exchange_nothing, -ENOENT },
	{ "rename-whiteout", a_file, do_rename_whiteout, 0 },
	{ NULL, NULL, NULL, 0 },
};
