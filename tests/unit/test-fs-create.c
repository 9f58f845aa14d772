/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that each kind of name can be made and comes with its node, that creating opens what is
 * there unless it must be new, and that a read-only share makes nothing.
 */
#include "fs-unit.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <string.h>
#include <sys/sysmacros.h>

#define IN_ROOT unit.thread, &self, FS_ROOT_ID

static const struct fs_caller self;

static int create(struct fs_unit *unit, const char *name, uint32_t flags, struct fs_entry *entry,
		  struct fs_opened *opened)
{
	return fs_create(unit->thread, &self, FS_ROOT_ID, name, 0640, flags, false, entry, opened);
}

static ssize_t write_text(struct fs_unit *unit, uint64_t fh, const char *text)
{
	char *copy = g_strdup(text);
	const struct iovec iov = { .iov_base = copy, .iov_len = strlen(text) };
	ssize_t r = fs_write(unit->thread, &(struct fs_write){ .fh = fh }, &iov, 1);

	g_free(copy);
	return r;
}

static void each_kind_of_node_is_made_and_known(void)
{
	struct fs_entry entry;
	struct fs_unit unit;
	char buf[8];

	fs_unit_start(&unit);
	g_assert_cmpint(fs_mkdir(IN_ROOT, "dir", 0751, &entry), ==, 0);
	g_assert_cmpuint(entry.attr.stx.stx_mode, ==, S_IFDIR | 0751);
	g_assert_cmpuint(fs_unit_lookup(&unit, "dir"), ==, entry.nodeid);
	g_assert_cmpint(fs_mknod(IN_ROOT, "fifo", S_IFIFO | 0604, 0, &entry), ==, 0);
	g_assert_cmpuint(entry.attr.stx.stx_mode, ==, S_IFIFO | 0604);
	g_assert_cmpint(fs_mknod(IN_ROOT, "file", S_IFREG | 0600, 0, &entry), ==, 0);
	g_assert_cmpuint(entry.attr.stx.stx_mode, ==, S_IFREG | 0600);
	g_assert_cmpint(fs_symlink(IN_ROOT, "link", "../x", &entry), ==, 0);
	g_assert_cmpint(fs_readlink(unit.thread, entry.nodeid, buf, sizeof(buf)), ==, 4);
	g_assert_cmpmem(buf, 4, "../x", 4);
	fs_unit_stop(&unit);
}

static void what_exists_is_not_made_again(void)
{
	struct fs_entry entry;
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "");
	g_assert_cmpint(fs_mkdir(IN_ROOT, "a", 0755, &entry), ==, -EEXIST);
	g_assert_cmpint(fs_mknod(IN_ROOT, "a", S_IFREG | 0600, 0, &entry), ==, -EEXIST);
	g_assert_cmpint(fs_symlink(IN_ROOT, "a", "x", &entry), ==, -EEXIST);
	g_assert_cmpint(fs_link(unit.thread, fs_unit_lookup(&unit, "a"), FS_ROOT_ID, "a", &entry),
			==, -EEXIST);
	g_assert_cmpint(fs_mkdir(unit.thread, &self, 999, "b", 0755, &entry), ==, -ESTALE);
	fs_unit_stop(&unit);
}

static void a_link_is_another_name_of_its_node(void)
{
	struct fs_entry entry;
	struct fs_unit unit;
	uint64_t nodeid;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "");
	nodeid = fs_unit_lookup(&unit, "a");
	g_assert_cmpint(fs_link(unit.thread, nodeid, FS_ROOT_ID, "b", &entry), ==, 0);
	g_assert_cmpuint(entry.nodeid, ==, nodeid);
	g_assert_cmpuint(entry.attr.stx.stx_nlink, ==, 2);
	fs_forget(unit.fs, nodeid, 1);
	g_assert_cmpuint(fs_unit_lookup(&unit, "b"), ==, nodeid);
	fs_unit_stop(&unit);
}

static void a_link_to_a_symbolic_link_links_it_and_not_its_target(void)
{
	struct fs_entry entry;
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "target", "");
	g_assert_cmpint(symlinkat("target", unit.dir_fd, "link"), ==, 0);
	g_assert_cmpint(
		fs_link(unit.thread, fs_unit_lookup(&unit, "link"), FS_ROOT_ID, "two", &entry), ==,
		0);
	g_assert_true(S_ISLNK(entry.attr.stx.stx_mode));
	g_assert_cmpuint(entry.attr.stx.stx_nlink, ==, 2);
	fs_unit_stop(&unit);
}

static void create_makes_opens_and_knows_a_file(void)
{
	g_autofree char *text = NULL;
	struct fs_opened opened;
	struct fs_entry entry;
	struct fs_unit unit;

	fs_unit_start(&unit);
	g_assert_cmpint(create(&unit, "a", O_RDWR | O_CREAT | O_EXCL, &entry, &opened), ==, 0);
	g_assert_cmpuint(entry.attr.stx.stx_mode, ==, S_IFREG | 0640);
	g_assert_cmpuint(fs_unit_lookup(&unit, "a"), ==, entry.nodeid);
	g_assert_cmpint(write_text(&unit, opened.fh, "hello"), ==, 5);
	g_assert_cmpint(fs_release(unit.thread, opened.fh), ==, 0);
	text = fs_unit_read(&unit, "a");
	g_assert_cmpstr(text, ==, "hello");
	fs_forget(unit.fs, entry.nodeid, 2);
	g_assert_cmpint(fs_open(unit.thread, entry.nodeid, O_RDONLY, false, &opened), ==, -ESTALE);
	fs_unit_stop(&unit);
}

static void create_opens_what_exists_unless_it_must_be_new(void)
{
	g_autofree char *text = NULL;
	struct fs_opened opened;
	struct fs_entry entry;
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "old");
	g_assert_cmpint(create(&unit, "a", O_RDWR | O_CREAT | O_EXCL, &entry, &opened), ==,
			-EEXIST);
	g_assert_cmpint(create(&unit, "a", O_RDWR | O_CREAT, &entry, &opened), ==, 0);
	g_assert_cmpuint(entry.attr.stx.stx_size, ==, 3);
	g_assert_cmpint(create(&unit, "a", O_WRONLY | O_CREAT | O_TRUNC, &entry, &opened), ==, 0);
	text = fs_unit_read(&unit, "a");
	g_assert_cmpstr(text, ==, "");
	fs_unit_stop(&unit);
}

/* The guest would take the file for its own and check nothing. */
static void create_opens_what_exists_for_nobody_but_root(void)
{
	const struct fs_caller other = { .uid = 1000, .gid = 1000 };
	g_autofree char *text = NULL;
	struct fs_opened opened;
	struct fs_entry entry;
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "secret");
	g_assert_cmpint(fs_create(unit.thread, &other, FS_ROOT_ID, "a", 0644,
				  O_RDWR | O_CREAT | O_TRUNC, false, &entry, &opened),
			==, -ESTALE);
	text = fs_unit_read(&unit, "a");
	g_assert_cmpstr(text, ==, "secret");
	fs_unit_stop(&unit);
}

static void create_opens_nothing_but_regular_files(void)
{
	struct fs_opened opened;
	struct fs_entry entry;
	struct fs_unit unit;

	fs_unit_start(&unit);
	g_assert_cmpint(symlinkat("target", unit.dir_fd, "link"), ==, 0);
	g_assert_cmpint(mkfifoat(unit.dir_fd, "fifo", 0600), ==, 0);
	g_assert_cmpint(mkdirat(unit.dir_fd, "dir", 0700), ==, 0);
	g_assert_cmpint(create(&unit, "link", O_RDWR | O_CREAT, &entry, &opened), ==, -ELOOP);
	g_assert_cmpint(create(&unit, "fifo", O_RDWR | O_CREAT, &entry, &opened), ==, -EBADF);
	g_assert_cmpint(create(&unit, "dir", O_RDWR | O_CREAT, &entry, &opened), ==, -EISDIR);
	g_assert_cmpint(faccessat(unit.dir_fd, "target", F_OK, 0), ==, -1);
	fs_unit_stop(&unit);
}

static void a_failed_create_leaves_no_lookup_behind(void)
{
	struct fs_options options = fs_unit_options();
	struct fs_opened opened;
	struct fs_entry entry;
	struct fs_unit unit;
	uint64_t nodeid;

	options.max_handles = 1;
	fs_unit_start_with(&unit, NULL, &options);
	fs_unit_write(&unit, "a", "");
	fs_unit_write(&unit, "b", "");
	(void)fs_unit_open(&unit, "a", O_RDONLY);
	nodeid = fs_unit_lookup(&unit, "b");
	g_assert_cmpint(create(&unit, "b", O_RDWR | O_CREAT, &entry, &opened), ==, -ENFILE);
	fs_forget(unit.fs, nodeid, 1);
	g_assert_cmpint(fs_open(unit.thread, nodeid, O_RDONLY, false, &opened), ==, -ESTALE);
	fs_unit_stop(&unit);
}

static unsigned int count_names(struct fs_unit *unit)
{
	g_autoptr(GDir) dir = g_dir_open(unit->path, 0, NULL);
	unsigned int n = 0;

	while (g_dir_read_name(dir))
		n++;
	return n;
}

static void make_all_in_vain(struct fs_unit *unit)
{
	const struct fs_caller root = { 0 };
	struct fs_opened opened;
	struct fs_entry e;

	for (int i = 0; i < 3; i++) {
		g_assert_cmpint(fs_mkdir(unit->thread, &root, FS_ROOT_ID, "d", 0755, &e), ==,
				-ENFILE);
		g_assert_cmpint(
			fs_mknod(unit->thread, &root, FS_ROOT_ID, "n", S_IFIFO | 0600, 0, &e), ==,
			-ENFILE);
		g_assert_cmpint(fs_symlink(unit->thread, &root, FS_ROOT_ID, "s", "x", &e), ==,
				-ENFILE);
		g_assert_cmpint(create(unit, "c", O_RDWR | O_CREAT, &e, &opened), ==, -ENFILE);
		g_assert_cmpint(
			fs_tmpfile(unit->thread, &root, FS_ROOT_ID, 0600, O_RDWR, &e, &opened), ==,
			-ENFILE);
	}
}

static void at_the_limit_of_nodes_nothing_is_made(void)
{
	struct fs_options options = fs_unit_options();
	struct fs_opened opened;
	struct fs_entry entry;
	struct fs_unit unit;
	uint64_t nodeid;

	options.max_inodes = 2; /* the root and one more */
	fs_unit_start_with(&unit, NULL, &options);
	fs_unit_write(&unit, "a", "");
	nodeid = fs_unit_lookup(&unit, "a");
	make_all_in_vain(&unit);
	g_assert_cmpuint(count_names(&unit), ==, 1);
	/* Another name takes no room. */
	g_assert_cmpint(fs_link(unit.thread, nodeid, FS_ROOT_ID, "link", &entry), ==, 0);
	g_assert_cmpuint(count_names(&unit), ==, 2);
	fs_forget(unit.fs, nodeid, 2);
	g_assert_cmpint(create(&unit, "c", O_RDWR | O_CREAT, &entry, &opened), ==, 0);
	fs_unit_stop(&unit);
}

static void at_the_limit_of_open_files_no_file_is_made(void)
{
	struct fs_options options = fs_unit_options();
	struct fs_opened opened;
	struct fs_entry entry;
	struct fs_unit unit;
	uint64_t fh;

	options.max_handles = 1;
	fs_unit_start_with(&unit, NULL, &options);
	fs_unit_write(&unit, "a", "");
	fh = fs_unit_open(&unit, "a", O_RDONLY);
	for (int i = 0; i < 3; i++)
		g_assert_cmpint(create(&unit, "c", O_RDWR | O_CREAT, &entry, &opened), ==, -ENFILE);
	g_assert_cmpuint(count_names(&unit), ==, 1);
	g_assert_cmpint(fs_mkdir(IN_ROOT, "d", 0755, &entry), ==, 0);
	g_assert_cmpint(fs_release(unit.thread, fh), ==, 0);
	g_assert_cmpint(create(&unit, "c", O_RDWR | O_CREAT, &entry, &opened), ==, 0);
	fs_unit_stop(&unit);
}

/* The process, not the budget, has no descriptors left. */
static void what_finds_no_descriptor_is_not_left_behind(void)
{
	struct rlimit before, none;
	struct fs_entry entry;
	struct fs_unit unit;

	fs_unit_start(&unit);
	g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
	none = before;
	none.rlim_cur = 0;
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &none), ==, 0);
	g_assert_cmpint(fs_mkdir(IN_ROOT, "d", 0755, &entry), ==, -EMFILE);
	g_assert_cmpint(fs_mknod(IN_ROOT, "n", S_IFIFO | 0600, 0, &entry), ==, -EMFILE);
	g_assert_cmpint(fs_symlink(IN_ROOT, "s", "x", &entry), ==, -EMFILE);
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
	g_assert_cmpuint(count_names(&unit), ==, 0);
	fs_unit_stop(&unit);
}

static void direct_io_reaches_the_host_only_where_it_is_allowed(void)
{
	for (int allowed = 0; allowed < 2; allowed++) {
		struct fs_options options = fs_unit_options();
		struct handle_slot *slot;
		struct fs_opened opened;
		struct fs_entry entry;
		struct fs_unit unit;

		options.allow_direct_io = allowed;
		fs_unit_start_with(&unit, NULL, &options);
		g_assert_cmpint(create(&unit, "a", O_RDWR | GUEST_O_DIRECT, &entry, &opened), ==,
				0);
		slot = htab_get(&unit.fs->handles, opened.fh, HANDLE_FILE);
		g_assert_cmpint(!!(fcntl(slot->fd, F_GETFL) & O_DIRECT), ==, allowed);
		htab_put(&unit.fs->handles, slot);
		fs_unit_stop(&unit);
	}
}

static void the_umask_of_the_caller_counts_and_does_not_stay(void)
{
	const struct fs_caller masked = { .umask = 027 };
	struct fs_entry entry;
	struct fs_unit unit;

	fs_unit_start(&unit);
	g_assert_cmpint(fs_mkdir(unit.thread, &masked, FS_ROOT_ID, "a", 0777, &entry), ==, 0);
	g_assert_cmpuint(entry.attr.stx.stx_mode & 07777, ==, 0750);
	g_assert_cmpint(fs_mkdir(IN_ROOT, "b", 0777, &entry), ==, 0);
	g_assert_cmpuint(entry.attr.stx.stx_mode & 07777, ==, 0777);
	fs_unit_stop(&unit);
}

static void a_read_only_share_makes_nothing(void)
{
	struct fs_options options = fs_unit_options();
	struct fs_opened opened;
	struct fs_entry entry;
	struct fs_unit unit;

	options.readonly = true;
	fs_unit_start_with(&unit, NULL, &options);
	fs_unit_write(&unit, "a", "");
	g_assert_cmpint(fs_mkdir(IN_ROOT, "b", 0755, &entry), ==, -EROFS);
	g_assert_cmpint(fs_mknod(IN_ROOT, "b", S_IFREG | 0600, 0, &entry), ==, -EROFS);
	g_assert_cmpint(fs_symlink(IN_ROOT, "b", "x", &entry), ==, -EROFS);
	g_assert_cmpint(create(&unit, "b", O_RDONLY | O_CREAT, &entry, &opened), ==, -EROFS);
	g_assert_cmpint(fs_link(unit.thread, fs_unit_lookup(&unit, "a"), FS_ROOT_ID, "b", &entry),
			==, -EROFS);
	fs_unit_stop(&unit);
}

int main(int argc, char **argv)
{
	(void)umask(0);
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fs-create/each kind of node is made and known",
			each_kind_of_node_is_made_and_known);
	g_test_add_func("/fs-create/what exists is not made again", what_exists_is_not_made_again);
	g_test_add_func("/fs-create/a link is another name of its node",
			a_link_is_another_name_of_its_node);
	g_test_add_func("/fs-create/a link to a symbolic link links it and not its target",
			a_link_to_a_symbolic_link_links_it_and_not_its_target);
	g_test_add_func("/fs-create/create makes, opens and knows a file",
			create_makes_opens_and_knows_a_file);
	g_test_add_func("/fs-create/create opens what exists unless it must be new",
			create_opens_what_exists_unless_it_must_be_new);
	g_test_add_func("/fs-create/create opens what exists for nobody but root",
			create_opens_what_exists_for_nobody_but_root);
	g_test_add_func("/fs-create/create opens nothing but regular files",
			create_opens_nothing_but_regular_files);
	g_test_add_func("/fs-create/a failed create leaves no lookup behind",
			a_failed_create_leaves_no_lookup_behind);
	g_test_add_func("/fs-create/at the limit of nodes nothing is made",
			at_the_limit_of_nodes_nothing_is_made);
	g_test_add_func("/fs-create/at the limit of open files no file is made",
			at_the_limit_of_open_files_no_file_is_made);
	g_test_add_func("/fs-create/what finds no descriptor is not left behind",
			what_finds_no_descriptor_is_not_left_behind);
	g_test_add_func("/fs-create/direct I/O reaches the host only where it is allowed",
			direct_io_reaches_the_host_only_where_it_is_allowed);
	g_test_add_func("/fs-create/the umask of the caller counts and does not stay",
			the_umask_of_the_caller_counts_and_does_not_stay);
	g_test_add_func("/fs-create/a read-only share makes nothing",
			a_read_only_share_makes_nothing);
	return g_test_run();
}
