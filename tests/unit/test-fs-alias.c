/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that files which are told apart by watches, as on an overlay without an index, keep their
 * node for as long as they are known, and that no watch is left of them afterwards.
 */
#include <fcntl.h>
#include <string.h>

#include "fs-unit.h"

#define N_ROUNDS  3000u
#define N_NODES	  8u
#define N_WATCHES 2u

/* As if the share were an overlay: which files have names in common is the same on any. */
static void start(struct fs_unit *unit)
{
	struct fs_options options = fs_unit_options();

	options.max_inodes = N_NODES;
	options.max_watches = N_WATCHES;
	fs_unit_start_with(unit, NULL, &options);
	unit->fs->inodes.slots[0].flags |= INODE_ALIASES;
	fs_unit_write(unit, "a", "text");
	g_assert_cmpint(linkat(unit->dir_fd, "a", unit->dir_fd, "b", 0), ==, 0);
}

static unsigned int count_watches(const struct fs_unit *unit)
{
	g_autofree char *path = g_strdup_printf("/proc/self/fdinfo/%d",
						unit->fs->inodes.aliases.fd);
	g_autofree char *text = NULL;
	unsigned int n = 0;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	for (const char *at = text; (at = strstr(at, "inotify wd:")); at++)
		n++;
	return n;
}

static void names_of_one_file_lead_to_one_node(void)
{
	struct fs_unit unit;
	uint64_t nodeid;

	start(&unit);
	nodeid = fs_unit_lookup(&unit, "a");
	g_assert_cmpuint(fs_unit_lookup(&unit, "b"), ==, nodeid);
	g_assert_cmpuint(count_watches(&unit), ==, 1);
	fs_forget(unit.fs, nodeid, 2);
	g_assert_cmpuint(count_watches(&unit), ==, 0);
	fs_unit_stop(&unit);
}

static void a_lookup_that_fails_leaves_no_watch(void)
{
	struct fs_entry entry;
	struct fs_unit unit;

	start(&unit);
	for (unsigned int i = 0; i < N_NODES - 1; i++) {
		g_autofree char *name = g_strdup_printf("%u", i);

		fs_unit_write(&unit, name, "");
		(void)fs_unit_lookup(&unit, name);
	}
	g_assert_cmpint(fs_lookup(unit.thread, FS_ROOT_ID, "a", &entry), ==, -ENFILE);
	g_assert_cmpuint(count_watches(&unit), ==, 0);
	fs_unit_stop(&unit);
}

static void watches_are_left_for_others(void)
{
	static const char *const names[] = { "a", "c", "e" };
	uint64_t first, second;
	struct fs_unit unit;

	start(&unit);
	for (unsigned int i = 1; i < G_N_ELEMENTS(names); i++) {
		fs_unit_write(&unit, names[i], "text");
		g_assert_cmpint(linkat(unit.dir_fd, names[i], unit.dir_fd, i == 1 ? "d" : "f", 0),
				==, 0);
	}
	first = fs_unit_lookup(&unit, "a");
	(void)fs_unit_lookup(&unit, "c");
	g_assert_cmpuint(count_watches(&unit), ==, N_WATCHES);
	second = fs_unit_lookup(&unit, "e");
	g_assert_cmpuint(fs_unit_lookup(&unit, "f"), !=, second);
	g_assert_cmpuint(count_watches(&unit), ==, N_WATCHES);
	/* Whoever has one keeps it, and whoever comes when there is one gets it. */
	g_assert_cmpuint(fs_unit_lookup(&unit, "b"), ==, first);
	fs_forget(unit.fs, first, 2);
	g_assert_cmpuint(count_watches(&unit), ==, N_WATCHES - 1);
	second = fs_unit_lookup(&unit, "e");
	g_assert_cmpuint(fs_unit_lookup(&unit, "f"), ==, second);
	fs_reset(unit.fs, &(struct fs_negotiated){ 0 });
	g_assert_cmpuint(count_watches(&unit), ==, 0);
	g_assert_cmpuint(unit.fs->inodes.aliases.n_live, ==, 0);
	fs_unit_stop(&unit);
}

static gpointer look_up_and_forget(gpointer arg)
{
	struct fs_unit *unit = arg;
	struct fs_thread *thread = fs_unit_thread(unit);
	struct fs_entry first, second;

	for (unsigned int i = 0; i < N_ROUNDS; i++) {
		g_assert_cmpint(fs_lookup(thread, FS_ROOT_ID, "a", &first), ==, 0);
		g_assert_cmpint(fs_lookup(thread, FS_ROOT_ID, "b", &second), ==, 0);
		g_assert_cmpuint(first.nodeid, ==, second.nodeid);
		fs_forget(unit->fs, first.nodeid, 2);
	}
	g_free(thread);
	return NULL;
}

static void forgetting_races_with_looking_up(void)
{
	struct fs_unit unit;
	GThread *thread;

	start(&unit);
	thread = g_thread_new("other", look_up_and_forget, &unit);
	(void)look_up_and_forget(&unit);
	g_thread_join(thread);
	g_assert_cmpuint(count_watches(&unit), ==, 0);
	g_assert_cmpuint(unit.fs->inodes.aliases.n_live, ==, 0);
	fs_unit_stop(&unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fs-alias/names of one file lead to one node",
			names_of_one_file_lead_to_one_node);
	g_test_add_func("/fs-alias/a lookup that fails leaves no watch",
			a_lookup_that_fails_leaves_no_watch);
	g_test_add_func("/fs-alias/watches are left for others", watches_are_left_for_others);
	g_test_add_func("/fs-alias/forgetting races with looking up",
			forgetting_races_with_looking_up);
	return g_test_run();
}
