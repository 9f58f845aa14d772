/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that only regular files are opened, with no more of the guest's flags than concern one,
 * and what the cache modes tell the guest.
 */
#include "fs-unit.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <sys/syscall.h>

static int open_name(struct fs_unit *unit, const char *name, uint32_t flags,
		     struct fs_opened *opened)
{
	return fs_open(unit->thread, fs_unit_lookup(unit, name), flags, false, opened);
}

/* What the host's descriptor of a handle was opened with. */
static int host_flags(struct fs_unit *unit, uint64_t fh)
{
	struct handle_slot *slot = htab_get(&unit->fs->handles, fh, HANDLE_FILE);
	int flags = fcntl(slot->fd, F_GETFL);

	htab_put(&unit->fs->handles, slot);
	return flags;
}

static void special_files_and_links_are_never_opened(void)
{
	struct fs_opened opened;
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "target", "");
	g_assert_cmpint(mkfifoat(unit.dir_fd, "fifo", 0600), ==, 0);
	g_assert_cmpint(mknodat(unit.dir_fd, "socket", S_IFSOCK | 0600, 0), ==, 0);
	g_assert_cmpint(symlinkat("target", unit.dir_fd, "link"), ==, 0);
	g_assert_cmpint(open_name(&unit, "fifo", O_RDONLY, &opened), ==, -EBADF);
	g_assert_cmpint(open_name(&unit, "fifo", O_RDWR, &opened), ==, -EBADF);
	g_assert_cmpint(open_name(&unit, "socket", O_RDWR, &opened), ==, -EBADF);
	g_assert_cmpint(open_name(&unit, "link", O_RDONLY, &opened), ==, -ELOOP);
	g_assert_cmpint(fs_open(unit.thread, FS_ROOT_ID, O_RDONLY, false, &opened), ==, -EISDIR);
	g_assert_cmpint(fs_open(unit.thread, 99, O_RDONLY, false, &opened), ==, -ESTALE);
	g_assert_cmpint(fs_opendir(unit.thread, fs_unit_lookup(&unit, "fifo"), 0, &opened), ==,
			-ENOTDIR);
	fs_unit_stop(&unit);
}

static void flags_that_do_not_concern_an_existing_file_stay_here(void)
{
	const uint32_t all = ~(GUEST_O_ACCMODE | GUEST_O_TRUNC);
	const int wanted = O_RDWR | O_SYNC | O_NOATIME;
	struct fs_opened opened;
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "text");
	g_assert_cmpint(open_name(&unit, "a", all | O_RDWR, &opened), ==, 0);
	/* O_LARGEFILE is the kernel's own. */
	g_assert_cmphex(host_flags(&unit, opened.fh) & ~0100000, ==, wanted);
	fs_unit_stop(&unit);
}

/* As with a local file: for ioctl(2), and with the rights to read and to write. */
static void the_access_mode_3_neither_reads_nor_writes(void)
{
	struct fs_ioctl call = { .command = FS_IOC_GETFLAGS };
	char x;
	const struct iovec byte = { &x, 1 };
	struct fs_options options = fs_unit_options();
	struct fs_opened opened;
	struct fs_attr attr;
	struct fs_entry entry;
	struct fs_unit unit;
	uint32_t flags;
	uint64_t nodeid;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "text");
	nodeid = fs_unit_lookup(&unit, "a");
	g_assert_cmpint(fs_open(unit.thread, nodeid, 3, false, &opened), ==, 0);
	g_assert_cmphex(host_flags(&unit, opened.fh) & O_ACCMODE, ==, 3);
	g_assert_cmpint(fs_read(unit.thread, opened.fh, 0, &byte, 1), ==, -EBADF);
	g_assert_cmpint(fs_write(unit.thread, &(struct fs_write){ .fh = opened.fh }, &byte, 1), ==,
			-EBADF);
	g_assert_cmpint(fs_getattr(unit.thread, nodeid, opened.fh, &attr), ==, 0);
	call.fh = opened.fh;
	call.out = &flags;
	call.out_size = sizeof(flags);
	/* Some file systems have no flags; it is they who say so. */
	g_assert_cmpint(fs_ioctl(unit.thread, &(struct fs_caller){ 0 }, nodeid, &call), !=, -EBADF);
	g_assert_cmpint(fs_create(unit.thread, &(struct fs_caller){ 0 }, FS_ROOT_ID, "b", 0600, 3,
				  false, &entry, &opened),
			==, 0);
	fs_unit_stop(&unit);
	options.readonly = true;
	fs_unit_start_with(&unit, NULL, &options);
	fs_unit_write(&unit, "a", "text");
	g_assert_cmpint(open_name(&unit, "a", 3, &opened), ==, -EROFS);
	fs_unit_stop(&unit);
}

static gpointer open_files_of_others(gpointer arg)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	struct fs_unit *unit = arg;
	struct fs_thread *thread = fs_unit_thread(unit);
	struct fs_opened opened;

	g_assert_cmpint(syscall(SYS_capset, &head, none), ==, 0);
	g_assert_cmpint(fs_open(thread, fs_unit_lookup(unit, "a"), GUEST_O_NOATIME, false, &opened),
			==, 0);
	g_assert_cmphex(host_flags(unit, opened.fh) & O_NOATIME, ==, 0);
	g_assert_cmpint(fs_opendir(thread, fs_unit_lookup(unit, "dir"), GUEST_O_NOATIME, &opened),
			==, 0);
	g_free(thread);
	return NULL;
}

static void access_times_are_left_alone_where_that_is_asked_for_and_permitted(void)
{
	struct fs_opened opened;
	struct handle_slot *slot;
	struct fs_entry entry;
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "text");
	g_assert_cmpint(fchownat(unit.dir_fd, "a", 1234, 1234, 0), ==, 0);
	g_assert_cmpint(mkdirat(unit.dir_fd, "dir", 0755), ==, 0);
	g_assert_cmpint(fchownat(unit.dir_fd, "dir", 1234, 1234, 0), ==, 0);
	g_assert_cmpint(open_name(&unit, "a", 0, &opened), ==, 0);
	g_assert_cmphex(host_flags(&unit, opened.fh) & O_NOATIME, ==, 0);
	g_assert_cmpint(open_name(&unit, "a", GUEST_O_NOATIME, &opened), ==, 0);
	g_assert_cmphex(host_flags(&unit, opened.fh) & O_NOATIME, ==, O_NOATIME);
	g_assert_cmpint(fs_create(unit.thread, &(struct fs_caller){ .uid = 1234, .gid = 1234 },
				  FS_ROOT_ID, "new", 0600, O_RDWR | GUEST_O_NOATIME, false, &entry,
				  &opened),
			==, 0);
	g_assert_cmphex(host_flags(&unit, opened.fh) & O_NOATIME, ==, O_NOATIME);
	g_assert_cmpint(
		fs_opendir(unit.thread, fs_unit_lookup(&unit, "dir"), GUEST_O_NOATIME, &opened), ==,
		0);
	slot = htab_get(&unit.fs->handles, opened.fh, HANDLE_DIR);
	g_assert_cmphex(fcntl(slot->fd, F_GETFL) & O_NOATIME, ==, O_NOATIME);
	htab_put(&unit.fs->handles, slot);
	g_thread_join(g_thread_new("other", open_files_of_others, &unit));
	fs_unit_stop(&unit);
}

static void truncation_on_open_reaches_the_file(void)
{
	g_autofree char *text = NULL;
	struct fs_opened opened;
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "text");
	g_assert_cmpint(open_name(&unit, "a", O_WRONLY | O_TRUNC, &opened), ==, 0);
	text = fs_unit_read(&unit, "a");
	g_assert_cmpstr(text, ==, "");
	fs_unit_stop(&unit);
}

static void a_read_only_share_opens_for_reading_only(void)
{
	struct fs_options options = fs_unit_options();
	struct fs_opened opened;
	struct fs_unit unit;

	options.readonly = true;
	fs_unit_start_with(&unit, NULL, &options);
	fs_unit_write(&unit, "a", "text");
	g_assert_cmpint(open_name(&unit, "a", O_WRONLY, &opened), ==, -EROFS);
	g_assert_cmpint(open_name(&unit, "a", O_RDWR, &opened), ==, -EROFS);
	g_assert_cmpint(open_name(&unit, "a", O_RDONLY | O_TRUNC, &opened), ==, -EROFS);
	g_assert_cmpint(open_name(&unit, "a", O_RDONLY, &opened), ==, 0);
	g_assert_cmpint(
		fs_fallocate(unit.thread, &(struct fs_range){ .fh = opened.fh, .length = 1 }), ==,
		-EROFS);
	g_assert_cmpint(fs_write(unit.thread, &(struct fs_write){ .fh = opened.fh }, NULL, 0), ==,
			-EROFS);
	fs_unit_stop(&unit);
}

static void a_released_handle_is_bad(void)
{
	struct fs_unit unit;
	uint64_t fh;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "text");
	fh = fs_unit_open(&unit, "a", O_RDONLY);
	g_assert_cmpint(fs_releasedir(unit.thread, fh), ==, -EBADF);
	g_assert_cmpint(fs_flush(unit.thread, fh), ==, 0);
	g_assert_cmpint(fs_release(unit.thread, fh), ==, 0);
	g_assert_cmpint(fs_release(unit.thread, fh), ==, -EBADF);
	g_assert_cmpint(fs_flush(unit.thread, fh), ==, -EBADF);
	g_assert_cmpint(fs_fsync(unit.thread, fh, false), ==, -EBADF);
	g_assert_cmpint(fs_read(unit.thread, fh, 0, NULL, 0), ==, -EBADF);
	fs_unit_stop(&unit);
}

static void syncing_says_that_it_may_take_long(void)
{
	struct fs_unit unit;
	uint64_t fh;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "text");
	fh = fs_unit_open(&unit, "a", O_RDWR);
	g_assert_cmpuint(unit.n_blocks, ==, 0);
	g_assert_cmpint(fs_fsync(unit.thread, fh, true), ==, 0);
	g_assert_cmpuint(unit.n_blocks, ==, 1);
	g_assert_cmpint(fs_fsync(unit.thread, fh, false), ==, 0);
	g_assert_cmpuint(unit.n_blocks, ==, 2);
	fs_unit_stop(&unit);
}

static void the_cache_mode_decides_what_a_guest_may_keep(void)
{
	static const struct fs_opened hints[] = {
		[FS_CACHE_AUTO] = { 0 },
		[FS_CACHE_ALWAYS] = { .keep_cache = true },
		[FS_CACHE_NEVER] = { .direct_io = true, .parallel_direct_writes = true },
		[FS_CACHE_METADATA] = { .direct_io = true, .parallel_direct_writes = true },
	};

	for (unsigned int mode = 0; mode < G_N_ELEMENTS(hints); mode++) {
		struct fs_options options = fs_unit_options();
		struct fs_opened opened;
		struct fs_unit unit;

		options.cache = (enum fs_cache)mode;
		fs_unit_start_with(&unit, NULL, &options);
		fs_unit_write(&unit, "a", "text");
		g_assert_cmpint(open_name(&unit, "a", O_RDONLY, &opened), ==, 0);
		g_assert_cmpint(opened.direct_io, ==, hints[mode].direct_io);
		g_assert_cmpint(opened.keep_cache, ==, hints[mode].keep_cache);
		g_assert_cmpint(opened.parallel_direct_writes, ==,
				hints[mode].parallel_direct_writes);
		g_assert_false(opened.cache_dir);
		fs_unit_stop(&unit);
	}
}

static void with_write_back_files_are_readable_and_never_appended_to(void)
{
	const struct fs_negotiated negotiated = { .writeback = true };
	const struct iovec iov = { .iov_base = (char[]){ "X" }, .iov_len = 1 };
	g_autofree char *text = NULL;
	struct fs_opened opened;
	struct fs_entry entry;
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_reset(unit.fs, &negotiated);
	fs_unit_write(&unit, "a", "text");
	g_assert_cmpint(open_name(&unit, "a", O_WRONLY | O_APPEND, &opened), ==, 0);
	g_assert_cmphex(host_flags(&unit, opened.fh) & (O_ACCMODE | O_APPEND), ==, O_RDWR);
	g_assert_cmpint(
		fs_write(unit.thread, &(struct fs_write){ .fh = opened.fh, .offset = 1 }, &iov, 1),
		==, 1);
	text = fs_unit_read(&unit, "a");
	g_assert_cmpstr(text, ==, "tXxt");
	g_assert_cmpint(open_name(&unit, "a", O_RDONLY, &opened), ==, 0);
	g_assert_cmphex(host_flags(&unit, opened.fh) & O_ACCMODE, ==, O_RDONLY);
	g_assert_cmpint(fs_create(unit.thread, &(struct fs_caller){ 0 }, FS_ROOT_ID, "b", 0200,
				  O_WRONLY | O_APPEND, false, &entry, &opened),
			==, 0);
	g_assert_cmphex(host_flags(&unit, opened.fh) & (O_ACCMODE | O_APPEND), ==, O_RDWR);
	fs_unit_stop(&unit);
}

static void too_many_handles_are_enfile(void)
{
	struct fs_options options = fs_unit_options();
	struct fs_opened opened;
	struct fs_unit unit;
	uint64_t fh;

	options.max_handles = 1;
	fs_unit_start_with(&unit, NULL, &options);
	fs_unit_write(&unit, "a", "text");
	fh = fs_unit_open(&unit, "a", O_RDONLY);
	g_assert_cmpint(open_name(&unit, "a", O_RDONLY, &opened), ==, -ENFILE);
	g_assert_cmpint(fs_opendir(unit.thread, FS_ROOT_ID, 0, &opened), ==, -ENFILE);
	g_assert_cmpint(fs_release(unit.thread, fh), ==, 0);
	g_assert_cmpint(open_name(&unit, "a", O_RDONLY, &opened), ==, 0);
	fs_unit_stop(&unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fs-open/special files and links are never opened",
			special_files_and_links_are_never_opened);
	g_test_add_func("/fs-open/flags that do not concern an existing file stay here",
			flags_that_do_not_concern_an_existing_file_stay_here);
	g_test_add_func("/fs-open/the access mode 3 neither reads nor writes",
			the_access_mode_3_neither_reads_nor_writes);
	g_test_add_func(
		"/fs-open/access times are left alone where that is asked for and permitted",
		access_times_are_left_alone_where_that_is_asked_for_and_permitted);
	g_test_add_func("/fs-open/truncation on open reaches the file",
			truncation_on_open_reaches_the_file);
	g_test_add_func("/fs-open/a read-only share opens for reading only",
			a_read_only_share_opens_for_reading_only);
	g_test_add_func("/fs-open/a released handle is bad", a_released_handle_is_bad);
	g_test_add_func("/fs-open/syncing says that it may take long",
			syncing_says_that_it_may_take_long);
	g_test_add_func("/fs-open/the cache mode decides what a guest may keep",
			the_cache_mode_decides_what_a_guest_may_keep);
	g_test_add_func("/fs-open/with write-back files are readable and never appended to",
			with_write_back_files_are_readable_and_never_appended_to);
	g_test_add_func("/fs-open/too many handles are ENFILE", too_many_handles_are_enfile);
	return g_test_run();
}
