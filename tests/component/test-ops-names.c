/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on names do on the host what they say, and the reply tells what is
 * there: LOOKUP, MKDIR, MKNOD, SYMLINK, READLINK, LINK, UNLINK, RMDIR, RENAME.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/component/fixture.h"

static void populate(const struct share *share)
{
	share_mkdir(share, "dir", 0750);
	share_write_text(share, "dir/file", "text");
	share_write_text(share, "other", "other text");
	share_symlink(share, "link", "dir/file");
	share_mknod(share, "fifo", S_IFIFO | 0644, 0);
}

static struct fixture *start(void)
{
	struct fixture_config config = { .populate = populate };

	return fixture_start(&config);
}

/* The attributes of the reply equal the host's. */
static void check_attr(const struct fixture *f, const char *name, const struct fuse_attr *attr)
{
	struct stat st = share_lstat(&f->share, name);

	g_assert_cmpuint(attr->ino, ==, st.st_ino);
	g_assert_cmpuint(attr->mode, ==, st.st_mode);
	g_assert_cmpuint(attr->size, ==, st.st_size);
	g_assert_cmpuint(attr->blocks, ==, st.st_blocks);
	g_assert_cmpuint(attr->nlink, ==, st.st_nlink);
	g_assert_cmpuint(attr->uid, ==, st.st_uid);
	g_assert_cmpuint(attr->gid, ==, st.st_gid);
	g_assert_cmpuint(attr->mtime, ==, st.st_mtim.tv_sec);
	g_assert_cmpuint(attr->mtimensec, ==, st.st_mtim.tv_nsec);
	g_assert_cmpuint(attr->blksize, ==, st.st_blksize);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		g_assert_cmpuint(attr->rdev, ==, st.st_rdev);
}

static void test_lookup(void)
{
	static const char *const names[] = { "dir", "dir/file", "other", "link", "fifo" };
	struct fixture *f = start();
	struct fuse_entry_out entry;

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		g_assert_cmpint(fuse_walk(&f->client, names[i], &entry), ==, 0);
		check_attr(f, names[i], &entry.attr);
		g_assert_cmpuint(entry.nodeid, !=, FUSE_ROOT_ID);
	}
	g_assert_cmpint(fuse_walk(&f->client, "absent", &entry), ==, -ENOENT);
	g_assert_cmpint(fuse_walk(&f->client, "dir/absent", &entry), ==, -ENOENT);
	g_assert_cmpint(fuse_walk(&f->client, "other/x", &entry), ==, -ENOTDIR);
	fixture_stop(f);
}

static void test_one_node_per_file(void)
{
	struct fixture *f = start();
	struct fuse_entry_out first, second, linked;
	uint64_t dir = fuse_node(&f->client, "dir");

	g_assert_cmpint(fuse_lookup(&f->client, dir, "file", &first), ==, 0);
	g_assert_cmpint(fuse_lookup(&f->client, dir, "file", &second), ==, 0);
	g_assert_cmpuint(first.nodeid, ==, second.nodeid);
	g_assert_cmpuint(first.generation, ==, second.generation);
	/* A hard link is the same node. */
	g_assert_cmpint(fuse_link(&f->client, first.nodeid, FUSE_ROOT_ID, "hard", &linked), ==, 0);
	g_assert_cmpuint(linked.nodeid, ==, first.nodeid);
	g_assert_cmpuint(linked.attr.nlink, ==, 2);
	check_attr(f, "hard", &linked.attr);
	fixture_stop(f);
}

static void test_replaced_file_is_another_node(void)
{
	struct fixture *f = start();
	struct fuse_entry_out before, after;

	g_assert_cmpint(fuse_walk(&f->client, "other", &before), ==, 0);
	share_write_text(&f->share, "new", "new text");
	g_assert_cmpint(rename(share_path(&f->share, "new"), share_path(&f->share, "other")), ==,
			0);
	g_assert_cmpint(fuse_walk(&f->client, "other", &after), ==, 0);
	g_assert_cmpuint(after.nodeid, !=, before.nodeid);
	check_attr(f, "other", &after.attr);
	fixture_stop(f);
}

static void test_counts(void)
{
	struct fixture *f = start();
	struct fuse_entry_out entry;
	struct fuse_attr_out attr;

	for (int i = 0; i < 5; i++)
		g_assert_cmpint(fuse_walk(&f->client, "other", &entry), ==, 0);
	fuse_forget(&f->client, entry.nodeid, 3);
	fuse_forget(&f->client, entry.nodeid, 1);
	g_assert_cmpint(fuse_getattr(&f->client, entry.nodeid, UINT64_MAX, &attr), ==, 0);
	fuse_batch_forget(&f->client, &(struct fuse_forget_one){ entry.nodeid, 1 }, 1);
	g_assert_cmpint(fuse_getattr(&f->client, entry.nodeid, UINT64_MAX, &attr), ==, -ESTALE);
	fixture_stop(f);
}

static void test_forget_frees(void)
{
	struct fixture *f = start();
	unsigned int before, after;
	struct fuse_entry_out entry;

	for (int i = 0; i < 300; i++) {
		g_autofree char *name = g_strdup_printf("f%d", i);

		share_write_text(&f->share, name, "x");
	}
	before = daemon_n_fds(f->daemon);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 300; i++) {
			g_autofree char *name = g_strdup_printf("f%d", i);

			g_assert_cmpint(fuse_walk(&f->client, name, &entry), ==, 0);
			fuse_forget(&f->client, entry.nodeid, 1);
		}
	after = daemon_n_fds(f->daemon);
	g_assert_cmpuint(after, <=, before + 2);
	fixture_stop(f);
}

static void test_mkdir_rmdir(void)
{
	struct fixture *f = start();
	struct fuse_entry_out entry;

	g_assert_cmpint(fuse_mkdir(&f->client, FUSE_ROOT_ID, "new", 0711, &entry), ==, 0);
	check_attr(f, "new", &entry.attr);
	g_assert_cmpuint(entry.attr.mode, ==, S_IFDIR | 0711);
	g_assert_cmpint(fuse_mkdir(&f->client, FUSE_ROOT_ID, "new", 0711, &entry), ==, -EEXIST);
	g_assert_cmpint(fuse_mkdir(&f->client, entry.nodeid, "in", 0755, &entry), ==, 0);
	g_assert_cmpint(fuse_rmdir(&f->client, FUSE_ROOT_ID, "new"), ==, -ENOTEMPTY);
	g_assert_cmpint(fuse_rmdir(&f->client, fuse_node(&f->client, "new"), "in"), ==, 0);
	g_assert_cmpint(fuse_unlink(&f->client, FUSE_ROOT_ID, "new"), ==, -EISDIR);
	g_assert_cmpint(fuse_rmdir(&f->client, FUSE_ROOT_ID, "new"), ==, 0);
	g_assert_false(share_exists(&f->share, "new"));
	g_assert_cmpint(fuse_rmdir(&f->client, FUSE_ROOT_ID, "new"), ==, -ENOENT);
	fixture_stop(f);
}

static void test_mknod(void)
{
	static const struct {
		const char *name;
		uint32_t mode;
		unsigned int major, minor;
	} nodes[] = {
		{ "reg", S_IFREG | 0640, 0, 0 },   { "fifo2", S_IFIFO | 0600, 0, 0 },
		{ "sock", S_IFSOCK | 0644, 0, 0 }, { "chr", S_IFCHR | 0666, 1, 3 },
		{ "blk", S_IFBLK | 0600, 7, 300 },
	};
	struct fixture *f = start();

	for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++) {
		struct fuse_entry_out entry;
		/* The wire form is the kernel's 32-bit dev_t encoding. */
		uint32_t rdev = (nodes[i].minor & 0xff) | nodes[i].major << 8 |
				(nodes[i].minor & ~0xffu) << 12;

		g_assert_cmpint(fuse_mknod(&f->client, FUSE_ROOT_ID, nodes[i].name, nodes[i].mode,
					   rdev, &entry),
				==, 0);
		check_attr(f, nodes[i].name, &entry.attr);
		g_assert_cmpuint(entry.attr.mode, ==, nodes[i].mode);
	}
	g_assert_cmpuint(minor(share_lstat(&f->share, "blk").st_rdev), ==, 300);
	fixture_stop(f);
}

static void test_symlink_readlink(void)
{
	struct fixture *f = start();
	struct fuse_entry_out entry;
	char target[64], host[64];

	g_assert_cmpint(fuse_symlink(&f->client, FUSE_ROOT_ID, "s", "some/where", &entry), ==, 0);
	check_attr(f, "s", &entry.attr);
	g_assert_cmpint(readlink(share_path(&f->share, "s"), host, sizeof(host)), ==, 10);
	g_assert_cmpmem(host, 10, "some/where", 10);
	g_assert_cmpint(fuse_readlink(&f->client, entry.nodeid, target, sizeof(target)), ==, 10);
	g_assert_cmpstr(target, ==, "some/where");
	g_assert_cmpint(
		fuse_readlink(&f->client, fuse_node(&f->client, "other"), target, sizeof(target)),
		==, -EINVAL);
	fixture_stop(f);
}

static void test_unlink(void)
{
	struct fixture *f = start();
	struct fuse_open_out open;
	struct fuse_attr_out attr;
	uint64_t node = fuse_node(&f->client, "other");
	char text[16];

	/* An open file without a name goes on, by handle and by node. */
	g_assert_cmpint(fuse_open(&f->client, node, O_RDWR, &open), ==, 0);
	g_assert_cmpint(fuse_unlink(&f->client, FUSE_ROOT_ID, "other"), ==, 0);
	g_assert_false(share_exists(&f->share, "other"));
	g_assert_cmpint(fuse_read(&f->client, node, open.fh, 0, sizeof(text), text), ==, 10);
	g_assert_cmpint(fuse_getattr(&f->client, node, open.fh, &attr), ==, 0);
	g_assert_cmpuint(attr.attr.nlink, ==, 0);
	/* A name that was never looked up can be removed as well. */
	g_assert_cmpint(fuse_unlink(&f->client, FUSE_ROOT_ID, "link"), ==, 0);
	g_assert_cmpint(fuse_unlink(&f->client, FUSE_ROOT_ID, "link"), ==, -ENOENT);
	g_assert_cmpint(fuse_rmdir(&f->client, FUSE_ROOT_ID, "fifo"), ==, -ENOTDIR);
	fixture_stop(f);
}

static void test_rename(void)
{
	struct fixture *f = start();
	uint64_t dir = fuse_node(&f->client, "dir");
	uint64_t file = fuse_node(&f->client, "dir/file");
	g_autofree char *text = NULL;

	g_assert_cmpint(fuse_rename(&f->client, dir, "file", FUSE_ROOT_ID, "moved"), ==, 0);
	g_assert_false(share_exists(&f->share, "dir/file"));
	g_assert_cmpuint(fuse_node(&f->client, "moved"), ==, file);
	/* Over an existing file. */
	g_assert_cmpint(fuse_rename(&f->client, FUSE_ROOT_ID, "moved", FUSE_ROOT_ID, "other"), ==,
			0);
	text = share_read(&f->share, "other", NULL);
	g_assert_cmpstr(text, ==, "text");
	g_assert_cmpint(fuse_rename(&f->client, FUSE_ROOT_ID, "absent", dir, "x"), ==, -ENOENT);
	g_assert_cmpint(fuse_rename(&f->client, FUSE_ROOT_ID, "dir", dir, "x"), ==, -EINVAL);
	fixture_stop(f);
}

static void test_rename2(void)
{
	struct fixture *f = start();
	uint64_t dir = fuse_node(&f->client, "dir");
	g_autofree char *text = NULL;

	g_assert_cmpint(
		fuse_rename2(&f->client, dir, "file", FUSE_ROOT_ID, "other", RENAME_NOREPLACE), ==,
		-EEXIST);
	g_assert_cmpint(
		fuse_rename2(&f->client, dir, "file", FUSE_ROOT_ID, "other", RENAME_EXCHANGE), ==,
		0);
	text = share_read(&f->share, "dir/file", NULL);
	g_assert_cmpstr(text, ==, "other text");
	g_assert_cmpint(fuse_rename2(&f->client, dir, "file", dir, "fresh", RENAME_NOREPLACE), ==,
			0);
	g_assert_true(share_exists(&f->share, "dir/fresh"));
	g_assert_cmpint(fuse_rename2(&f->client, dir, "fresh", dir, "left", RENAME_WHITEOUT), ==,
			0);
	g_assert_true(S_ISCHR(share_lstat(&f->share, "dir/fresh").st_mode));
	g_assert_cmpint(fuse_rename2(&f->client, dir, "left", dir, "x", 0xff00), ==, -EINVAL);
	fixture_stop(f);
}

static void test_special_files_are_not_opened(void)
{
	static const char *const names[] = { "fifo", "chr", "sock", "link" };
	struct fixture *f = start();
	struct fuse_entry_out entry;
	struct fuse_open_out open;

	share_mknod(&f->share, "chr", S_IFCHR | 0666, makedev(1, 5)); /* /dev/zero */
	share_mknod(&f->share, "sock", S_IFSOCK | 0666, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		uint64_t node = fuse_node(&f->client, names[i]);

		g_assert_cmpint(fuse_open(&f->client, node, O_RDONLY, &open), <, 0);
		g_assert_cmpint(fuse_open(&f->client, node, O_RDWR, &open), <, 0);
		g_assert_cmpint(fuse_opendir(&f->client, node, 0, &open), <, 0);
		/* CREATE without O_EXCL must not open what is there either. */
		g_assert_cmpint(fuse_create(&f->client, FUSE_ROOT_ID, names[i], 0644, O_RDWR,
					    &entry, &open),
				<, 0);
	}
	fixture_stop(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ops-names/lookup-tells-what-is-there", test_lookup);
	g_test_add_func("/ops-names/one-file-is-one-node", test_one_node_per_file);
	g_test_add_func("/ops-names/a-replaced-file-is-another-node",
			test_replaced_file_is_another_node);
	g_test_add_func("/ops-names/lookups-and-forgets-are-counted", test_counts);
	g_test_add_func("/ops-names/forgotten-nodes-hold-no-descriptor", test_forget_frees);
	g_test_add_func("/ops-names/mkdir-and-rmdir", test_mkdir_rmdir);
	g_test_add_func("/ops-names/mknod-makes-every-type", test_mknod);
	g_test_add_func("/ops-names/symlink-and-readlink", test_symlink_readlink);
	g_test_add_func("/ops-names/unlink", test_unlink);
	g_test_add_func("/ops-names/rename", test_rename);
	g_test_add_func("/ops-names/rename2-flags", test_rename2);
	g_test_add_func("/ops-names/special-files-are-never-opened",
			test_special_files_are_not_opened);
	return g_test_run();
}
