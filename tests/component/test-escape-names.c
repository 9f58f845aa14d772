/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attempts to leave the share by a name. Each test says which published mistake it stands for. Run
 * also without a sandbox: the daemon's own checks are the first wall.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/component/escape.h"

static const char *const args[] = { "--xattr", NULL };

/* Else all that follows would prove nothing. */
static void test_alarm(void)
{
	struct fuse_open_out open;
	struct escape e;
	uint64_t file;
	char bytes[32];

	escape_start(&e, args);
	g_assert_false(escape_has_arrived(&e));
	share_write_text(&e.f->share, "inside", e.token);
	file = fuse_node(e.c, "inside");
	g_assert_cmpint(fuse_open(e.c, file, O_RDONLY, &open), ==, 0);
	g_assert_cmpint(fuse_read(e.c, file, open.fh, 0, sizeof(bytes), bytes), ==,
			ESCAPE_TOKEN_BYTES);
	g_assert_true(escape_has_arrived(&e));
	escape_leave(&e);
}

static void test_absolute(void)
{
	static const char *const names[] = { "secret", "inner", "inner/secret", "new", "sign" };
	struct escape e;

	escape_start(&e, args);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *absolute = g_strdup(escape_path(&e, names[i]));
		g_autofree char *doubled = g_strdup_printf("/%s", absolute);

		escape_try_name(&e, FUSE_ROOT_ID, absolute);
		escape_try_name(&e, fuse_node(e.c, "dir"), absolute);
		escape_try_name(&e, FUSE_ROOT_ID, doubled);
	}
	escape_try_name(&e, FUSE_ROOT_ID, "/");
	escape_try_name(&e, FUSE_ROOT_ID, "/proc/self/root");
	escape_stop(&e);
}

static void test_dot_dot(void)
{
	static const char *const climbs[] = { "..", "../..", "dir/../../..", "./../..",
					      "../share/../.." };
	struct escape e;
	g_autofree char *folder = NULL;

	escape_start(&e, args);
	folder = g_path_get_basename(e.outside);
	for (size_t i = 0; i < G_N_ELEMENTS(climbs); i++) {
		g_autofree char *path = g_strdup_printf("%s/%s/secret", climbs[i], folder);

		escape_try_name(&e, FUSE_ROOT_ID, climbs[i]);
		escape_try_name(&e, FUSE_ROOT_ID, path);
		escape_try_name(&e, fuse_node(e.c, "dir"), climbs[i]);
		escape_try_name(&e, fuse_node(e.c, "dir"), path);
	}
	escape_try_name(&e, FUSE_ROOT_ID, ".");
	/* A file whose name only begins like that is a file. */
	g_assert_cmpint(fuse_mkdir(e.c, FUSE_ROOT_ID, "..a", 0755, &(struct fuse_entry_out){ 0 }),
			==, 0);
	escape_stop(&e);
}

static void test_through_links(void)
{
	static const char *const behind[] = { "secret", "inner", "inner/secret", "new" };
	struct escape e;

	escape_start(&e, args);
	for (const char *const *link = escape_links; *link; link++) {
		uint64_t node = fuse_node(e.c, *link);

		for (size_t i = 0; i < G_N_ELEMENTS(behind); i++) {
			g_autofree char *path = g_strdup_printf("%s/%s", *link, behind[i]);

			escape_try_name(&e, FUSE_ROOT_ID, path);
			escape_try_name(&e, node, behind[i]);
		}
		escape_try_name(&e, node, "..");
	}
	escape_stop(&e);
}

/* What works on a link works on the link. */
static void try_link(struct escape *e, const char *name)
{
	const struct fuse_setattr_in changes[] = {
		{ .valid = FATTR_SIZE, .size = 0 },
		{ .valid = FATTR_MODE, .mode = S_IFREG | 0600 },
		{ .valid = FATTR_UID | FATTR_GID, .uid = 77, .gid = 77 },
		{ .valid = FATTR_ATIME | FATTR_MTIME, .atime = 1, .mtime = 1 },
	};
	uint64_t node = fuse_node(e->c, name);
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	struct fuse_attr_out attr;
	char value[64];

	for (size_t i = 0; i < G_N_ELEMENTS(changes); i++)
		(void)fuse_setattr(e->c, node, &changes[i], &attr);
	(void)fuse_access(e->c, node, 7);
	g_assert_cmpint(fuse_setxattr(e->c, node, "user.secret", "x", 1, 0), <, 0);
	g_assert_cmpint(fuse_getxattr(e->c, node, "user.secret", value, sizeof(value)), <, 0);
	g_assert_cmpint(fuse_removexattr(e->c, node, "user.secret"), <, 0);
	g_assert_cmpint(fuse_listxattr(e->c, node, value, sizeof(value)), <=, 0);
	g_assert_cmpint(fuse_opendir(e->c, node, 0, &open), <, 0);
	g_assert_cmpint(fuse_create(e->c, FUSE_ROOT_ID, name, 0666, O_RDWR, &entry, &open), <, 0);
	g_assert_cmpint(fuse_getattr(e->c, node, UINT64_MAX, &attr), ==, 0);
	g_assert_cmphex(attr.attr.mode & S_IFMT, ==, S_IFLNK);
	g_assert_cmpint(fuse_link(e->c, node, FUSE_ROOT_ID, "hard", &entry), ==, 0);
	g_assert_true(S_ISLNK(share_lstat(&e->f->share, "hard").st_mode));
	g_assert_cmpint(fuse_unlink(e->c, FUSE_ROOT_ID, "hard"), ==, 0);
	escape_check(e);
}

static void test_links_themselves(void)
{
	struct escape e;

	escape_start(&e, args);
	for (const char *const *link = escape_links; *link; link++)
		try_link(&e, *link);
	escape_stop(&e);
}

/* ---- Names that change under the daemon ---- */

struct swapper {
	char *here, *there; /* exchanged again and again */
	int ends;
};

static gpointer swap(gpointer data)
{
	struct swapper *s = data;

	while (!__atomic_load_n(&s->ends, __ATOMIC_RELAXED))
		if (renameat2(AT_FDCWD, s->here, AT_FDCWD, s->there, RENAME_EXCHANGE))
			g_error("rename: %s", g_strerror(errno));
	return NULL;
}

/* A guest that walks into what is a link to the outside half of the time. */
static void use_name(struct escape *e, uint64_t dir, const char *name)
{
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	uint8_t bytes[64];

	if (fuse_lookup(e->c, dir, name, &entry))
		return;
	if (fuse_open(e->c, entry.nodeid, O_RDWR, &open) == 0) {
		(void)fuse_read(e->c, entry.nodeid, open.fh, 0, sizeof(bytes), bytes);
		(void)fuse_write(e->c, entry.nodeid, open.fh, 0, 1, "x", 0);
		fuse_release(e->c, entry.nodeid, open.fh);
	}
	fuse_forget(e->c, entry.nodeid, 1);
}

/* How often the name was a directory, and a link. */
struct seen {
	unsigned int dirs, links;
};

static void walk_once(struct escape *e, uint64_t kept, struct seen *seen)
{
	struct fuse_entry_out entry;

	use_name(e, kept, "secret");
	use_name(e, kept, "inner");
	if (fuse_lookup(e->c, FUSE_ROOT_ID, "swap", &entry))
		return;
	if (S_ISDIR(entry.attr.mode))
		seen->dirs++;
	else
		seen->links++;
	use_name(e, entry.nodeid, "secret");
	use_name(e, entry.nodeid, "inner");
	fuse_forget(e->c, entry.nodeid, 1);
}

static void change_once(struct escape *e, uint64_t kept)
{
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	uint8_t bytes[4096];

	if (fuse_create(e->c, kept, "new", 0666, O_RDWR, &entry, &open) == 0) {
		fuse_release(e->c, entry.nodeid, open.fh);
		fuse_forget(e->c, entry.nodeid, 1);
	}
	(void)fuse_unlink(e->c, kept, "new");
	(void)fuse_rename(e->c, kept, "secret", kept, "taken");
	(void)fuse_rename(e->c, kept, "taken", kept, "secret");
	(void)fuse_rmdir(e->c, kept, "inner");
	(void)fuse_mkdir(e->c, kept, "inner", 0777, &entry);
	if (fuse_opendir(e->c, kept, 0, &open) == 0) {
		(void)fuse_readdir(e->c, kept, open.fh, 0, sizeof(bytes), bytes, true);
		fuse_releasedir(e->c, kept, open.fh);
	}
}

/* Enough other nodes that "swap" has to be found again by its name, or by its handle. */
static void crowd(struct escape *e, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		g_autofree char *name = g_strdup_printf("crowd-%u", i);
		struct fuse_entry_out entry;

		if (fuse_lookup(e->c, FUSE_ROOT_ID, name, &entry) == -ENOENT)
			(void)fuse_mknod(e->c, FUSE_ROOT_ID, name, S_IFREG | 0644, 0, &entry);
	}
}

static void race(const char *const *race_args, unsigned int rounds, unsigned int n_crowd)
{
	struct swapper swapper = { .ends = 0 };
	struct seen seen = { 0 };
	GThread *thread;
	struct escape e;
	uint64_t kept;

	escape_start(&e, race_args);
	share_mkdir(&e.f->share, "swap", 0777);
	share_write_text(&e.f->share, "swap/secret", "the guest's own\n");
	share_symlink(&e.f->share, "swap-other", e.outside);
	kept = fuse_node(e.c, "swap");
	swapper.here = g_strdup(share_path(&e.f->share, "swap"));
	swapper.there = g_strdup(share_path(&e.f->share, "swap-other"));
	thread = g_thread_new("swap", swap, &swapper);
	for (unsigned int i = 0; i < rounds || !seen.dirs || !seen.links; i++) {
		crowd(&e, n_crowd);
		walk_once(&e, kept, &seen);
		change_once(&e, kept);
		g_assert_false(escape_has_arrived(&e));
	}
	__atomic_store_n(&swapper.ends, 1, __ATOMIC_RELAXED);
	g_thread_join(thread);
	g_free(swapper.here);
	g_free(swapper.there);
	escape_stop(&e);
}

static void test_race(void)
{
	race(args, 600, 0);
}

static void test_race_cold_by_name(void)
{
	static const char *const cold[] = { "--rlimit-nofile=128", "--inode-file-handles=never",
					    NULL };

	race(cold, 40, 150);
}

static void test_race_cold_by_handle(void)
{
	static const char *const cold[] = { "--rlimit-nofile=128", NULL };

	race(cold, 40, 150);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/escape-names/a secret that arrives is found", test_alarm);
	g_test_add_func("/escape-names/GHSA-2gv2-cffp-j227 absolute names in every operation",
			test_absolute);
	g_test_add_func("/escape-names/CVE-2016-7116 dot-dot in every operation", test_dot_dot);
	g_test_add_func("/escape-names/CVE-2016-9602 names behind symbolic links",
			test_through_links);
	g_test_add_func("/escape-names/CVE-2017-7493 symbolic links themselves",
			test_links_themselves);
	g_test_add_func("/escape-names/CVE-2020-2024 a host process swaps a directory and a link",
			test_race);
	g_test_add_func("/escape-names/CVE-2018-19489 swaps while nodes are found again by name",
			test_race_cold_by_name);
	g_test_add_func("/escape-names/CVE-2020-2026 swaps while nodes are found again by handle",
			test_race_cold_by_handle);
	return g_test_run();
}
