/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that arguments which are whole but cannot be meant get the error that Linux gives a local
 * caller, or EINVAL, and that nothing of such a request has been done.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/component/hostile-share.h"

#define TOO_FAR (UINT64_C(1) << 63)

static struct target target;
static struct fuse_client *client;
static struct stat before[3];

static const char *const paths[] = { "dir", "dir/file", "dir/link" };

static void start(void)
{
	static const char *const args[] = { "--xattr", "--security-label=auto", "--posix-lock",
					    "--flock", NULL };

	target_start_with(&target, args);
	client = &target.f->client;
	for (size_t i = 0; i < G_N_ELEMENTS(paths); i++)
		before[i] = share_lstat(&target.f->share, paths[i]);
}

/* Neither contents nor attributes of anything have changed. */
static void stop(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
		struct stat now = share_lstat(&target.f->share, paths[i]);

		g_assert_cmpmem(&now.st_mode, sizeof(now.st_mode), &before[i].st_mode,
				sizeof(now.st_mode));
		g_assert_cmpuint(now.st_uid, ==, before[i].st_uid);
		g_assert_cmpuint(now.st_gid, ==, before[i].st_gid);
		g_assert_cmpint(now.st_size, ==, before[i].st_size);
		g_assert_cmpuint(now.st_nlink, ==, before[i].st_nlink);
		g_assert_cmpint(now.st_mtim.tv_sec, ==, before[i].st_mtim.tv_sec);
		g_assert_cmpint(now.st_mtim.tv_nsec, ==, before[i].st_mtim.tv_nsec);
		g_assert_cmpint(now.st_ctim.tv_sec, ==, before[i].st_ctim.tv_sec);
		g_assert_cmpint(now.st_ctim.tv_nsec, ==, before[i].st_ctim.tv_nsec);
	}
	target_stop(&target);
}

/* ---- Names ---- */

struct name_case {
	const char *what;
	int error;
	const char *name; /* NULL: so many letters */
	int length;
};

/* Each call that takes a name, with a name that is none; one that takes two, with each. */
static void try_name(const char *name, int error)
{
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	uint64_t dir = target.dir;

	g_assert_cmpint(fuse_lookup(client, dir, name, &entry), ==, error);
	g_assert_cmpint(fuse_mkdir(client, dir, name, 0755, &entry), ==, error);
	g_assert_cmpint(fuse_mknod(client, dir, name, S_IFREG | 0644, 0, &entry), ==, error);
	g_assert_cmpint(fuse_symlink(client, dir, name, "target", &entry), ==, error);
	g_assert_cmpint(fuse_link(client, target.file, dir, name, &entry), ==, error);
	g_assert_cmpint(fuse_unlink(client, dir, name), ==, error);
	g_assert_cmpint(fuse_rmdir(client, dir, name), ==, error);
	g_assert_cmpint(fuse_rename(client, dir, name, dir, "new"), ==, error);
	g_assert_cmpint(fuse_rename(client, dir, "file", dir, name), ==, error);
	g_assert_cmpint(fuse_rename2(client, dir, name, dir, "new", RENAME_NOREPLACE), ==, error);
	g_assert_cmpint(fuse_rename2(client, dir, "file", dir, name, RENAME_EXCHANGE), ==, error);
	g_assert_cmpint(fuse_create(client, dir, name, S_IFREG | 0644, O_RDWR, &entry, &open), ==,
			error);
}

static void test_name(gconstpointer data)
{
	const struct name_case *name = data;
	g_autofree char *text = name->name ? g_strdup(name->name)
					   : g_strnfill((gsize)name->length, 'n');

	start();
	try_name(text, name->error);
	stop();
}

static void add_names(void)
{
	static const struct name_case cases[] = {
		{ "an empty name", -EINVAL, "" },
		{ "a dot", -EINVAL, "." },
		{ "two dots", -EINVAL, ".." },
		{ "a slash", -EINVAL, "/" },
		{ "a slash within", -EINVAL, "a/b" },
		{ "a slash at the end", -EINVAL, "file/" },
		{ "an absolute name", -EINVAL, "/etc" },
		{ "a climbing name", -EINVAL, "../x" },
		{ "256 bytes", -ENAMETOOLONG, .length = 256 },
		{ "4000 bytes", -ENAMETOOLONG, .length = 4000 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *path = g_strdup_printf("/hostile-values/%s for a name",
							cases[i].what);

		g_test_add_data_func(path, &cases[i], test_name);
	}
}

static void kinds_modes_and_flags_of_new_files(void)
{
	struct fuse_entry_out entry;
	struct fuse_open_out open;

	start();
	g_assert_cmpint(fuse_mknod(client, target.dir, "new", S_IFDIR | 0755, 0, &entry), ==,
			-EPERM);
	g_assert_cmpint(fuse_mknod(client, target.dir, "new", S_IFLNK | 0755, 0, &entry), ==,
			-EINVAL);
	g_assert_cmpint(fuse_mknod(client, target.dir, "new", S_IFMT | 0755, 0, &entry), ==,
			-EINVAL);
	g_assert_cmpint(fuse_create(client, target.file, "new", 0644, O_RDWR, &entry, &open), ==,
			-ENOTDIR);
	g_assert_cmpint(fuse_tmpfile(client, target.dir, 0644, O_RDONLY, &entry, &open), ==,
			-EINVAL);
	g_assert_cmpint(fuse_tmpfile(client, target.file, 0644, O_RDWR, &entry, &open), ==,
			-ENOTDIR);
	g_assert_cmpint(fuse_link(client, target.dir, target.dir, "new", &entry), ==, -EPERM);
	for (uint32_t flags = 8; flags; flags <<= 1)
		g_assert_cmpint(fuse_rename2(client, target.dir, "file", target.dir, "new", flags),
				==, -EINVAL);
	g_assert_cmpint(fuse_rename2(client, target.dir, "file", target.dir, "new",
				     RENAME_EXCHANGE | RENAME_NOREPLACE),
			==, -EINVAL);
	stop();
}

static void opening_what_cannot_be_opened(void)
{
	struct fuse_open_out open;

	start();
	g_assert_cmpint(fuse_open(client, target.dir, O_RDONLY, &open), ==, -EISDIR);
	g_assert_cmpint(fuse_open(client, target.link, O_RDONLY, &open), ==, -ELOOP);
	g_assert_cmpint(fuse_opendir(client, target.file, 0, &open), ==, -ENOTDIR);
	g_assert_cmpint(fuse_release(client, target.dir, target.dir_fh), ==, -EBADF);
	g_assert_cmpint(fuse_releasedir(client, target.file, target.file_fh), ==, -EBADF);
	stop();
}

/* ---- Extensions ---- */

static int mkdir_with(const void *bytes, size_t n, uint16_t total_extlen)
{
	const struct fuse_mkdir_in in = { .mode = 0755 };
	const struct fuse_op op = {
		.opcode = FUSE_MKDIR,
		.nodeid = target.dir,
		.in = { { &in, sizeof(in) }, { "new", 4 }, { bytes, n } },
		.out = NULL,
		.total_extlen = total_extlen,
	};

	return fuse_transact(client, &op);
}

static void extensions_that_overrun(void)
{
	static const uint32_t cases[][6] = {
		{ 0, TEST_FUSE_EXT_GROUPS, 1, 1 },
		{ 7, TEST_FUSE_EXT_GROUPS, 1, 1 },
		{ 8, TEST_FUSE_EXT_GROUPS, 1, 1 },
		{ 11, TEST_FUSE_EXT_GROUPS, 1, 1 },
		{ 13, TEST_FUSE_EXT_GROUPS, 1, 1 },
		{ 16, TEST_FUSE_EXT_GROUPS, 2, 1 },
		{ 25, TEST_FUSE_EXT_GROUPS, 1, 1 },
		{ UINT32_MAX, TEST_FUSE_EXT_GROUPS, 1, 1 },
		{ 16, TEST_FUSE_EXT_GROUPS, UINT32_MAX, 1 },
		{ 24, 1, 8, 0, 0x2e616161, 0x616161 },
		{ 24, 1, 9, 0, 0x00616161, 0 },
		{ 24, 2, 0, 0, 0x00616161, 0 },
		{ 24, 1, 0, 0, 0, 0 },
		{ 12, 1, 0, 0 },
		{ 24, 1, UINT32_MAX, 0, 0x00616161, 0 },
		{ 24, 31, 0, 0, 0x00616161, 0 },
	};

	start();
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("extension %zu", i);
		g_assert_cmpint(mkdir_with(cases[i], 24, 3), ==, -EINVAL);
	}
	g_assert_cmpint(mkdir_with(NULL, 0, 1), ==, -EINVAL);
	g_assert_cmpint(mkdir_with(cases[0], 24, 4), ==, -EINVAL);
	g_assert_cmpint(mkdir_with(cases[0], 24, UINT16_MAX), ==, -EINVAL);
	stop();
}

/* ---- Attributes ---- */

static int setattr(const struct fuse_setattr_in *in, uint64_t nodeid)
{
	struct fuse_attr_out attr;

	return fuse_setattr(client, nodeid, in, &attr);
}

/* The owner and the mode that come along stay as they were, too. */
static void changes_of_which_one_cannot_be(void)
{
	const uint32_t others = FATTR_UID | FATTR_GID | FATTR_MODE | FATTR_MTIME;
	struct fuse_setattr_in in = { .uid = 1000, .gid = 1000, .mode = 0777, .mtime = 5 };

	start();
	in.valid = others | FATTR_SIZE;
	in.size = TOO_FAR;
	g_assert_cmpint(setattr(&in, target.file), ==, -EINVAL);
	in.size = UINT64_MAX;
	g_assert_cmpint(setattr(&in, target.file), ==, -EINVAL);
	in.size = 0;
	g_assert_cmpint(setattr(&in, target.dir), ==, -EISDIR);
	g_assert_cmpint(setattr(&in, target.link), ==, -EINVAL);
	in.valid |= FATTR_FH;
	in.fh = target.dir_fh;
	g_assert_cmpint(setattr(&in, target.dir), ==, -EISDIR);
	g_assert_cmpint(setattr(&in, target.file), ==, -EBADF);
	in.valid = others;
	in.mtimensec = 1000000000;
	g_assert_cmpint(setattr(&in, target.file), ==, -EINVAL);
	in.mtimensec = UINT32_MAX;
	g_assert_cmpint(setattr(&in, target.file), ==, -EINVAL);
	stop();
}

static void questions_with_unknown_bits(void)
{
	start();
	for (uint32_t mask = 8; mask; mask <<= 1)
		g_assert_cmpint(fuse_access(client, target.file, mask), ==, -EINVAL);
	stop();
}

static int setxattr(const char *name, uint32_t size, uint32_t sent, uint32_t flags)
{
	static const uint8_t zeros[4096];
	const struct fuse_setxattr_in in = { .size = size, .flags = flags };
	const struct fuse_op op = {
		.opcode = FUSE_SETXATTR,
		.nodeid = target.file,
		.in = { { &in, sizeof(in) }, { name, strlen(name) + 1 }, { zeros, sent } },
	};

	return fuse_transact(client, &op);
}

static void extended_attributes_beyond_limits(void)
{
	g_autofree char *n256 = g_strdup_printf("user.%0251d", 0);
	char value[8];

	start();
	g_assert_cmpint(setxattr("user.a", 65537, 4096, 0), ==, -E2BIG);
	g_assert_cmpint(setxattr("user.a", UINT32_MAX, 4096, 0), ==, -E2BIG);
	g_assert_cmpint(setxattr("user.a", 65536, 4096, 0), ==, -EINVAL);
	g_assert_cmpint(setxattr("user.a", 5, 4, 0), ==, -EINVAL);
	g_assert_cmpint(setxattr("user.a", 4, 4, 4), ==, -EINVAL);
	g_assert_cmpint(setxattr("user.a", 4, 4, UINT32_MAX), ==, -EINVAL);
	g_assert_cmpint(setxattr("", 4, 4, 0), ==, -ERANGE);
	g_assert_cmpint(setxattr(n256, 4, 4, 0), ==, -ERANGE);
	g_assert_cmpint(fuse_getxattr(client, target.file, "", value, 8), ==, -ERANGE);
	g_assert_cmpint(fuse_getxattr(client, target.file, n256, value, 8), ==, -ERANGE);
	g_assert_cmpint(fuse_removexattr(client, target.file, ""), ==, -ERANGE);
	g_assert_cmpint(fuse_removexattr(client, target.file, n256), ==, -ERANGE);
	stop();
}

/* ---- Open files ---- */

static void offsets_lengths_and_modes_beyond_limits(void)
{
	static uint8_t bytes[64];
	uint64_t fh, place;

	start();
	fh = target.file_fh;
	g_assert_cmpint(fuse_read(client, target.file, fh, TOO_FAR, 64, bytes), ==, -EINVAL);
	g_assert_cmpint(fuse_read(client, target.file, fh, UINT64_MAX, 64, bytes), ==, -EINVAL);
	g_assert_cmpint(fuse_write(client, target.file, fh, TOO_FAR, 64, bytes, 0), ==, -EINVAL);
	g_assert_cmpint(fuse_write(client, target.file, fh, UINT64_MAX, 64, bytes, 0), ==, -EINVAL);
	g_assert_cmpint(fuse_write(client, target.file, fh, INT64_MAX, 64, bytes, 0), <, 0);
	g_assert_cmpint(fuse_fallocate(client, target.file, fh, TOO_FAR, 1, 0), ==, -EINVAL);
	g_assert_cmpint(fuse_fallocate(client, target.file, fh, 0, TOO_FAR, 0), ==, -EINVAL);
	g_assert_cmpint(fuse_fallocate(client, target.file, fh, 0, 0, 0), ==, -EINVAL);
	g_assert_cmpint(fuse_fallocate(client, target.file, fh, INT64_MAX, 9, 0), ==, -EFBIG);
	g_assert_cmpint(fuse_fallocate(client, target.file, fh, 0, 1, TOO_FAR >> 32), ==, -EINVAL);
	g_assert_cmpint(fuse_fallocate(client, target.file, fh, 0, 1, 1 << 20), ==, -EOPNOTSUPP);
	g_assert_cmpint(fuse_fallocate(client, target.file, fh, 0, 1, FALLOC_FL_PUNCH_HOLE), ==,
			-EOPNOTSUPP);
	g_assert_cmpint(fuse_lseek(client, target.file, fh, 0, 5, &place), ==, -EINVAL);
	g_assert_cmpint(fuse_lseek(client, target.file, fh, 0, UINT32_MAX, &place), ==, -EINVAL);
	g_assert_cmpint(fuse_lseek(client, target.file, fh, UINT64_MAX, SEEK_DATA, &place), ==,
			-ENXIO);
	g_assert_cmpint(fuse_readdir(client, target.dir, target.dir_fh, 0, 16, bytes, false), ==,
			-EINVAL);
	g_assert_cmpint(fuse_readdir(client, target.dir, target.dir_fh, 0, 16, bytes, true), ==,
			-EINVAL);
	stop();
}

static int write_claiming(uint32_t size)
{
	const struct fuse_write_in in = { .fh = target.file_fh, .size = size };
	struct fuse_write_out out;
	const struct fuse_op op = {
		.opcode = FUSE_WRITE,
		.nodeid = target.file,
		.in = { { &in, sizeof(in) }, { "intruder", 8 } },
		.out = &out,
		.out_len = sizeof(out),
	};

	return fuse_transact(client, &op);
}

static void writes_that_claim_more_than_they_bring(void)
{
	start();
	g_assert_cmpint(write_claiming(9), ==, -EINVAL);
	g_assert_cmpint(write_claiming((1 << 20) + 1), ==, -EINVAL);
	g_assert_cmpint(write_claiming(UINT32_MAX), ==, -EINVAL);
	stop();
}

static int64_t copy(uint64_t off_in, uint64_t off_out, uint64_t len, uint64_t flags, bool wide)
{
	const struct fuse_copy_file_range_in in = {
		.fh_in = target.file_fh,
		.off_in = off_in,
		.nodeid_out = target.file,
		.fh_out = target.file_fh,
		.off_out = off_out,
		.len = len,
		.flags = flags,
	};

	return wide ? fuse_copy_file_range_64(client, &in, target.file)
		    : fuse_copy_file_range(client, &in, target.file);
}

static void copies_that_cannot_be(void)
{
	start();
	for (int wide = 0; wide < 2; wide++) {
		g_assert_cmpint(copy(TOO_FAR, 100, 4, 0, wide), ==, -EINVAL);
		g_assert_cmpint(copy(0, TOO_FAR, 4, 0, wide), ==, -EINVAL);
		g_assert_cmpint(copy(0, 100, 4, 1, wide), ==, -EINVAL);
		g_assert_cmpint(copy(0, 100, 4, TOO_FAR, wide), ==, -EINVAL);
		g_assert_cmpint(copy(0, 1, 4, 0, wide), ==, -EINVAL); /* onto itself */
		g_assert_cmpint(copy(0, INT64_MAX - 1, 4, 0, wide), <, 0);
	}
	stop();
}

/* ---- Locks and ioctl ---- */

static int lock(uint32_t opcode, uint64_t from, uint64_t to, uint32_t type, uint32_t flags)
{
	const struct fuse_lk_in in = {
		.fh = target.file_fh,
		.owner = 1,
		.lk = { .start = from, .end = to, .type = type },
		.lk_flags = flags,
	};
	struct fuse_lk_out out;

	return fuse_lock(client, opcode, target.file, &in, opcode == FUSE_GETLK ? &out : NULL);
}

static void lock_ranges_that_wrap(void)
{
	static const uint32_t opcodes[] = { FUSE_GETLK, FUSE_SETLK, FUSE_SETLKW };

	start();
	for (size_t i = 0; i < G_N_ELEMENTS(opcodes); i++) {
		g_assert_cmpint(lock(opcodes[i], 5, 4, F_WRLCK, 0), ==, -EINVAL);
		g_assert_cmpint(lock(opcodes[i], UINT64_MAX, 0, F_WRLCK, 0), ==, -EINVAL);
		g_assert_cmpint(lock(opcodes[i], TOO_FAR, TOO_FAR, F_WRLCK, 0), ==, -EINVAL);
		g_assert_cmpint(lock(opcodes[i], 0, TOO_FAR, F_WRLCK, 0), ==, -EOVERFLOW);
		g_assert_cmpint(lock(opcodes[i], 0, UINT64_MAX, F_WRLCK, 0), ==, -EOVERFLOW);
		g_assert_cmpint(lock(opcodes[i], 0, 1, 3, 0), ==, -EINVAL);
		g_assert_cmpint(lock(opcodes[i], 0, 1, UINT32_MAX, 0), ==, -EINVAL);
		g_assert_cmpint(lock(opcodes[i], 0, 1, 77, FUSE_LK_FLOCK), ==, -EINVAL);
	}
	g_assert_cmpint(lock(FUSE_GETLK, 0, 1, F_WRLCK, FUSE_LK_FLOCK), ==, -EINVAL);
	stop();
}

static int ioctl_with(uint32_t command, uint32_t in_size, uint32_t sent, uint32_t out_size)
{
	static const uint8_t zeros[256];
	const struct fuse_ioctl_in in = {
		.fh = target.file_fh, .cmd = command, .in_size = in_size, .out_size = out_size
	};
	uint8_t reply[4096];
	const struct fuse_op op = {
		.opcode = FUSE_IOCTL,
		.nodeid = target.file,
		.in = { { &in, sizeof(in) }, { zeros, sent } },
		.out = reply,
		.out_len = sizeof(reply),
		.variable = true,
	};

	return fuse_transact(client, &op);
}

static void ioctl_sizes_that_lie(void)
{
	start();
	g_assert_cmpint(ioctl_with(FS_IOC_SETFLAGS, 5, 4, 0), ==, -EINVAL);
	g_assert_cmpint(ioctl_with(FS_IOC_SETFLAGS, 3, 4, 0), ==, -EINVAL);
	g_assert_cmpint(ioctl_with(FS_IOC_SETFLAGS, 0, 4, 0), ==, -EINVAL);
	g_assert_cmpint(ioctl_with(FS_IOC_SETFLAGS, UINT32_MAX, 4, 0), ==, -EINVAL);
	g_assert_cmpint(ioctl_with(FS_IOC_GETFLAGS, 0, 0, 0), ==, -EINVAL);
	g_assert_cmpint(ioctl_with(FS_IOC_GETFLAGS, 0, 0, UINT32_MAX), ==, -EINVAL);
	g_assert_cmpint(ioctl_with(FS_IOC_FSGETXATTR, 0, 0, 27), ==, -EINVAL);
	g_assert_cmpint(ioctl_with(FS_IOC_FSSETXATTR, 27, 64, 0), ==, -EINVAL);
	g_assert_cmpint(ioctl_with(UINT32_MAX, 0, 0, UINT32_MAX), ==, -ENOTTY);
	stop();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add_names();
	g_test_add_func("/hostile-values/kinds, modes and flags of new files",
			kinds_modes_and_flags_of_new_files);
	g_test_add_func("/hostile-values/opening what cannot be opened",
			opening_what_cannot_be_opened);
	g_test_add_func("/hostile-values/extensions that overrun", extensions_that_overrun);
	g_test_add_func("/hostile-values/changes of which one cannot be",
			changes_of_which_one_cannot_be);
	g_test_add_func("/hostile-values/questions with unknown bits", questions_with_unknown_bits);
	g_test_add_func("/hostile-values/extended attributes beyond limits",
			extended_attributes_beyond_limits);
	g_test_add_func("/hostile-values/offsets, lengths and modes beyond limits",
			offsets_lengths_and_modes_beyond_limits);
	g_test_add_func("/hostile-values/writes that claim more than they bring",
			writes_that_claim_more_than_they_bring);
	g_test_add_func("/hostile-values/copies that cannot be", copies_that_cannot_be);
	g_test_add_func("/hostile-values/lock ranges that wrap", lock_ranges_that_wrap);
	g_test_add_func("/hostile-values/ioctl sizes that lie", ioctl_sizes_that_lie);
	return g_test_run();
}
