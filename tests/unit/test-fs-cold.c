/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that many more inodes than descriptors can be known: all of them answer, what is removed
 * under the guest's own hand stays, what the host removes is stale and never another file, and
 * open files keep their descriptors. Each is shown with file handles and with names only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs-unit.h"

#define MAX_FDS	    64u
#define MAX_HANDLES 48u
#define N_DIRS	    50u
#define N_FILES	    200u /* in each */

#define BY_NAME	    GINT_TO_POINTER(0)
#define BY_HANDLE   GINT_TO_POINTER(1)

static const struct fs_caller self;

static struct fs_options cold_options(void)
{
	struct fs_options options = fs_unit_options();

	options.max_inodes = 20000;
	options.max_handles = MAX_HANDLES;
	options.max_fds = MAX_FDS;
	return options;
}

static void start(struct fs_unit *unit, gconstpointer handles)
{
	struct fs_options options = cold_options();

	fs_unit_start_with(unit, NULL, &options);
	if (handles == BY_HANDLE)
		g_assert_cmpint(fs_use_handles(unit->fs), ==, 0);
}

static uint64_t lookup_in(struct fs_unit *unit, uint64_t parent, const char *name)
{
	struct fs_entry entry;

	g_assert_cmpint(fs_lookup(unit->thread, parent, name, &entry), ==, 0);
	return entry.nodeid;
}

static bool is_cold(struct fs_unit *unit, uint64_t nodeid)
{
	struct inode_slot *slot = itab_get(&unit->fs->inodes, nodeid);
	bool cold;

	g_assert_nonnull(slot);
	cold = inode_is_cold(slot);
	itab_put(&unit->fs->inodes, slot);
	return cold;
}

static void check_budget(struct fs_unit *unit)
{
	g_assert_cmpuint(unit->fs->budget.n_used, <=, MAX_FDS);
	/* Some are the file system's own: the arena, the root and its mount, /proc/self/fd. */
	g_assert_cmpuint(fs_unit_count_fds(), <=, unit->n_fds + MAX_FDS + 8);
}

/* Makes files that take the descriptors of all that is not in use. */
#define N_PRESS 300u

static void make_press(struct fs_unit *unit)
{
	g_assert_cmpint(mkdirat(unit->dir_fd, "press", 0755), ==, 0);
	for (unsigned int i = 0; i < N_PRESS; i++) {
		g_autofree char *name = g_strdup_printf("press/%u", i);

		fs_unit_write(unit, name, "");
	}
}

static void press(struct fs_unit *unit)
{
	uint64_t dir = fs_unit_lookup(unit, "press");
	uint64_t nodes[N_PRESS];

	for (unsigned int round = 0; round < 4; round++) {
		for (unsigned int i = 0; i < N_PRESS; i++) {
			g_autofree char *name = g_strdup_printf("%u", i);

			nodes[i] = lookup_in(unit, dir, name);
		}
		for (unsigned int i = 0; i < N_PRESS; i++)
			fs_forget(unit->fs, nodes[i], 1);
	}
	check_budget(unit);
}

static void must_be_cold(struct fs_unit *unit, uint64_t nodeid)
{
	for (int i = 0; i < 20 && !is_cold(unit, nodeid); i++)
		press(unit);
	g_assert_true(is_cold(unit, nodeid));
}

static struct statx attr_of(struct fs_unit *unit, uint64_t nodeid)
{
	struct fs_attr attr;

	g_assert_cmpint(fs_getattr(unit->thread, nodeid, FS_NO_FH, &attr), ==, 0);
	return attr.stx;
}

static int try_attr(struct fs_unit *unit, uint64_t nodeid)
{
	struct fs_attr attr;

	return fs_getattr(unit->thread, nodeid, FS_NO_FH, &attr);
}

static char *read_node(struct fs_unit *unit, uint64_t nodeid)
{
	struct fs_opened opened;
	char *text = g_malloc0(100);
	struct iovec iov = { text, 99 };

	g_assert_cmpint(fs_open(unit->thread, nodeid, O_RDONLY, false, &opened), ==, 0);
	g_assert_cmpint(fs_read(unit->thread, opened.fh, 0, &iov, 1), >=, 0);
	g_assert_cmpint(fs_release(unit->thread, opened.fh), ==, 0);
	return text;
}

/* ---- A tree much larger than the budget ---- */

struct tree {
	struct fs_unit unit;
	uint64_t node[N_DIRS * N_FILES];
	uint64_t ino[N_DIRS * N_FILES];
	uint64_t dir[N_DIRS];
};

static void learn_tree(struct tree *tree, gconstpointer handles)
{
	start(&tree->unit, handles);
	for (unsigned int d = 0; d < N_DIRS; d++) {
		g_autofree char *dir = g_strdup_printf("d%u", d);

		g_assert_cmpint(mkdirat(tree->unit.dir_fd, dir, 0755), ==, 0);
		tree->dir[d] = fs_unit_lookup(&tree->unit, dir);
		for (unsigned int f = 0; f < N_FILES; f++) {
			g_autofree char *path = g_strdup_printf("d%u/f%u", d, f);
			unsigned int i = d * N_FILES + f;
			struct fs_entry entry;

			fs_unit_write(&tree->unit, path, path);
			g_assert_cmpint(fs_lookup(tree->unit.thread, tree->dir[d],
						  path + strcspn(path, "/") + 1, &entry),
					==, 0);
			tree->node[i] = entry.nodeid;
			tree->ino[i] = entry.attr.stx.stx_ino;
		}
	}
	check_budget(&tree->unit);
}

static void all_of_a_large_tree_answer(gconstpointer handles)
{
	struct tree *tree = g_new0(struct tree, 1);
	g_autoptr(GRand) rand = g_rand_new_with_seed(7);

	learn_tree(tree, handles);
	for (unsigned int n = 0; n < 2 * N_DIRS * N_FILES; n++) {
		unsigned int i = (unsigned int)g_rand_int_range(rand, 0, N_DIRS * N_FILES);
		g_autofree char *path = g_strdup_printf("d%u/f%u", i / N_FILES, i % N_FILES);
		g_autofree char *text = NULL;

		g_assert_cmpuint(attr_of(&tree->unit, tree->node[i]).stx_ino, ==, tree->ino[i]);
		if (n % 8)
			continue;
		text = read_node(&tree->unit, tree->node[i]);
		g_assert_cmpstr(text, ==, path);
		/* The same file is the same node, warm or cold. */
		g_assert_cmpuint(lookup_in(&tree->unit, tree->dir[i / N_FILES],
					   path + strcspn(path, "/") + 1),
				 ==, tree->node[i]);
	}
	check_budget(&tree->unit);
	fs_unit_stop(&tree->unit);
	g_free(tree);
}

#define N_THREADS 4u
#define N_ROUNDS  3000u

struct walker {
	struct tree *tree;
	unsigned int index;
};

/* Moves a file of this thread's own to another directory and tells the tree nothing else. */
static void move_own(struct fs_thread *thread, struct walker *walker, unsigned int round)
{
	struct tree *tree = walker->tree;
	g_autofree char *from = g_strdup_printf("f%u", walker->index);
	unsigned int a = round % 2 ? walker->index : walker->index + N_THREADS;
	unsigned int b = round % 2 ? walker->index + N_THREADS : walker->index;
	g_autofree char *to = g_strdup_printf("moved%u", walker->index);

	g_assert_cmpint(fs_rename(thread, &self, tree->dir[a], round % 2 ? from : to, tree->dir[b],
				  round % 2 ? to : from, 0),
			==, 0);
}

static gpointer walk(gpointer arg)
{
	struct walker *walker = arg;
	struct tree *tree = walker->tree;
	g_autofree struct fs_thread *thread = fs_unit_thread(&tree->unit);
	g_autoptr(GRand) rand = g_rand_new_with_seed(walker->index);
	unsigned int n_moves = 1;

	for (unsigned int n = 0; n < N_ROUNDS; n++) {
		unsigned int i = (unsigned int)g_rand_int_range(rand, 0, N_DIRS * N_FILES);
		struct fs_opened opened;
		struct fs_attr attr;

		g_assert_cmpint(fs_getattr(thread, tree->node[i], FS_NO_FH, &attr), ==, 0);
		g_assert_cmpuint(attr.stx.stx_ino, ==, tree->ino[i]);
		if (n % 16 == 0) {
			g_assert_cmpint(fs_open(thread, tree->node[i], O_RDONLY, false, &opened),
					==, 0);
			g_assert_cmpint(fs_release(thread, opened.fh), ==, 0);
		}
		if (n % 64 == 0)
			move_own(thread, walker, n_moves++);
	}
	return NULL;
}

static void many_threads_share_few_descriptors(gconstpointer handles)
{
	struct tree *tree = g_new0(struct tree, 1);
	struct walker walker[N_THREADS];
	GThread *thread[N_THREADS];

	learn_tree(tree, handles);
	for (unsigned int i = 0; i < N_THREADS; i++) {
		walker[i] = (struct walker){ tree, i };
		thread[i] = g_thread_new("walker", walk, &walker[i]);
	}
	for (unsigned int i = 0; i < N_THREADS; i++)
		g_thread_join(thread[i]);
	check_budget(&tree->unit);
	fs_unit_stop(&tree->unit);
	g_free(tree);
}

/* ---- Names that go ---- */

static void a_file_removed_while_cold_answers_until_forgotten(gconstpointer handles)
{
	struct fs_unit unit;
	uint64_t node;
	g_autofree char *text = NULL;

	start(&unit, handles);
	make_press(&unit);
	fs_unit_write(&unit, "file", "still here");
	node = fs_unit_lookup(&unit, "file");
	must_be_cold(&unit, node);
	g_assert_cmpint(fs_unlink(unit.thread, FS_ROOT_ID, "file"), ==, 0);
	for (int i = 0; i < 5; i++)
		press(&unit);
	g_assert_cmpuint(attr_of(&unit, node).stx_nlink, ==, 0);
	text = read_node(&unit, node);
	g_assert_cmpstr(text, ==, "still here");
	fs_unit_stop(&unit);
}

static void a_file_renamed_over_while_cold_answers_until_forgotten(gconstpointer handles)
{
	struct fs_unit unit;
	uint64_t old;
	uint64_t new;
	g_autofree char *text = NULL;
	g_autofree char *new_text = NULL;

	start(&unit, handles);
	make_press(&unit);
	fs_unit_write(&unit, "old", "the old one");
	fs_unit_write(&unit, "new", "the new one");
	old = fs_unit_lookup(&unit, "old");
	new = fs_unit_lookup(&unit, "new");
	must_be_cold(&unit, old);
	must_be_cold(&unit, new);
	g_assert_cmpint(fs_rename(unit.thread, &self, FS_ROOT_ID, "new", FS_ROOT_ID, "old", 0), ==,
			0);
	for (int i = 0; i < 5; i++)
		press(&unit);
	text = read_node(&unit, old);
	g_assert_cmpstr(text, ==, "the old one");
	must_be_cold(&unit, new);
	new_text = read_node(&unit, new);
	g_assert_cmpstr(new_text, ==, "the new one");
	fs_unit_stop(&unit);
}

static void exchanged_files_are_found_under_their_new_names(gconstpointer handles)
{
	struct fs_unit unit;
	uint64_t a;
	uint64_t b;
	g_autofree char *text_a = NULL;
	g_autofree char *text_b = NULL;

	start(&unit, handles);
	make_press(&unit);
	fs_unit_write(&unit, "a", "was a");
	fs_unit_write(&unit, "b", "was b");
	a = fs_unit_lookup(&unit, "a");
	b = fs_unit_lookup(&unit, "b");
	must_be_cold(&unit, a);
	must_be_cold(&unit, b);
	g_assert_cmpint(
		fs_rename(unit.thread, &self, FS_ROOT_ID, "a", FS_ROOT_ID, "b", RENAME_EXCHANGE),
		==, 0);
	must_be_cold(&unit, a);
	must_be_cold(&unit, b);
	text_a = read_node(&unit, a);
	text_b = read_node(&unit, b);
	g_assert_cmpstr(text_a, ==, "was a");
	g_assert_cmpstr(text_b, ==, "was b");
	fs_unit_stop(&unit);
}

static void a_removed_directory_answers_until_forgotten(gconstpointer handles)
{
	struct fs_unit unit;
	uint64_t node;

	start(&unit, handles);
	make_press(&unit);
	g_assert_cmpint(mkdirat(unit.dir_fd, "dir", 0755), ==, 0);
	node = fs_unit_lookup(&unit, "dir");
	must_be_cold(&unit, node);
	g_assert_cmpint(fs_rmdir(unit.thread, FS_ROOT_ID, "dir"), ==, 0);
	for (int i = 0; i < 5; i++)
		press(&unit);
	g_assert_true(S_ISDIR(attr_of(&unit, node).stx_mode));
	fs_unit_stop(&unit);
}

static void one_of_two_names_may_go(gconstpointer handles)
{
	struct fs_unit unit;
	struct fs_entry entry;
	uint64_t node;

	start(&unit, handles);
	make_press(&unit);
	fs_unit_write(&unit, "first", "");
	node = fs_unit_lookup(&unit, "first");
	must_be_cold(&unit, node);
	g_assert_cmpint(fs_link(unit.thread, node, FS_ROOT_ID, "second", &entry), ==, 0);
	g_assert_cmpint(fs_unlink(unit.thread, FS_ROOT_ID, "first"), ==, 0);
	must_be_cold(&unit, node);
	g_assert_cmpuint(attr_of(&unit, node).stx_nlink, ==, 1);
	g_assert_cmpint(fs_link(unit.thread, node, FS_ROOT_ID, "third", &entry), ==, 0);
	g_assert_cmpint(fs_unlink(unit.thread, FS_ROOT_ID, "third"), ==, 0);
	for (int i = 0; i < 5; i++)
		press(&unit);
	g_assert_cmpuint(attr_of(&unit, node).stx_nlink, ==, 1);
	/* Where names are all there is, the next lookup tells the one that is left. */
	g_assert_cmpuint(fs_unit_lookup(&unit, "second"), ==, node);
	must_be_cold(&unit, node);
	fs_unit_stop(&unit);
}

/* ---- The host's hand ---- */

static void what_the_host_removes_is_stale(gconstpointer handles)
{
	struct fs_unit unit;
	uint64_t node;

	start(&unit, handles);
	make_press(&unit);
	fs_unit_write(&unit, "file", "");
	node = fs_unit_lookup(&unit, "file");
	must_be_cold(&unit, node);
	g_assert_cmpint(unlinkat(unit.dir_fd, "file", 0), ==, 0);
	g_assert_cmpint(try_attr(&unit, node), ==, -ESTALE);
	fs_unit_stop(&unit);
}

/* Most file systems give the number of the last file removed to the next one made. */
static void a_used_again_inode_number_is_another_node(gconstpointer handles)
{
	struct fs_unit unit;
	unsigned int n_reused = 0;

	start(&unit, handles);
	make_press(&unit);
	for (int i = 0; i < 40; i++) {
		uint64_t old_ino;
		uint64_t node;
		uint64_t next;

		fs_unit_write(&unit, "old", "old");
		node = fs_unit_lookup(&unit, "old");
		old_ino = attr_of(&unit, node).stx_ino;
		must_be_cold(&unit, node);
		g_assert_cmpint(unlinkat(unit.dir_fd, "old", 0), ==, 0);
		fs_unit_write(&unit, "old", "new");
		next = fs_unit_lookup(&unit, "old");
		g_assert_cmpuint(next, !=, node);
		n_reused += attr_of(&unit, next).stx_ino == old_ino;
		g_assert_cmpint(try_attr(&unit, node), ==, -ESTALE);
		fs_forget(unit.fs, next, 1);
		fs_forget(unit.fs, node, 1);
		g_assert_cmpint(unlinkat(unit.dir_fd, "old", 0), ==, 0);
	}
	g_test_message("%u of 40 numbers were used again", n_reused);
	fs_unit_stop(&unit);
}

static void the_host_renames_a_file_and_the_directory_above(gconstpointer handles)
{
	struct fs_unit unit;
	uint64_t dir;
	uint64_t file;
	g_autofree char *text = NULL;

	start(&unit, handles);
	make_press(&unit);
	g_assert_cmpint(mkdirat(unit.dir_fd, "above", 0755), ==, 0);
	fs_unit_write(&unit, "above/file", "found");
	dir = fs_unit_lookup(&unit, "above");
	file = lookup_in(&unit, dir, "file");
	must_be_cold(&unit, file);
	must_be_cold(&unit, dir);
	g_assert_cmpint(renameat(unit.dir_fd, "above/file", unit.dir_fd, "above/other"), ==, 0);
	g_assert_cmpint(renameat(unit.dir_fd, "above", unit.dir_fd, "elsewhere"), ==, 0);
	text = read_node(&unit, file);
	g_assert_cmpstr(text, ==, "found");
	fs_unit_stop(&unit);
}

static void what_the_host_moves_far_away_is_found_by_its_handle(void)
{
	struct fs_unit unit;
	uint64_t dir;
	uint64_t file;

	start(&unit, BY_HANDLE);
	make_press(&unit);
	g_assert_cmpint(mkdirat(unit.dir_fd, "one", 0755), ==, 0);
	g_assert_cmpint(mkdirat(unit.dir_fd, "two", 0755), ==, 0);
	fs_unit_write(&unit, "one/file", "");
	dir = fs_unit_lookup(&unit, "one");
	file = lookup_in(&unit, dir, "file");
	must_be_cold(&unit, file);
	must_be_cold(&unit, dir);
	g_assert_cmpint(renameat(unit.dir_fd, "one", unit.dir_fd, "two/one"), ==, 0);
	g_assert_cmpint(try_attr(&unit, file), ==, 0);
	fs_unit_stop(&unit);
}

static void a_file_the_host_moved_is_back_at_its_next_lookup(void)
{
	struct fs_unit unit;
	uint64_t file;
	uint64_t dir;

	start(&unit, BY_NAME);
	make_press(&unit);
	g_assert_cmpint(mkdirat(unit.dir_fd, "dir", 0755), ==, 0);
	dir = fs_unit_lookup(&unit, "dir");
	fs_unit_write(&unit, "file", "");
	file = fs_unit_lookup(&unit, "file");
	must_be_cold(&unit, file);
	g_assert_cmpint(renameat(unit.dir_fd, "file", unit.dir_fd, "dir/file"), ==, 0);
	g_assert_cmpint(try_attr(&unit, file), ==, -ESTALE);
	g_assert_cmpuint(lookup_in(&unit, dir, "file"), ==, file);
	g_assert_cmpint(try_attr(&unit, file), ==, 0);
	fs_unit_stop(&unit);
}

/* ---- Mounts ---- */

/* A cold inode keeps its mount busy, as a warm one does, and no longer than it is known. */
static void a_submount_can_go_when_nothing_in_it_is_known(gconstpointer handles)
{
	g_autofree char *mount_path = NULL;
	g_autofree char *text = NULL;
	struct fs_unit unit;
	uint64_t dir;
	uint64_t file;

	start(&unit, handles);
	make_press(&unit);
	mount_path = g_build_filename(unit.path, "mount", NULL);
	g_assert_cmpint(mkdir(mount_path, 0755), ==, 0);
	g_assert_cmpint(mount("tmpfs", mount_path, "tmpfs", 0, NULL), ==, 0);
	fs_unit_write(&unit, "mount/file", "in a submount");
	dir = fs_unit_lookup(&unit, "mount");
	file = lookup_in(&unit, dir, "file");
	must_be_cold(&unit, file);
	must_be_cold(&unit, dir);
	text = read_node(&unit, file);
	g_assert_cmpstr(text, ==, "in a submount");
	must_be_cold(&unit, file);
	if (handles == BY_HANDLE)
		g_assert_cmpint(umount(mount_path), <, 0);
	fs_forget(unit.fs, file, 1);
	fs_forget(unit.fs, dir, 1);
	g_assert_cmpint(umount(mount_path), ==, 0);
	fs_unit_stop(&unit);
}

static char *mount_overlay(const char *base)
{
	static const char *const names[] = { "lower", "upper", "work", "merged" };
	g_autofree char *options = NULL;
	g_autofree char *file = g_build_filename(base, "lower/file", NULL);
	char *merged = g_build_filename(base, "merged", NULL);

	/* Not every file system can be below an overlay. */
	g_assert_cmpint(mount("tmpfs", base, "tmpfs", 0, NULL), ==, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_build_filename(base, names[i], NULL);

		g_assert_cmpint(mkdir(path, 0755), ==, 0);
	}
	g_assert_true(g_file_set_contents(file, "lower", -1, NULL));
	options = g_strdup_printf("lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", base, base,
				  base);
	g_assert_cmpint(mount("overlay", merged, "overlay", 0, options), ==, 0);
	return merged;
}

/* Writing copies the file to the upper layer, and it gets another time of birth. */
static void a_file_of_an_overlay_is_the_same_after_a_write(void)
{
	g_autofree char *base = g_dir_make_tmp("fs-cold-XXXXXX", NULL);
	g_autofree char *merged = mount_overlay(base);
	struct fs_options options = cold_options();
	struct fs_opened opened;
	struct fs_write write = { 0 };
	struct iovec iov = { (char *)(uintptr_t) "upper", 5 };
	struct fs_unit unit;
	uint64_t file;

	fs_unit_start_on(&unit, merged, &options);
	(void)fs_use_handles(unit.fs);
	make_press(&unit);
	file = fs_unit_lookup(&unit, "file");
	must_be_cold(&unit, file);
	g_assert_cmpint(fs_open(unit.thread, file, O_WRONLY, false, &opened), ==, 0);
	write.fh = opened.fh;
	g_assert_cmpint(fs_write(unit.thread, &write, &iov, 1), ==, 5);
	g_assert_cmpint(fs_release(unit.thread, opened.fh), ==, 0);
	for (int i = 0; i < 3; i++) {
		g_autofree char *text = NULL;

		must_be_cold(&unit, file);
		text = read_node(&unit, file);
		g_assert_cmpstr(text, ==, "upper");
	}
	fs_unit_stop(&unit);
	g_assert_cmpint(umount(merged), ==, 0);
	g_assert_cmpint(umount(base), ==, 0);
	g_assert_cmpint(rmdir(base), ==, 0);
}

/* ---- Far down ---- */

#define N_LEVELS 700 /* more than there are descriptors, by far */

static void a_file_far_below_cold_directories_is_found(gconstpointer handles)
{
	g_autoptr(GString) path = g_string_new("");
	uint64_t node[N_LEVELS];
	uint64_t at = FS_ROOT_ID;
	struct fs_unit unit;

	start(&unit, handles);
	make_press(&unit);
	for (int i = 0; i < N_LEVELS; i++) {
		g_string_append_printf(path, "%sd", i ? "/" : "");
		g_assert_cmpint(mkdirat(unit.dir_fd, path->str, 0755), ==, 0);
		at = node[i] = lookup_in(&unit, at, "d");
	}
	for (int i = 0; i < N_LEVELS; i++)
		must_be_cold(&unit, node[i]);
	g_assert_cmpint(try_attr(&unit, node[N_LEVELS - 1]), ==, 0);
	fs_unit_stop(&unit);
}

/* ---- Limits ---- */

static void open_files_keep_their_descriptors(gconstpointer handles)
{
	struct fs_unit unit;
	uint64_t fh[MAX_HANDLES];
	struct fs_opened opened;
	uint64_t node;
	char byte;
	struct iovec iov = { &byte, 1 };

	start(&unit, handles);
	make_press(&unit);
	fs_unit_write(&unit, "file", "x");
	node = fs_unit_lookup(&unit, "file");
	for (unsigned int i = 0; i < MAX_HANDLES; i++) {
		g_assert_cmpint(fs_open(unit.thread, node, O_RDONLY, false, &opened), ==, 0);
		fh[i] = opened.fh;
	}
	g_assert_cmpint(fs_open(unit.thread, node, O_RDONLY, false, &opened), ==, -ENFILE);
	press(&unit);
	for (unsigned int i = 0; i < MAX_HANDLES; i++) {
		g_assert_cmpint(fs_read(unit.thread, fh[i], 0, &iov, 1), ==, 1);
		g_assert_cmpint(fs_release(unit.thread, fh[i]), ==, 0);
	}
	g_assert_cmpint(fs_open(unit.thread, node, O_RDONLY, false, &opened), ==, 0);
	fs_unit_stop(&unit);
}

struct listing {
	struct fs_dir_sink sink;
	unsigned int n_names;
	unsigned int n_entries;
};

static bool always_room(struct fs_dir_sink *sink, uint32_t name_len)
{
	return true;
}

static void count_entry(struct fs_dir_sink *sink, const struct fs_dirent *dirent,
			const struct fs_entry *entry)
{
	struct listing *listing = container_of(sink, struct listing, sink);

	listing->n_names++;
	listing->n_entries += entry != NULL;
}

static void list_press(struct fs_unit *unit, struct listing *listing)
{
	uint64_t dir = fs_unit_lookup(unit, "press");
	struct fs_opened opened;
	unsigned int before;
	uint64_t offset = 0;

	*listing = (struct listing){ .sink = { true, always_room, count_entry } };
	g_assert_cmpint(fs_opendir(unit->thread, dir, 0, &opened), ==, 0);
	do {
		before = listing->n_names;
		g_assert_cmpint(
			fs_readdir(unit->thread, dir, opened.fh, offset, 4096, &listing->sink), ==,
			0);
		/* Where the descriptor stands is where the last entry ended. */
		offset = unit->fs->handles.slots[(uint32_t)opened.fh - 1].position;
	} while (listing->n_names > before);
	g_assert_cmpint(fs_releasedir(unit->thread, opened.fh), ==, 0);
}

/* The kernel's limit, lower than the budget: what is in the way there gives way, too. */
static void at_the_limit_of_the_process_nothing_is_lost(gconstpointer handles)
{
	struct fs_unit unit;
	struct listing listing;
	struct rlimit before;
	struct rlimit low;

	start(&unit, handles);
	make_press(&unit);
	g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
	low = (struct rlimit){ fs_unit_count_fds() + 24, before.rlim_max };
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &low), ==, 0);
	list_press(&unit, &listing);
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
	g_assert_cmpuint(listing.n_names, ==, N_PRESS + 2);
	g_assert_cmpuint(listing.n_entries, ==, N_PRESS);
	fs_unit_stop(&unit);
}

static void handles_are_refused_where_there_are_none(void)
{
	struct fs_options options = cold_options();
	struct fs_unit unit;

	fs_unit_start_on(&unit, "/proc/sys/kernel", &options);
	g_assert_cmpint(fs_use_handles(unit.fs), ==, -EOPNOTSUPP);
	/* It goes on by name. */
	g_assert_cmpuint(fs_unit_lookup(&unit, "hostname"), !=, 0);
	fs_unit_stop(&unit);
}

struct both {
	const char *name;
	void (*fn)(gconstpointer handles);
};

static const struct both tests[] = {
	{ "all of a large tree answer", all_of_a_large_tree_answer },
	{ "many threads share few descriptors", many_threads_share_few_descriptors },
	{ "a file removed while cold answers until forgotten",
	  a_file_removed_while_cold_answers_until_forgotten },
	{ "a file renamed over while cold answers until forgotten",
	  a_file_renamed_over_while_cold_answers_until_forgotten },
	{ "exchanged files are found under their new names",
	  exchanged_files_are_found_under_their_new_names },
	{ "a removed directory answers until forgotten",
	  a_removed_directory_answers_until_forgotten },
	{ "one of two names may go", one_of_two_names_may_go },
	{ "what the host removes is stale", what_the_host_removes_is_stale },
	{ "a used again inode number is another node", a_used_again_inode_number_is_another_node },
	{ "the host renames a file and the directory above",
	  the_host_renames_a_file_and_the_directory_above },
	{ "a submount can go when nothing in it is known",
	  a_submount_can_go_when_nothing_in_it_is_known },
	{ "a file far below cold directories is found",
	  a_file_far_below_cold_directories_is_found },
	{ "open files keep their descriptors", open_files_keep_their_descriptors },
	{ "at the limit of the process nothing is lost",
	  at_the_limit_of_the_process_nothing_is_lost },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *by_name = g_strdup_printf("/fs-cold/by name/%s", tests[i].name);
		g_autofree char *by_handle = g_strdup_printf("/fs-cold/by handle/%s",
							     tests[i].name);

		g_test_add_data_func(by_name, BY_NAME, tests[i].fn);
		g_test_add_data_func(by_handle, BY_HANDLE, tests[i].fn);
	}
	g_test_add_func("/fs-cold/what the host moves far away is found by its handle",
			what_the_host_moves_far_away_is_found_by_its_handle);
	g_test_add_func("/fs-cold/a file the host moved is back at its next lookup",
			a_file_the_host_moved_is_back_at_its_next_lookup);
	g_test_add_func("/fs-cold/a file of an overlay is the same after a write",
			a_file_of_an_overlay_is_the_same_after_a_write);
	g_test_add_func("/fs-cold/handles are refused where there are none",
			handles_are_refused_where_there_are_none);
	return g_test_run();
}
