/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attempts to come by privileges on the host: set-id bits and capabilities that survive a change,
 * groups the guest's user is not in, attributes the map keeps apart, and changes of a share that is
 * read only. Each test says which published mistake it stands for.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/component/escape.h"
#include "tests/lib/bounded.h"

#define USER  1234
#define GROUP 5678
#define STAFF 4321 /* a group of the daemon's starter, and of a directory; not of the user */

/* ---- Attributes ---- */

static const char *const mapped[] = { "--xattrmap=:map::user.guest.:", NULL };

static void give_capability(struct escape *e, uint64_t file)
{
	struct vfs_cap_data caps = { .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
				     .data[0].permitted = UINT32_MAX };

	g_assert_cmpint(fuse_setxattr(e->c, file, "security.capability", &caps, sizeof(caps), 0),
			==, 0);
}

static bool has_capability(struct escape *e, uint64_t file)
{
	int n = fuse_getxattr(e->c, file, "security.capability", NULL, 0);

	g_assert_true(n > 0 || n == -ENODATA);
	return n > 0;
}

static void test_capability(void)
{
	const struct fuse_setattr_in chown_in = { .valid = FATTR_UID, .uid = 7 };
	const struct fuse_setattr_in cut = { .valid = FATTR_SIZE, .size = 3 };
	struct fuse_attr_out attr;
	struct fuse_open_out open;
	struct escape e;
	uint64_t file;

	escape_start(&e, mapped);
	file = fuse_node(e.c, "file");
	g_assert_cmpint(fuse_open(e.c, file, O_RDWR, &open), ==, 0);
	for (int how = 0; how < 4; how++) {
		give_capability(&e, file);
		g_assert_true(has_capability(&e, file));
		/* To the host it is none, whatever the guest says. */
		g_assert_cmpint((int)lgetxattr(share_path(&e.f->share, "file"),
					       "security.capability", NULL, 0),
				==, -1);
		if (how == 0)
			g_assert_cmpint(fuse_write(e.c, file, open.fh, 0, 1, "x", 0), ==, 1);
		else if (how == 1)
			g_assert_cmpint(fuse_setattr(e.c, file, &chown_in, &attr), ==, 0);
		else if (how == 2)
			g_assert_cmpint(fuse_setattr(e.c, file, &cut, &attr), ==, 0);
		else
			g_assert_cmpint(fuse_fallocate(e.c, file, open.fh, 0, 4096, 0), ==, 0);
		g_assert_false(has_capability(&e, file));
	}
	escape_stop(&e);
}

/* Whatever the guest calls it, on the host it is below the prefix. */
static void test_map(void)
{
	static const char *const names[] = {
		"user.a",
		"user.guest.a",
		"user.guest.security.capability",
		"security.capability",
		"trusted.overlay.opaque",
		"security.selinux",
		"security.ima",
		"system.posix_acl_access",
		"user.",
		"a",
		"..",
		"/",
		"user.guest.",
	};
	char list[4096];
	struct escape e;
	uint64_t file;
	ssize_t n;

	escape_start(&e, mapped);
	file = fuse_node(e.c, "file");
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		(void)fuse_setxattr(e.c, file, names[i], "value", 5, 0);
	n = llistxattr(share_path(&e.f->share, "file"), list, sizeof(list));
	g_assert_cmpint((int)n, >, 0);
	for (const char *name = list; name < list + n; name += strlen(name) + 1)
		g_assert_true(g_str_has_prefix(name, "user.guest."));
	/* What the host keeps beside it is neither seen nor changed. */
	g_assert_cmpint(lsetxattr(share_path(&e.f->share, "file"), "user.host", e.token,
				  ESCAPE_TOKEN_BYTES, 0),
			==, 0);
	g_assert_cmpint(fuse_getxattr(e.c, file, "user.host", list, sizeof(list)), ==, -ENODATA);
	g_assert_cmpint(fuse_removexattr(e.c, file, "user.host"), ==, -ENODATA);
	g_assert_cmpint(fuse_removexattr(e.c, file, "../user.host"), <, 0);
	g_assert_cmpint((int)lgetxattr(share_path(&e.f->share, "file"), "user.host", NULL, 0), ==,
			ESCAPE_TOKEN_BYTES);
	escape_stop(&e);
}

/* ---- Set-id bits ---- */

enum change {
	CHANGE_WRITE,
	CHANGE_TRUNCATE,
	CHANGE_OWNER,
	CHANGE_FALLOCATE,
	CHANGE_COPY,
	CHANGE_OPEN,
	N_CHANGES,
};

/* As a guest with --killpriv-v2 marks them. */
static void change(struct escape *e, enum change how)
{
	uint64_t node = fuse_node(e->c, "prog"), from = fuse_node(e->c, "file");
	struct fuse_setattr_in in = { .valid = FATTR_SIZE | FATTR_KILL_SUIDGID, .size = 2 };
	struct fuse_copy_file_range_in copy = { .nodeid_out = node, .len = 4 };
	struct fuse_open_out open, source;
	struct fuse_attr_out attr;
	uint32_t flags = O_RDWR | (how == CHANGE_OPEN ? O_TRUNC : 0);

	g_assert_cmpint(fuse_open(e->c, from, O_RDONLY, &source), ==, 0);
	g_assert_cmpint(fuse_open(e->c, node, flags, &open), ==, 0);
	copy.fh_in = source.fh;
	copy.fh_out = open.fh;
	if (how == CHANGE_WRITE)
		g_assert_cmpint(fuse_write(e->c, node, open.fh, 0, 1, "x", FUSE_WRITE_KILL_SUIDGID),
				==, 1);
	else if (how == CHANGE_FALLOCATE)
		g_assert_cmpint(fuse_fallocate(e->c, node, open.fh, 0, 9000, 0), ==, 0);
	else if (how == CHANGE_COPY)
		g_assert_cmpint((int)fuse_copy_file_range(e->c, &copy, from), ==, 4);
	if (how == CHANGE_OWNER)
		in = (struct fuse_setattr_in){ .valid = FATTR_UID, .uid = USER };
	if (how == CHANGE_OWNER || how == CHANGE_TRUNCATE)
		g_assert_cmpint(fuse_setattr(e->c, node, &in, &attr), ==, 0);
	fuse_release(e->c, node, open.fh);
	fuse_release(e->c, from, source.fh);
}

static void test_set_ids(void)
{
	static const char *const args[] = { "--killpriv-v2", NULL };
	struct escape e;

	escape_start(&e, args);
	share_write_text(&e.f->share, "prog", "#!/bin/sh\n");
	for (int how = 0; how < N_CHANGES; how++) {
		uint32_t mode;

		g_test_message("change %d", how);
		g_assert_cmpint(chmod(share_path(&e.f->share, "prog"), 06777), ==, 0);
		e.c->uid = USER;
		e.c->gid = GROUP;
		change(&e, (enum change)how);
		mode = share_lstat(&e.f->share, "prog").st_mode;
		/* O_TRUNC says with a flag of its own whether they go; the rest takes them away. */
		if (how != CHANGE_OPEN)
			g_assert_cmphex(mode & (S_ISUID | S_ISGID), ==, 0);
	}
	escape_stop(&e);
}

/* ---- Groups ---- */

static void check_groups_of(const struct daemon_process *daemon)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)daemon_worker_pid(daemon));
	g_autofree char *text = NULL;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_nonnull(strstr(text, "\nGroups:\t \n"));
}

static void test_groups(void)
{
	static const gid_t starters[] = { 0, STAFF };
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	gid_t former[64];
	struct escape e;
	uint64_t dir;
	int n = getgroups(G_N_ELEMENTS(former), former);

	g_assert_cmpint(n, >=, 0);
	g_assert_cmpint(setgroups(G_N_ELEMENTS(starters), starters), ==, 0);
	escape_start(&e, NULL);
	g_assert_cmpint(setgroups((size_t)n, former), ==, 0);
	check_groups_of(e.f->daemon);
	share_mkdir(&e.f->share, "staff", 0777);
	g_assert_cmpint(chown(share_path(&e.f->share, "staff"), 0, STAFF), ==, 0);
	g_assert_cmpint(chmod(share_path(&e.f->share, "staff"), 02777), ==, 0);
	dir = fuse_node(e.c, "staff");
	e.c->uid = USER;
	e.c->gid = GROUP;
	g_assert_cmpint(fuse_create(e.c, dir, "prog", 02775, O_RDWR, &entry, &open), ==, 0);
	g_assert_cmpuint(share_lstat(&e.f->share, "staff/prog").st_gid, ==, STAFF);
	g_assert_cmphex(share_lstat(&e.f->share, "staff/prog").st_mode & S_ISGID, ==, 0);
	g_assert_cmpint(fuse_mknod(e.c, dir, "node", S_IFREG | 02775, 0, &entry), ==, 0);
	g_assert_cmphex(share_lstat(&e.f->share, "staff/node").st_mode & S_ISGID, ==, 0);
	g_assert_cmpint(fuse_tmpfile(e.c, dir, 02775, O_RDWR, &entry, &open), ==, 0);
	g_assert_cmphex(entry.attr.mode & S_ISGID, ==, 0);
	escape_stop(&e);
}

/* ---- Read only ---- */

/* A guest that is root and has mounted it as it likes. */
static void test_readonly(void)
{
	static const char *const args[] = { "--readonly", "--xattr", NULL };
	static const char *const names[] = { "file", "new" };
	struct fuse_open_out open;
	struct escape e;

	escape_start(&e, args);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		escape_try_changes(&e, FUSE_ROOT_ID, names[i]);
	g_assert_cmpint(fuse_open(e.c, fuse_node(e.c, "file"), O_RDONLY | O_TRUNC, &open), ==,
			-EROFS);
	g_assert_false(share_exists(&e.f->share, "new"));
	g_assert_cmpint(share_lstat(&e.f->share, "file").st_size, ==, 20);
	escape_stop(&e);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/escape-privileges/CVE-2021-20263 a renamed capability does not survive",
			test_capability);
	g_test_add_func("/escape-privileges/CVE-2021-20263 no attribute leaves the map", test_map);
	g_test_add_func("/escape-privileges/set-id bits do not survive a change", test_set_ids);
	g_test_add_func("/escape-privileges/CVE-2022-0358 the starter's groups are nobody's",
			test_groups);
	g_test_add_func("/escape-privileges/GHSA-g6ww-w5j2-r7x3 the guest's root cannot write",
			test_readonly);
	return g_test_run();
}
