/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attempts to get at what is outside by numbers: nodes of special files and links, made-up and
 * worn-out node and handle numbers. Each test says which published mistake it stands for.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "tests/component/escape.h"
#include "tests/component/stores.h"
#include "tests/lib/bounded.h"

static const char *const args[] = { "--xattr", NULL };
static const char *const exclusive[] = { "--exclusive", NULL };

/* ---- Special files ---- */

/* With the handle number that a guest would use that was told to open nothing, and wrong ones. */
static void try_handles_of(struct escape *e, uint64_t node)
{
	static const uint64_t fhs[] = { 0, 1, 1ULL << 63, UINT64_MAX };
	struct fuse_copy_file_range_in copy = { .nodeid_out = node, .len = 64 };
	uint64_t file = fuse_node(e->c, "file"), offset;
	uint8_t bytes[512];
	int32_t result;

	for (size_t i = 0; i < G_N_ELEMENTS(fhs); i++) {
		g_assert_cmpint(fuse_read(e->c, node, fhs[i], 0, 64, bytes), <, 0);
		g_assert_cmpint(fuse_write(e->c, node, fhs[i], 0, 4, "text", 0), <, 0);
		g_assert_cmpint(fuse_fallocate(e->c, node, fhs[i], 0, 64, 0), <, 0);
		g_assert_cmpint(fuse_lseek(e->c, node, fhs[i], 0, SEEK_DATA, &offset), <, 0);
		g_assert_cmpint(fuse_readdir(e->c, node, fhs[i], 0, 512, bytes, true), <, 0);
		g_assert_cmpint(fuse_ioctl(e->c, node, fhs[i], FS_IOC_GETFLAGS, NULL, 0, bytes, 4,
					   false, &result),
				<, 0);
		copy.fh_in = copy.fh_out = fhs[i];
		g_assert_cmpint((int)fuse_copy_file_range(e->c, &copy, node), <, 0);
		g_assert_cmpint((int)fuse_copy_file_range(e->c, &copy, file), <, 0);
	}
}

static void try_special(struct escape *e, const char *name, uint64_t node)
{
	static const uint32_t modes[] = { O_RDONLY, O_WRONLY, O_RDWR, 3 };
	const struct fuse_setattr_in cut = { .valid = FATTR_SIZE };
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	struct fuse_attr_out attr;

	g_test_message("%s", name);
	for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
		g_assert_cmpint(fuse_open(e->c, node, modes[i], &open), <, 0);
		g_assert_cmpint(fuse_open(e->c, node, modes[i] | O_TRUNC, &open), <, 0);
		g_assert_cmpint(fuse_open(e->c, node, modes[i] | O_NONBLOCK, &open), <, 0);
		g_assert_cmpint(fuse_opendir(e->c, node, modes[i], &open), <, 0);
		g_assert_cmpint(
			fuse_create(e->c, FUSE_ROOT_ID, name, 0666, modes[i], &entry, &open), <, 0);
	}
	g_assert_cmpint(fuse_setattr(e->c, node, &cut, &attr), <, 0);
	g_assert_cmpint(fuse_tmpfile(e->c, node, 0666, O_RDWR, &entry, &open), <, 0);
	g_assert_cmpint(fuse_lookup(e->c, node, "any", &entry), <, 0);
	try_handles_of(e, node);
	escape_check(e);
}

static void try_all_specials(const char *const *these_args)
{
	struct escape e;

	escape_start(&e, these_args);
	for (const char *const *name = escape_specials; *name; name++)
		try_special(&e, *name, fuse_node(e.c, *name));
	for (const char *const *name = escape_links; *name; name++)
		try_special(&e, *name, fuse_node(e.c, *name));
	escape_stop(&e);
}

static void test_specials(void)
{
	try_all_specials(args);
}

static void test_specials_without_opening(void)
{
	try_all_specials(exclusive);
}

/* A file behind a block device, which only its node in the share leads to. */
static char *attach_secret(const struct escape *e)
{
	const char *command[] = { "losetup", "--find", "--show", escape_path(e, "secret"), NULL };
	char *device = NULL;
	int status;

	if (!g_spawn_sync(NULL, (char **)(uintptr_t)command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
			  &device, NULL, &status, NULL) ||
	    status)
		test_die("losetup");
	return g_strstrip(device);
}

static void test_devices(void)
{
	g_autofree char *device = NULL;
	struct fuse_entry_out entry;
	struct escape e;
	struct stat st;
	int made;

	escape_start(&e, args);
	device = attach_secret(&e);
	g_assert_cmpint(stat(device, &st), ==, 0);
	share_mknod(&e.f->share, "blk", S_IFBLK | 0666, st.st_rdev);
	try_special(&e, "blk", fuse_node(e.c, "blk"));
	/* The guest's own root makes one. */
	made = fuse_mknod(e.c, FUSE_ROOT_ID, "made", S_IFBLK | 0666,
			  minor(st.st_rdev) | major(st.st_rdev) << 8, &entry);
	g_assert_cmpint(made, ==, 0);
	g_assert_cmpuint(share_lstat(&e.f->share, "made").st_rdev, ==, st.st_rdev);
	try_special(&e, "made", entry.nodeid);
	store_run("losetup --detach %s", device);
	escape_stop(&e);
}

/* ---- Flags of open(2) ---- */

/* Bits as Linux numbers them on x86, which is how guests send them. */
static void try_flags(struct escape *e, const char *name, uint32_t flags)
{
	uint64_t node = fuse_node(e->c, name);
	bool regular = S_ISREG(share_lstat(&e->f->share, name).st_mode);
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	uint8_t bytes[64];
	int n;

	if (fuse_open(e->c, node, flags, &open) == 0) {
		g_assert_true(regular);
		n = fuse_read(e->c, node, open.fh, 0, sizeof(bytes), bytes);
		g_assert_true(n <= 0 || n == 8 || n == 20);
		g_assert_cmpint(fuse_release(e->c, node, open.fh), ==, 0);
	}
	if (fuse_opendir(e->c, node, flags, &open) == 0) {
		g_assert_true(S_ISDIR(share_lstat(&e->f->share, name).st_mode));
		g_assert_cmpint(fuse_releasedir(e->c, node, open.fh), ==, 0);
	}
	if (fuse_create(e->c, FUSE_ROOT_ID, name, 0666, flags, &entry, &open) == 0) {
		g_assert_true(regular);
		g_assert_cmpint(fuse_release(e->c, entry.nodeid, open.fh), ==, 0);
	}
}

static void test_flags(void)
{
	const uint32_t combined[] = { O_PATH,
				      O_PATH | O_NOFOLLOW,
				      O_PATH | O_DIRECTORY,
				      O_DIRECTORY | O_CREAT,
				      O_TMPFILE | O_RDWR,
				      O_CREAT | O_EXCL | O_TRUNC,
				      O_ASYNC | O_NONBLOCK,
				      UINT32_MAX };
	static const char *const names[] = { "file",	  "dir",    "fifo",    "sock",	"chr",
					     "to-secret", "to-dir", "to-root", "to-fds" };
	struct escape e;

	escape_start(&e, args);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		for (uint32_t bit = 1; bit; bit <<= 1)
			try_flags(&e, names[i], bit);
		for (size_t k = 0; k < G_N_ELEMENTS(combined); k++)
			try_flags(&e, names[i], combined[k]);
		escape_check(&e);
	}
	escape_stop(&e);
}

/* ---- Numbers ---- */

static bool is_inode_of_share(const struct escape *e, uint64_t ino)
{
	static const char *const names[] = { "",	  "file",   "dir",     "dir/file",
					     "fifo",	  "sock",   "chr",     "to-secret",
					     "up-secret", "to-dir", "to-root", "to-fds" };

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (share_lstat(&e->f->share, names[i]).st_ino == ino)
			return true;
	return false;
}

static void test_forged_nodes(void)
{
	struct fuse_entry_out entry;
	struct fuse_attr_out attr;
	struct escape e;
	unsigned int found = 0;
	uint64_t known;

	escape_start(&e, args);
	known = fuse_node(e.c, "dir/file");
	for (uint64_t high = 0; high < 4; high++)
		for (uint64_t low = 0; low < 512; low++) {
			uint64_t node = low | high << 32;

			g_assert_cmpint(fuse_lookup(e.c, node, "..", &entry), <, 0);
			if (fuse_getattr(e.c, node, UINT64_MAX, &attr))
				continue;
			g_assert_true(is_inode_of_share(&e, attr.attr.ino));
			found++;
		}
	g_assert_cmpuint(found, <=, 4); /* what was looked up, and the root */
	for (unsigned int bit = 0; bit < 64; bit++)
		if (fuse_getattr(e.c, known ^ UINT64_C(1) << bit, UINT64_MAX, &attr) == 0)
			g_assert_true(is_inode_of_share(&e, attr.attr.ino));
	escape_stop(&e);
}

static void test_forged_handles(void)
{
	struct fuse_open_out open;
	struct escape e;
	uint64_t node;
	uint8_t bytes[512];

	escape_start(&e, args);
	node = fuse_node(e.c, "file");
	g_assert_cmpint(fuse_open(e.c, node, O_RDWR, &open), ==, 0);
	for (uint64_t high = 0; high < 4; high++)
		for (uint64_t low = 0; low < 256; low++) {
			uint64_t fh = low | high << 32;

			if (fh == open.fh)
				continue;
			g_assert_cmpint(fuse_read(e.c, node, fh, 0, 64, bytes), <, 0);
			g_assert_cmpint(fuse_write(e.c, node, fh, 0, 1, "x", 0), <, 0);
			g_assert_cmpint(fuse_readdir(e.c, node, fh, 0, 512, bytes, true), <, 0);
			g_assert_cmpint(fuse_release(e.c, node, fh), <, 0);
		}
	escape_stop(&e);
}

/* A number is not given to another file while somebody may still use it. */
static void test_worn_out_numbers(void)
{
	struct fuse_entry_out entry;
	struct fuse_open_out open, other;
	struct fuse_attr_out attr;
	uint64_t old, old_fh;
	struct escape e;
	uint8_t bytes[64];

	escape_start(&e, args);
	g_assert_cmpint(fuse_create(e.c, FUSE_ROOT_ID, "old", 0600, O_RDWR, &entry, &open), ==, 0);
	old = entry.nodeid;
	old_fh = open.fh;
	g_assert_cmpint(fuse_release(e.c, old, old_fh), ==, 0);
	g_assert_cmpint(fuse_unlink(e.c, FUSE_ROOT_ID, "old"), ==, 0);
	fuse_forget(e.c, old, 1);
	for (unsigned int i = 0; i < 300; i++) {
		g_autofree char *name = g_strdup_printf("new-%u", i);

		g_assert_cmpint(fuse_create(e.c, FUSE_ROOT_ID, name, 0600, O_RDWR, &entry, &other),
				==, 0);
		g_assert_cmpint(fuse_getattr(e.c, old, UINT64_MAX, &attr), ==, -ESTALE);
		g_assert_cmpint(fuse_read(e.c, entry.nodeid, old_fh, 0, 64, bytes), <, 0);
		g_assert_cmpint(fuse_release(e.c, entry.nodeid, other.fh), ==, 0);
		fuse_forget(e.c, entry.nodeid, 1);
	}
	escape_stop(&e);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/escape-nodes/CVE-2020-35517 special files and links are not opened",
			test_specials);
	g_test_add_func("/escape-nodes/CVE-2023-2861 nor where the guest sends no OPEN",
			test_specials_without_opening);
	g_test_add_func("/escape-nodes/CVE-2020-35517 nor are devices the guest has made",
			test_devices);
	g_test_add_func("/escape-nodes/flags of open(2) that no file system should see",
			test_flags);
	g_test_add_func("/escape-nodes/made-up node numbers lead nowhere", test_forged_nodes);
	g_test_add_func("/escape-nodes/CVE-2018-19364 made-up handle numbers lead nowhere",
			test_forged_handles);
	g_test_add_func("/escape-nodes/CVE-2021-20181 worn-out numbers lead nowhere",
			test_worn_out_numbers);
	return g_test_run();
}
