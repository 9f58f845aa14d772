/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Set-id bits and file capabilities go with a change, as on a local file system, in every cache mode,
 * whoever of guest and daemon has to see to it, and whether or not a request says who asks.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/component/fixture.h"

#define USER 1234

static void populate(const struct share *share)
{
	share_write_text(share, "file", "text");
	share_write_text(share, "from", "from");
}

static struct fixture *start(const char *const *args)
{
	struct fixture_config config = { .populate = populate, .args = args };

	return fixture_start(&config);
}

static void give_capability(struct fixture *f)
{
	const struct vfs_cap_data data = {
		.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		.data[0].permitted = 1 << CAP_NET_RAW,
	};

	g_assert_cmpint(setxattr(share_path(&f->share, "file"), "security.capability", &data,
				 sizeof(data), 0),
			==, 0);
}

static bool has_capability(struct fixture *f)
{
	ssize_t n = getxattr(share_path(&f->share, "file"), "security.capability", NULL, 0);

	g_assert_true(n >= 0 || errno == ENODATA);
	return n > 0;
}

static void set_attr(struct fixture *f, struct fuse_setattr_in in)
{
	struct fuse_attr_out attr;

	g_assert_cmpint(fuse_setattr(&f->client, fuse_node(&f->client, "file"), &in, &attr), ==, 0);
}

static int copy(struct fixture *f, uint64_t node, uint64_t fh)
{
	struct fuse_copy_file_range_in in = { .nodeid_out = node, .fh_out = fh, .len = 2 };
	uint64_t from = fuse_node(&f->client, "from");
	struct fuse_open_out open;
	int r;

	g_assert_cmpint(fuse_open(&f->client, from, O_RDONLY, &open), ==, 0);
	in.fh_in = open.fh;
	r = (int)fuse_copy_file_range(&f->client, &in, from);
	g_assert_cmpint(fuse_release(&f->client, from, open.fh), ==, 0);
	return r;
}

enum change {
	CHANGE_WRITE,
	CHANGE_TRUNCATE,
	CHANGE_OWNER,
	CHANGE_TRUNCATE_AT_OPEN,
	CHANGE_FALLOCATE,
	CHANGE_COPY,
	N_CHANGES,
};

static void change(struct fixture *f, enum change how)
{
	uint64_t node = fuse_node(&f->client, "file");
	struct fuse_open_out open;

	g_assert_cmpint(fuse_open(&f->client, node,
				  O_RDWR | (how == CHANGE_TRUNCATE_AT_OPEN ? O_TRUNC : 0), &open),
			==, 0);
	if (how == CHANGE_WRITE)
		g_assert_cmpint(fuse_write(&f->client, node, open.fh, 0, 1, "x", 0), ==, 1);
	else if (how == CHANGE_TRUNCATE)
		set_attr(f, (struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = 1 });
	else if (how == CHANGE_OWNER)
		set_attr(f, (struct fuse_setattr_in){ .valid = FATTR_UID, .uid = USER });
	else if (how == CHANGE_FALLOCATE)
		g_assert_cmpint(fuse_fallocate(&f->client, node, open.fh, 0, 9000, 0), ==, 0);
	else if (how == CHANGE_COPY)
		g_assert_cmpint(copy(f, node, open.fh), ==, 2);
	g_assert_cmpint(fuse_release(&f->client, node, open.fh), ==, 0);
}

static void test_capability(void)
{
	static const char *const caches[] = { "auto", "always", "never", "metadata" };
	static const char *const who[] = { "--killpriv-v2", "--no-killpriv-v2" };

	for (size_t i = 0; i < G_N_ELEMENTS(caches) * G_N_ELEMENTS(who); i++) {
		const char *args[] = { "--cache", caches[i / 2], who[i % 2], NULL };
		struct fixture *f = start(args);

		for (int how = 0; how < N_CHANGES; how++) {
			g_test_message("--cache %s %s, change %d", args[1], args[2], how);
			give_capability(f);
			g_assert_true(has_capability(f));
			change(f, (enum change)how);
			g_assert_false(has_capability(f));
		}
		fixture_stop(f);
	}
}

static uint32_t mode_after(struct fixture *f, enum change how)
{
	g_assert_cmpint(chmod(share_path(&f->share, "file"), 06755), ==, 0);
	change(f, how);
	return share_lstat(&f->share, "file").st_mode & 07777;
}

/* Requests without a flag of their own for it. */
static void test_who_asks(void)
{
	static const struct {
		const char *who;
		uint32_t uid;
		uint32_t truncated, changed;
	} cases[] = {
		/* This guest says what is to go when it opens, and relies on the daemon else. */
		{ "--killpriv-v2", 0, 06755, 06755 },
		{ "--killpriv-v2", USER, 06755, 0755 },
		{ "--killpriv-v2", UINT32_MAX, 06755, 0755 },
		/* This one takes care of all but opens. */
		{ "--no-killpriv-v2", 0, 06755, 06755 },
		{ "--no-killpriv-v2", USER, 0755, 06755 },
		{ "--no-killpriv-v2", UINT32_MAX, 06755, 06755 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const char *args[] = { cases[i].who, NULL };
		struct fixture *f = start(args);

		f->client.uid = cases[i].uid;
		f->client.gid = cases[i].uid;
		g_test_message("%s, uid %d", cases[i].who, (int)cases[i].uid);
		g_assert_cmphex(mode_after(f, CHANGE_TRUNCATE_AT_OPEN), ==, cases[i].truncated);
		g_assert_cmphex(mode_after(f, CHANGE_FALLOCATE), ==, cases[i].changed);
		g_assert_cmphex(mode_after(f, CHANGE_COPY), ==, cases[i].changed);
		fixture_stop(f);
	}
}

static void test_direct_write(void)
{
	static const char *const args[] = { "--cache", "never", "--allow-direct-io", NULL };
	static const struct {
		mode_t before, after;
	} modes[] = { { 06755, 0755 }, { 06745, 02745 }, { 04644, 0644 }, { 02644, 02644 } };
	static const char page[4096];
	struct fixture *f = start(args);
	uint64_t node = fuse_node(&f->client, "file");
	g_autofree char *path = g_strdup(share_path(&f->share, "file"));
	struct fuse_open_out open;

	g_assert_cmpint(chown(path, USER, USER), ==, 0);
	for (uint32_t direct = 0; direct <= O_DIRECT; direct += O_DIRECT) {
		g_assert_cmpint(fuse_open(&f->client, node, O_WRONLY | direct, &open), ==, 0);
		for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
			g_assert_cmpint(chmod(path, modes[i].before), ==, 0);
			g_assert_cmpint(fuse_write(&f->client, node, open.fh, 0, sizeof(page), page,
						   FUSE_WRITE_KILL_SUIDGID),
					==, sizeof(page));
			g_assert_cmphex(share_lstat(&f->share, "file").st_mode & 07777, ==,
					modes[i].after);
		}
	}
	fixture_stop(f);
}

static void test_nothing_set(void)
{
	static const struct {
		const char *who;
		mode_t after;
	} cases[] = { { "--killpriv-v2", 0755 }, { "--no-killpriv-v2", 06755 } };

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const char *args[] = { cases[i].who, NULL };
		struct fixture *f = start(args);

		g_assert_cmpint(chmod(share_path(&f->share, "file"), 06755), ==, 0);
		set_attr(f, (struct fuse_setattr_in){ .valid = 0 });
		g_assert_cmphex(share_lstat(&f->share, "file").st_mode & 07777, ==, cases[i].after);
		fixture_stop(f);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/privileges/a-changed-file-loses-its-capability", test_capability);
	g_test_add_func("/privileges/set-id-bits-go-by-who-asks", test_who_asks);
	g_test_add_func("/privileges/direct-writes-drop-set-id-bits", test_direct_write);
	g_test_add_func("/privileges/a-chown-without-ids-drops-set-id-bits", test_nothing_set);
	return g_test_run();
}
