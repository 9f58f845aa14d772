/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that a name leads to the one node of its file, never through a symbolic link or out of the
 * folder, and that what the guest gives back or loses by a reset is gone.
 */
#include "fs-unit.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <string.h>

static const struct fs_caller self;

static int lookup(struct fs_unit *unit, uint64_t parent, const char *name)
{
	struct fs_entry entry;

	return fs_lookup(unit->thread, parent, name, &entry);
}

static int getattr(struct fs_unit *unit, uint64_t nodeid)
{
	struct fs_attr attr;

	return fs_getattr(unit->thread, nodeid, FS_NO_FH, &attr);
}

static void a_file_and_its_hard_link_are_one_node(void)
{
	struct fs_unit unit;
	uint64_t nodeid;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "text");
	g_assert_cmpint(linkat(unit.dir_fd, "a", unit.dir_fd, "b", 0), ==, 0);
	nodeid = fs_unit_lookup(&unit, "a");
	g_assert_cmpuint(fs_unit_lookup(&unit, "a"), ==, nodeid);
	g_assert_cmpuint(fs_unit_lookup(&unit, "b"), ==, nodeid);
	fs_forget(unit.fs, nodeid, 2);
	g_assert_cmpint(getattr(&unit, nodeid), ==, 0);
	fs_forget(unit.fs, nodeid, 1);
	g_assert_cmpint(getattr(&unit, nodeid), ==, -ESTALE);
	fs_unit_stop(&unit);
}

static void a_replaced_file_is_another_node(void)
{
	struct fs_unit unit;
	uint64_t old;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "old");
	old = fs_unit_lookup(&unit, "a");
	g_assert_cmpint(unlinkat(unit.dir_fd, "a", 0), ==, 0);
	fs_unit_write(&unit, "a", "new");
	g_assert_cmpuint(fs_unit_lookup(&unit, "a"), !=, old);
	g_assert_cmpint(getattr(&unit, old), ==, 0);
	fs_unit_stop(&unit);
}

static void the_entry_tells_what_the_host_knows(void)
{
	struct fs_entry entry;
	struct fs_unit unit;
	struct stat st;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "four");
	g_assert_cmpint(fs_lookup(unit.thread, FS_ROOT_ID, "a", &entry), ==, 0);
	g_assert_cmpint(fstatat(unit.dir_fd, "a", &st, 0), ==, 0);
	g_assert_cmpuint(entry.attr.stx.stx_ino, ==, st.st_ino);
	g_assert_cmpuint(entry.attr.stx.stx_size, ==, 4);
	g_assert_cmpuint(entry.attr.stx.stx_mode, ==, st.st_mode);
	g_assert_false(entry.attr.submount);
	fs_unit_stop(&unit);
}

static void what_is_not_there_is_enoent_and_a_file_is_no_directory(void)
{
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "");
	g_assert_cmpint(lookup(&unit, FS_ROOT_ID, "b"), ==, -ENOENT);
	g_assert_cmpint(lookup(&unit, fs_unit_lookup(&unit, "a"), "b"), ==, -ENOTDIR);
	g_assert_cmpint(lookup(&unit, 12345, "b"), ==, -ESTALE);
	fs_unit_stop(&unit);
}

static void names_that_leave_the_directory_are_refused(void)
{
	static const char *const names[] = { "", ".", "..", "/", "/etc", "a/b", "../a", "a/" };
	const struct fs_caller root = { 0 };
	struct fs_entry entry;
	struct fs_unit unit;

	fs_unit_start(&unit);
	g_assert_cmpint(mkdirat(unit.dir_fd, "a", 0755), ==, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		g_assert_cmpint(lookup(&unit, FS_ROOT_ID, names[i]), ==, -EINVAL);
		g_assert_cmpint(fs_mkdir(unit.thread, &root, FS_ROOT_ID, names[i], 0755, &entry),
				==, -EINVAL);
		g_assert_cmpint(fs_unlink(unit.thread, FS_ROOT_ID, names[i]), ==, -EINVAL);
		g_assert_cmpint(
			fs_rename(unit.thread, &self, FS_ROOT_ID, "a", FS_ROOT_ID, names[i], 0), ==,
			-EINVAL);
	}
	fs_unit_stop(&unit);
}

static void a_symbolic_link_is_itself(void)
{
	struct fs_unit unit;
	struct fs_entry entry;
	char buf[32];

	fs_unit_start(&unit);
	g_assert_cmpint(symlinkat("/etc", unit.dir_fd, "link"), ==, 0);
	g_assert_cmpint(fs_lookup(unit.thread, FS_ROOT_ID, "link", &entry), ==, 0);
	g_assert_true(S_ISLNK(entry.attr.stx.stx_mode));
	g_assert_cmpint(fs_readlink(unit.thread, entry.nodeid, buf, sizeof(buf)), ==, 4);
	g_assert_cmpmem(buf, 4, "/etc", 4);
	g_assert_cmpint(lookup(&unit, entry.nodeid, "passwd"), ==, -ENOTDIR);
	g_assert_cmpint(fs_readlink(unit.thread, FS_ROOT_ID, buf, sizeof(buf)), ==, -EINVAL);
	fs_unit_stop(&unit);
}

static void the_root_cannot_be_forgotten(void)
{
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_forget(unit.fs, FS_ROOT_ID, UINT64_MAX);
	fs_forget(unit.fs, 0, 1);
	fs_forget(unit.fs, UINT64_MAX, UINT64_MAX);
	g_assert_cmpint(getattr(&unit, FS_ROOT_ID), ==, 0);
	fs_unit_stop(&unit);
}

static void a_reset_forgets_all_but_the_root(void)
{
	const struct fs_negotiated negotiated = { 0 };
	struct fs_opened opened;
	struct fs_unit unit;
	uint64_t nodeid;
	uint64_t fh;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "text");
	nodeid = fs_unit_lookup(&unit, "a");
	fh = fs_unit_open(&unit, "a", 0);
	g_assert_cmpint(fs_opendir(unit.thread, FS_ROOT_ID, 0, &opened), ==, 0);
	fs_reset(unit.fs, &negotiated);
	g_assert_cmpint(getattr(&unit, nodeid), ==, -ESTALE);
	g_assert_cmpint(fs_release(unit.thread, fh), ==, -EBADF);
	g_assert_cmpint(fs_releasedir(unit.thread, opened.fh), ==, -EBADF);
	g_assert_cmpuint(fs_unit_lookup(&unit, "a"), !=, nodeid);
	fs_unit_stop(&unit);
}

static void a_full_table_is_enfile_and_forgetting_helps(void)
{
	struct fs_options options = fs_unit_options();
	struct fs_unit unit;
	uint64_t nodeid;

	options.max_inodes = 2;
	fs_unit_start_with(&unit, NULL, &options);
	fs_unit_write(&unit, "a", "");
	fs_unit_write(&unit, "b", "");
	nodeid = fs_unit_lookup(&unit, "a");
	g_assert_cmpint(lookup(&unit, FS_ROOT_ID, "b"), ==, -ENFILE);
	fs_forget(unit.fs, nodeid, 1);
	g_assert_cmpint(lookup(&unit, FS_ROOT_ID, "b"), ==, 0);
	fs_unit_stop(&unit);
}

static void without_descriptors_known_files_are_still_found(void)
{
	struct rlimit old;
	struct rlimit none;
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "");
	fs_unit_write(&unit, "b", "");
	(void)fs_unit_lookup(&unit, "a");
	g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &old), ==, 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = old.rlim_max };
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &none), ==, 0);
	g_assert_cmpint(lookup(&unit, FS_ROOT_ID, "a"), ==, 0);
	g_assert_cmpint(lookup(&unit, FS_ROOT_ID, "b"), ==, -EMFILE);
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &old), ==, 0);
	fs_unit_stop(&unit);
}

static void a_mount_point_is_a_submount_once_that_is_agreed(void)
{
	const struct fs_negotiated negotiated = { .submounts = true };
	struct fs_options options = fs_unit_options();
	struct fs_entry entry;
	struct fs_attr attr;
	struct fs_unit unit;

	fs_unit_start_on(&unit, "/", &options);
	g_assert_cmpint(fs_lookup(unit.thread, FS_ROOT_ID, "proc", &entry), ==, 0);
	g_assert_false(entry.attr.submount);
	fs_reset(unit.fs, &negotiated);
	g_assert_cmpint(fs_lookup(unit.thread, FS_ROOT_ID, "proc", &entry), ==, 0);
	g_assert_true(entry.attr.submount);
	g_assert_cmpint(fs_getattr(unit.thread, entry.nodeid, FS_NO_FH, &attr), ==, 0);
	g_assert_true(attr.submount);
	g_assert_cmpint(fs_getattr(unit.thread, FS_ROOT_ID, FS_NO_FH, &attr), ==, 0);
	g_assert_false(attr.submount);
	/* Not a disk: it may take long. */
	g_assert_cmpuint(unit.n_blocks, ==, 1);
	fs_unit_stop(&unit);
}

#define N_THREADS 4
#define N_ROUNDS  3000

struct racer {
	struct fs_unit *unit;
	struct fs_thread *thread;
	bool resets;
};

static gpointer look_up_and_forget(gpointer arg)
{
	const struct fs_negotiated negotiated = { 0 };
	struct racer *racer = arg;
	static const char *const names[] = { "a", "b", "c", "gone" };

	for (unsigned int i = 0; i < N_ROUNDS; i++) {
		const char *name = names[i % G_N_ELEMENTS(names)];
		struct fs_entry entry;
		struct fs_attr attr;
		int r = fs_lookup(racer->thread, FS_ROOT_ID, name, &entry);

		if (r == 0) {
			r = fs_getattr(racer->thread, entry.nodeid, FS_NO_FH, &attr);
			g_assert_true(r == 0 || r == -ESTALE);
			if (r == 0)
				g_assert_cmpuint(attr.stx.stx_ino, ==, entry.attr.stx.stx_ino);
			fs_forget(racer->unit->fs, entry.nodeid, 1);
		} else {
			g_assert_cmpint(r, ==, -ENOENT);
		}
		if (racer->resets && i % 64 == 0)
			fs_reset(racer->unit->fs, &negotiated);
	}
	return NULL;
}

static void many_threads_look_up_while_another_resets(void)
{
	struct racer racer[N_THREADS];
	GThread *thread[N_THREADS];
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "1");
	fs_unit_write(&unit, "b", "22");
	fs_unit_write(&unit, "c", "333");
	for (int i = 0; i < N_THREADS; i++) {
		racer[i] = (struct racer){ &unit, fs_unit_thread(&unit), i == 0 };
		thread[i] = g_thread_new("racer", look_up_and_forget, &racer[i]);
	}
	for (int i = 0; i < N_THREADS; i++) {
		g_thread_join(thread[i]);
		g_free(racer[i].thread);
	}
	fs_unit_stop(&unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fs-lookup/a file and its hard link are one node",
			a_file_and_its_hard_link_are_one_node);
	g_test_add_func("/fs-lookup/a replaced file is another node",
			a_replaced_file_is_another_node);
	g_test_add_func("/fs-lookup/the entry tells what the host knows",
			the_entry_tells_what_the_host_knows);
	g_test_add_func("/fs-lookup/what is not there is ENOENT and a file is no directory",
			what_is_not_there_is_enoent_and_a_file_is_no_directory);
	g_test_add_func("/fs-lookup/names that leave the directory are refused",
			names_that_leave_the_directory_are_refused);
	g_test_add_func("/fs-lookup/a symbolic link is itself", a_symbolic_link_is_itself);
	g_test_add_func("/fs-lookup/the root cannot be forgotten", the_root_cannot_be_forgotten);
	g_test_add_func("/fs-lookup/a reset forgets all but the root",
			a_reset_forgets_all_but_the_root);
	g_test_add_func("/fs-lookup/a full table is ENFILE and forgetting helps",
			a_full_table_is_enfile_and_forgetting_helps);
	g_test_add_func("/fs-lookup/without descriptors known files are still found",
			without_descriptors_known_files_are_still_found);
	g_test_add_func("/fs-lookup/a mount point is a submount once that is agreed",
			a_mount_point_is_a_submount_once_that_is_agreed);
	g_test_add_func("/fs-lookup/many threads look up while another resets",
			many_threads_look_up_while_another_resets);
	return g_test_run();
}
